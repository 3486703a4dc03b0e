"""Recorded data of the programs that camstream replaces; too large, and not ours, to lie in the repository."""

import os
from pathlib import Path

import pytest


def golden_dir() -> Path:
    """Return the directory of the recordings: ``$CAMSTREAM_GOLDEN``, else ``shared/golden`` beside the repository.

    Without it the test is skipped, in CI (``CI=true``) it fails.
    """
    beside = Path(__file__).resolve().parents[3] / "shared" / "golden"
    directory = Path(os.environ.get("CAMSTREAM_GOLDEN") or beside)
    if not directory.is_dir():
        missing = f"no recordings in {directory}: NOT compared with the original programs; set CAMSTREAM_GOLDEN to their directory"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return directory
