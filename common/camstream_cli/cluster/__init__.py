"""The command ``kubectl camstream``: what one does each day with cameras on a cluster. It reaches the cluster by kubectl alone."""
