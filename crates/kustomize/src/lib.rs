//! A kustomization directory becomes manifests
