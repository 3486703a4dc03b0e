"""What a supervisor and its gateway both know about the socket between them."""

SOCKET_FILE = "control"
"""Name of the socket, in the folder of the run."""
