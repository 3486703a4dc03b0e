"""The only room that talks to Kubernetes and to workers."""
