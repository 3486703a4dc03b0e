"""Run the benchmarks, print their ratios and write them as JSON; with ``--write-docs`` the page in the docs too.

Every ratio is measured side by side in one run, and results are compared before any time is taken.
The exit code is 1 where a result is wrong, or where a ratio is 30 % under its goal.
"""

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT / "tests" / "support")]

from harness import Measurement, hold_memory  # noqa: E402 - it stands beside this file

ATTEMPTS = 3

MODULES = (
    "bench_analysis",
    "bench_fit",
    "bench_pixels",
    "bench_geometry",
    "bench_hop",
    "bench_streams",
    "bench_latency",
    "bench_page",
    "bench_metrics",
    "bench_operator",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="two minutes instead of fifteen")
    parser.add_argument("--only", default="", metavar="TEXT", help="modules whose name contains this")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench.json", metavar="FILE", help="where to write all numbers")
    parser.add_argument("--write-docs", action="store_true", help="write docs/performance.md")
    options = parser.parse_args()
    # Here and not above: processes that a benchmark starts read this file again, and some shall have their library's own default.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    hold_memory()
    before, start = _cpu_times(), time.monotonic()
    found: list[tuple[str, Measurement]] = []
    wrong: list[str] = []
    for name in MODULES:
        if options.only not in name:
            continue
        print(f"{name}: {importlib.import_module(name).__doc__.splitlines()[0]}", flush=True)
        try:
            found += [(name, measurement) for measurement in measure(importlib.import_module(name), options.short)]
        except (RuntimeError, AssertionError) as error:
            wrong.append(f"{name}: {error}")
            print(f"  WRONG RESULT: {error}", flush=True)
    machine = {"form": "short" if options.short else "long"} | _machine(before, time.monotonic() - start)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"machine": machine, "wrong": wrong, "measurements": [_dict(*m) for m in found]}, indent=1) + "\n")
    below = [m for _, m in found if m.failed]
    good = sum(m.score >= 1 for _, m in found)
    print(f"\n{len(found)} ratios, {good} at their goal, {len(below)} failed, {len(wrong)} wrong results")
    print(f"all numbers: {options.json}")
    if options.write_docs:
        from page import write_page

        write_page(ROOT / "docs" / "performance.md", machine, found)
    return 1 if below or wrong else 0


def measure(module: ModuleType, short: bool) -> list[Measurement]:
    """Run one module; again, at most twice, while a ratio fails: what a neighbour on a shared machine spoils is not ours."""
    best: dict[tuple[str, str], Measurement] = {}
    for attempt in range(ATTEMPTS):
        for measurement in module.run(short):
            key = measurement.name, measurement.size
            print("  " + line(measurement), flush=True)
            if key not in best or measurement.score > best[key].score:
                best[key] = measurement
        if not any(m.failed for m in best.values()):
            break
        if attempt + 1 < ATTEMPTS:
            print("  once more: a ratio failed", flush=True)
    return list(best.values())


def line(measurement: Measurement) -> str:
    sign = "at least" if measurement.higher_is_better else "at most"
    mark = "ok" if measurement.score >= 1 else "FAILED" if measurement.failed else "under"
    raw = ", ".join(f"{key} {value}" for key, value in measurement.raw.items())
    result = f"{measurement.ratio:.2f} ({sign} {measurement.goal:g}) against {measurement.baseline}"
    return f"{mark:6s} {measurement.size:10s} {measurement.name}: {result} | {raw}"


def _dict(module: str, measurement: Measurement) -> dict[str, Any]:
    fields = {name: getattr(measurement, name) for name in measurement.__dataclass_fields__}
    return {"module": module, **fields, "raw": dict(measurement.raw), "score": round(measurement.score, 3)}


def _cpu_times() -> list[int]:
    return [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]


def _machine(before: list[int], seconds: float) -> dict[str, Any]:
    spent = [b - a for a, b in zip(before, _cpu_times(), strict=True)]
    total = max(sum(spent), 1)
    return {
        "processor": next(_processor_names(), "unknown"),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout.strip(),
        "seconds": round(seconds),
        "busy share": round(1 - (spent[3] + spent[4]) / total, 2),
        "stolen share": round(spent[7] / total, 3),
    }


def _processor_names() -> Iterator[str]:
    for text in Path("/proc/cpuinfo").read_text().splitlines():
        if text.startswith("model name"):
            yield text.partition(":")[2].strip()


if __name__ == "__main__":
    sys.exit(main())
