//! Deployment, ReplicaSet, Job and the others: objects in, writes out
