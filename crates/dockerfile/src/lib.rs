//! Dockerfile text becomes a build graph
