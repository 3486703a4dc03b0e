"""A process that writes records to an HDF5 file until it is ended: ``python recorder.py folder layout``."""

import sys
import threading
from pathlib import Path

import numpy as np

from camstream.frame import Timestamp
from camstream.spec.output import FileOutput
from camstream_worker.counters import Counters
from camstream_worker.outputs.hdf5 import Hdf5Output


def values(n: int) -> dict[str, object]:
    """One record, every value of which tells its number. Now and then a channel appears, and the image gets another size."""
    size = 64 if n // 40 % 2 else 48
    found: dict[str, object] = {
        "image": np.full((size, size), n % 65536, np.uint16),
        "profile": np.full(40, n, np.float64),
        "number": n,
        "text": f"{n} " + "x" * (n % 300),
    }
    return found | ({f"late{n % 40 // 7}": n} if n % 7 == 0 else {})


def main() -> None:
    spec = FileOutput.model_validate({"path": "file", "layout": sys.argv[2], "allowShapeChanges": True})
    output = Hdf5Output(spec, Path(sys.argv[1]), None, Counters(), threading.Event())
    n = 0
    while True:
        if not output.send(values(n), n, Timestamp(n, 0)):
            raise SystemExit(output.problem)
        sys.stdout.write(f"{n}\n")
        sys.stdout.flush()
        n += 1


if __name__ == "__main__":
    main()
