"""What a worker may use of its machine: threads from its CPU limit, and LLVM's pages given back."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from camstream_worker.app import cpu_limit
from camstream_worker.service.memory import clean_mappings

CORES = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", CORES), ("50000 100000", 0.5), ("1000000000 100000", CORES), ("", CORES), ("nonsense", CORES)],
)
def test_the_quota_of_the_control_group_limits_the_cores(tmp_path: Path, quota: str, cores: float):
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    assert cpu_limit(file) == cores


def test_without_control_groups_the_processors_count(tmp_path: Path):
    assert cpu_limit(tmp_path / "none") == CORES


SMAPS = """\
7f0000000000-7f0000003000 r--p 00000000 fe:00 1234 /x/libllvmlite.so
Rss:                  12 kB
Anonymous:             0 kB
7f0000003000-7f0000005000 r-xp 00003000 fe:00 1234 /x/libllvmlite.so
Anonymous:             0 kB
7f0000005000-7f0000006000 r--p 00005000 fe:00 1234 /x/libllvmlite.so
Anonymous:             4 kB
7f0000006000-7f0000007000 rw-p 00006000 fe:00 1234 /x/libllvmlite.so
Anonymous:             0 kB
7f0000007000-7f0000008000 r-xp 00000000 fe:00 99 /x/libother.so
Anonymous:             0 kB
7f0000008000-7f0000009000 r--p 00000000 00:00 0
Anonymous:             0 kB
"""


def test_only_untouched_read_only_pages_of_the_library_are_released():
    assert clean_mappings(SMAPS, "libllvmlite") == [(0x7F0000000000, 0x7F0000003000), (0x7F0000003000, 0x7F0000005000)]


def test_kernels_still_load_and_run_after_the_compiler_was_released():
    program = """
import numpy as np
from pathlib import Path
from camstream_worker.pipeline.offline import analyse
from camstream_worker.service.memory import release_compiler

def llvm():
    text = Path("/proc/self/smaps").read_text()
    return sum(int(b.split("Pss:")[1].split()[0]) for b in text.split("VmFlags")[:-1] if "libllvmlite" in b)

def run(dtype):
    image = np.zeros((48, 64), dtype)
    image[20:30, 20:30] = 50
    return analyse([image], np.arange(64, dtype=np.float32), np.arange(48, dtype=np.float32), None, {})["x_fit_mean"]

first = run(np.uint16)
before = llvm()
assert release_compiler() > 0
after = llvm()
assert run(np.uint16) == first
assert run(np.uint8) == first
print(before, after)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    before, after = map(int, re.findall(r"\d+", done.stdout))
    assert after < before / 4


def test_a_worker_sets_the_threads_of_its_libraries_and_leaves_a_users_choice(monkeypatch: pytest.MonkeyPatch):
    from camstream_worker import app

    monkeypatch.setattr(app, "cpu_limit", lambda: 8.0)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    app._limit_threads()
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert os.environ["OPENBLAS_NUM_THREADS"] == "4"
    assert os.environ["OMP_WAIT_POLICY"] == "passive"
    monkeypatch.delenv("OMP_NUM_THREADS")
    app._limit_threads()
    assert os.environ["OMP_NUM_THREADS"] == "1"


def test_garbage_is_collected_from_the_start_on_and_not_among_what_was_loaded():
    program = """
import gc
from camstream_worker.service.memory import begin_to_collect
gc.disable()
loaded, before = len(gc.get_objects()), gc.get_stats()[2]["collections"]
begin_to_collect()
print(gc.isenabled(), gc.get_stats()[2]["collections"] == before)
print(gc.get_freeze_count() > 0.9 * loaded, len(gc.get_objects()) < 0.1 * loaded)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.split() == ["True"] * 4
