"""The checker that came with the recordings runs over our implementation. It prints the worst error of each channel."""

import subprocess
import sys

import pytest
from golden import golden_dir


@pytest.mark.parametrize(
    "arguments",
    [
        ["analysis.npz", "camstream_worker.pipeline.offline:analyse", "--dtypes"],
        ["camera.npz", "camstream_worker.pipeline.offline:transform", "--camera"],
    ],
    ids=["analysis", "camera"],
)
def test_results_equal_those_recorded_from_cam_server(arguments):
    golden = golden_dir()
    name, *rest = arguments
    command = [sys.executable, golden / "check_analysis.py", golden / name, *rest]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith(" 0 failed")
