"""What surrounds the stream: configuration, health, metrics, preview. Nothing in here can hold up a frame."""
