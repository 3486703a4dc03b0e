"""Compiled loops. Each has a plain form, of numpy or a library, in the module of its subject, and a test that both agree.

They release the GIL, and are cached on disk (:mod:`camstream_worker.image.compile`). A kernel calls only kernels of its
own file, because numba does not notice when another one changes.
"""

import importlib
import sys

from numba.core import codegen, config

# LLVM uses half of the 512 bits that a processor has, because the first ones with so many became slower with them. With all of
# them, as numpy does it, fits are 20 % faster and sums of pixels 10 %.
FEATURES: str = codegen.get_host_cpu_features()  # type: ignore[no-untyped-call]
if config.CPU_FEATURES is None and "+avx512f" in FEATURES:  # type: ignore[attr-defined]
    config.CPU_FEATURES = FEATURES + ",-prefer-256-bit"  # type: ignore[attr-defined]

# With the first kernel numba looks whether scipy has BLAS, for functions that no kernel uses, and imports scipy.linalg to that end:
# 0.1 s and 15 MB in every worker. Here it finds none.
BLAS = "scipy.linalg.cython_blas"
if BLAS not in sys.modules:
    sys.modules[BLAS] = None  # type: ignore[assignment]
    importlib.import_module("numba.np.arraymath")
    del sys.modules[BLAS]
