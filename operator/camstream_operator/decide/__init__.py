"""What is seen on the cluster, and what it means: pure."""
