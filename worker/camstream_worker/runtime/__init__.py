"""The only room with threads: source, queue, processing, output."""
