"""The worker: one configuration file in, one bsread stream out.

Exit codes: 0 completed or stopped, 1 failure, 2 wrong configuration, 3 address in use.
"""

import argparse
import gc
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from camstream_worker.service.memory import keep_buffers

if TYPE_CHECKING:
    from camstream.spec.status import ExitStatus

log = logging.getLogger("camstream_worker")


def main() -> int:
    options = _arguments()
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    # Before the first thread: one that allocates has a heap of its own for good, and others then share out frames between the two.
    keep_buffers()
    # Before the libraries are loaded, which takes a second: as the first process of a container it could not be ended until then.
    stopped = threading.Event()
    _stop_on(stopped, options.exit_with_stdin)
    gc.disable()  # loading makes many objects, and next to no garbage; Worker.run goes on with it
    _limit_threads()
    _have_writable_kernels()
    # After the thread limits: the libraries below read them when they are loaded.
    from camstream.errors import CamstreamError
    from camstream_worker.service.ending import COMPLETED, FAILED, completion, failure
    from camstream_worker.service.worker import Worker

    try:
        worker = Worker(options.config, stopped, stay=options.stay_when_completed)
        worker.run()
    except (CamstreamError, OSError) as error:
        how = failure(error)
        log.error("%s: %s", how.reason, error)  # noqa: TRY400 - a message for people; the trace would hide it
        _leave_reason(options.termination_file, how)
        return FAILED if how.exit_code is None else how.exit_code
    if worker.ended:
        log.info("completed: %s", worker.ended)
        _leave_reason(options.termination_file, completion(worker.ended))
    return COMPLETED


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="camstream-worker",
        description="Run one Camera or Pipeline: read frames, process them, send them as a bsread stream.",
        epilog="`camstream run` and the operator start workers; by hand it serves to look at one alone.",
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help="configuration file (JSON); live fields may be edited while it runs")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when standard input closes, so as not to outlive the parent")
    parser.add_argument(
        "--stay-when-completed",
        action="store_true",
        help="after the last frame, or a failure that is not tried again, close the stream, but go on to answer /status until stopped or "
        "edited (where an ended process would be run again)",
    )
    parser.add_argument("--termination-file", type=Path, metavar="FILE", help="where to write one line of JSON that says why it ended")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    return parser.parse_args()


def _limit_threads() -> None:
    """Let libraries use as many threads as this worker has cores, and not as the node has.

    Those of OpenMP, which bitshuffle has, wait for each other at every block: spinning they take the cores from everybody else, and
    sleeping they take several times as long as one alone.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    threads = str(max(int(cpu_limit()) // 2, 1))
    for name in ("OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _have_writable_kernels() -> None:
    """Copy compiled kernels from a read-only image: numba silently passes over a cache that it cannot write to."""
    baked = os.environ.get("NUMBA_CACHE_DIR")
    if baked and Path(baked).is_dir() and not os.access(baked, os.W_OK):
        os.environ["NUMBA_CACHE_DIR"] = shutil.copytree(baked, tempfile.mkdtemp(prefix="camstream-kernels-"), dirs_exist_ok=True)


def cpu_limit(quota_file: Path = Path("/sys/fs/cgroup/cpu.max")) -> float:
    """Cores that this process may use: the quota of its control group, or else the processors it may run on."""
    cores = float(len(os.sched_getaffinity(0)))
    try:
        quota, period = quota_file.read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else min(cores, int(quota) / int(period))


def _stop_on(stopped: threading.Event, with_stdin: bool) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    if with_stdin:

        def wait_for_end() -> None:
            while os.read(sys.stdin.fileno(), 1024):
                pass
            stopped.set()

        threading.Thread(target=wait_for_end, name="stdin", daemon=True).start()


def _leave_reason(path: Path | None, how: "ExitStatus") -> None:
    if path is not None:
        path.write_text(json.dumps(how.model_dump(by_alias=True)) + "\n")


if __name__ == "__main__":
    sys.exit(main())
