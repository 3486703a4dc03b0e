"""Compiled loops. Each has a plain numpy form in the module of its subject, and a test that both agree.

They release the GIL, and are cached on disk (:mod:`camstream_worker.image.compile`). A kernel calls only kernels of its
own file, because numba does not notice when another one changes.
"""
