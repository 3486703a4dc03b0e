"""The page in the docs that tells what was measured, made from the measurements themselves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import Measurement

TITLES = {
    "bench_analysis": "Default analysis, one core",
    "bench_fit": "Gaussian fit of a profile",
    "bench_pixels": "One pass over the pixels",
    "bench_geometry": "Rotation and binning",
    "bench_hop": "One hop of a bsread stream",
    "bench_streams": "Whole chains of worker processes",
    "bench_latency": "From the camera to the client",
    "bench_page": "The live page in a headless browser, drawing in software",
    "bench_metrics": "What metrics cost, in percent",
    "bench_operator": "The operator, with a kube-apiserver and etcd on the same cores",
}

HEAD = """<!-- Made by `tests/bench/main.py --write-docs`, as `make bench-long` runs it. Do not edit. -->

# How fast it is

Each figure is a ratio: ours and the baseline ran in turn, in the same run, on the same cores, with equal results checked first.
Absolute numbers belong to this machine and this day; they stand here only so that a ratio can be understood. `make bench` runs the
short form (CI fails 30 % under a goal; later where a baseline is unsteady or the goal is a time, and at the goal itself for the operator's
memory and its writes), `make bench-long` the long one,
which also writes this page; all numbers are then in `build/bench.json`.

"""

TAIL = """
## What is not claimed

- No absolute rate for your machine, and no 99th percentile: both follow the neighbours on a shared machine.
- Nothing about a real network: all streams ran over loopback TCP, where sender and receiver share the cores.
- Clients of chains copy nothing, as the next worker of a chain: a client in Python that copies each message is slower than what it reads.
- "Zero-copy" only within our processes: the kernel copies a TCP stream twice.
- Nothing against cam_server itself: the baselines are psi-bsread, SciPy and plain NumPy code written for the same results.
- A packed hop is compared with psi-bsread as it comes, with a compression thread per core; a worker of ours has one.
"""


def write_page(path: Path, machine: dict[str, Any], found: Sequence[tuple[str, Measurement]]) -> None:
    """Write the page; what was measured stands beside what it was measured against."""
    facts = ", ".join(f"{name} {value}" for name, value in machine.items())
    text = HEAD + f"Last run: {facts}.\n"
    for module, title in TITLES.items():
        rows = [m for name, m in found if name == module]
        if not rows:
            continue
        text += f"\n## {title}\n\n| measured | size | against | ratio | goal | medians |\n| --- | --- | --- | --- | --- | --- |\n"
        text += "".join(_row(m) for m in rows)
    path.write_text(text + TAIL)


def _row(measurement: Measurement) -> str:
    goal = ("≥ " if measurement.higher_is_better else "≤ ") + f"{measurement.goal:g}"
    raw = ", ".join(f"{name} {value}" for name, value in measurement.raw.items())
    return f"| {measurement.name} | {measurement.size} | {measurement.baseline} | **{measurement.ratio:.2f}** | {goal} | {raw} |\n"
