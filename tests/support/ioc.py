"""A real soft IOC in a process of its own: the PVs of one camera, as they are named at PSI, and those of a spectrometer.

Run as a program: ``ioc.py PREFIX WIDTH HEIGHT RATE INIT``. A line ``size W H``,
``pixels N`` or ``init TEXT`` on its standard input changes the PVs.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SPECTRUM_ROWS = (10, 20)


def tell(ioc: "subprocess.Popen[str]", line: str) -> None:
    """Change PVs of a running IOC."""
    assert ioc.stdin is not None
    ioc.stdin.write(line + "\n")
    ioc.stdin.flush()


@contextmanager
def soft_ioc(prefix: str, width: int, height: int, rate: float = 25, init: str = "INIT") -> Iterator["subprocess.Popen[str]"]:
    """A running IOC that serves Channel Access at the port of ``EPICS_CA_SERVER_PORT`` on loopback."""
    environment = os.environ | {"EPICS_CAS_SERVER_PORT": os.environ["EPICS_CA_SERVER_PORT"]}
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__)), prefix, str(width), str(height), str(rate), init],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert process.stdout is not None
        while line := process.stdout.readline():
            if line.strip() == "IOC is up":
                break
        else:
            raise AssertionError(f"the IOC ended with {process.wait()}")
        yield process
    finally:
        process.kill()
        process.wait(5)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _serve(prefix: str, width: int, height: int, rate: float, initial: str) -> None:
    import asyncio

    import numpy as np
    from softioc import asyncio_dispatcher, builder, softioc

    dispatcher = asyncio_dispatcher.AsyncioDispatcher()
    builder.SetDeviceName(prefix)
    size = {"WIDTH": builder.longIn("WIDTH", initial_value=width), "HEIGHT": builder.longIn("HEIGHT", initial_value=height)}
    init = builder.stringIn("INIT", initial_value=initial)
    picture = builder.WaveformIn("FPICTURE", length=4 * width * height, datatype=np.int16)
    # A spectrometer's camera: rows that count, energies, and what is made of them.
    builder.longIn("SPC_ROI_YMIN", initial_value=SPECTRUM_ROWS[0])
    builder.longIn("SPC_ROI_YMAX", initial_value=SPECTRUM_ROWS[1])
    builder.WaveformIn("SPECTRUM_X", initial_value=9000 + 0.5 * np.arange(width))
    builder.WaveformOut("SPECTRUM_Y", length=width, datatype=np.float64)
    for name in ("CENTER", "FWHM", "COM", "STD"):
        builder.aOut(f"SPECTRUM_{name}")
    builder.LoadDatabase()
    softioc.iocInit(dispatcher)

    length: list[int] = []

    async def run() -> None:
        count = 0
        while True:
            count += 1
            expected = size["WIDTH"].get() * size["HEIGHT"].get()
            pixels = np.arange(length[-1] if length else expected, dtype=np.int16) % 1000
            pixels[0] = count % 30000
            picture.set(pixels)
            await asyncio.sleep(1 / rate)

    asyncio.run_coroutine_threadsafe(run(), dispatcher.loop)
    print("IOC is up", flush=True)
    for line in sys.stdin:
        match line.split():
            case ["size", w, h]:
                size["WIDTH"].set(int(w))
                size["HEIGHT"].set(int(h))
            case ["pixels", n]:
                length.append(int(n))
            case ["init", text]:
                init.set(text)


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), sys.argv[5])
