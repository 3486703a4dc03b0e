"""The gateway of a cluster as a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running_gateway(kubeconfig: Path, folder: Path, *options: str) -> Iterator[dict[str, str]]:
    """:returns: where each door is"""
    command = [sys.executable, "-m", "camstream_gateway.app", "--kubeconfig", str(kubeconfig), "--exit-with-stdin"]
    command += ["--backgrounds", str(folder / "backgrounds"), "--scripts", str(folder / "scripts")]
    command += ["--page-port", "0", "--cameras-port", "0", "--pipelines-port", "0", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["doors"]
        finally:
            process.stdin.close()
            assert process.wait(20) == 0
