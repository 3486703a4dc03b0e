"""The gateway's own API: cameras, pipelines and backgrounds as the manifests have them, by HTTP."""
