"""The gateway's own API: cameras and pipelines as the manifests have them, by HTTP."""
