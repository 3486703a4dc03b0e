"""Local mode: what Kubernetes does for the objects, done by one supervisor on this machine."""
