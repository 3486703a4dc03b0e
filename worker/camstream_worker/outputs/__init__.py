"""Where results go."""

from camstream_worker.outputs.bsread import BsreadOutput

__all__ = ["BsreadOutput"]
