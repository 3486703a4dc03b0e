"""A real writer process, killed at a random moment: the file opens with plain h5py and holds whole records."""

import random
import subprocess
import sys
from itertools import count
from pathlib import Path

import h5py
import numpy as np
import pytest
import recorder

from camstream.spec.output import FileLayout

GROUPS = {
    FileLayout.DEFAULT: ("header{0}/pulse_id", "data{0}/{1}/value"),
    FileLayout.FLAT: ("header{0}/pulse_id", "data{0}/{1}"),
    FileLayout.BSH5: ("pulse_id{0}", "{1}{0}/data"),
}


def whole_records(path: Path, layout: FileLayout) -> int:
    """Compare every record with what was sent, and count them."""
    pulse_path, value_path = GROUPS[layout]
    seen = 0
    with h5py.File(path) as file:
        for group in count(1):
            number = "" if layout is FileLayout.BSH5 and group == 1 else str(group)
            if pulse_path.format(number) not in file:
                break
            pulses = file[pulse_path.format(number)][:].tolist()
            assert pulses == list(range(seen, seen + len(pulses)))
            for name in recorder.values(seen) if pulses else ():
                found = file[value_path.format(number, name)]
                assert len(found) in {len(pulses), len(pulses) + 1}
                for row, n in zip(found[:], pulses, strict=False):
                    expected = recorder.values(n).get(name, 0)
                    assert row == expected.encode() if isinstance(expected, str) else np.array_equal(row, expected)
            seen += len(pulses)
        assert file["general/datasets"][()] == group - 1
    return seen


@pytest.mark.parametrize("layout", list(FileLayout))
def test_a_writer_that_is_killed_leaves_a_file_of_whole_records(tmp_path: Path, layout: FileLayout):
    chance = random.Random(7)
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        enough = chance.randrange(100)
        with subprocess.Popen([sys.executable, recorder.__file__, str(folder), layout], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            told = [int(next(writer.stdout)) for _ in range(enough + 1)]
            writer.kill()
            told += [int(line) for line in writer.stdout if line.endswith("\n")]
        found = whole_records(folder / "file.h5", layout)
        assert found - len(told) in {0, 1}, "told to be in the file, and is not"
