"""The vocabulary of camstream: resources, frames and the bsread wire format. Nothing in here does I/O."""

__version__ = "0.1.0"
