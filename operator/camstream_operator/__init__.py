"""The operator: makes workers on Kubernetes from Cameras and Pipelines, and tells in their status how they are."""
