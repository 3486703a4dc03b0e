"""Objects as Kubernetes manifests: pure."""
