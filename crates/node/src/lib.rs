//! Drives pods on this machine: volumes, probes, logs, exec, file sync
