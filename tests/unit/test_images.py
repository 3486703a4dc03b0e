"""What goes into the images is a part of what goes into `.venv`, in the same versions: what is tested is what is shipped."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pinned(lock: str) -> set[str]:
    """Lines of a lock file such as ``numpy==2.4.6``, without conditions and hashes."""
    return set(re.findall(r"^([\w.-]+==[^ \n]+)", (ROOT / lock).read_text(), re.MULTILINE))


def name_of(requirement: str) -> str:
    return re.split(r"[=<>~!\[; ]", requirement)[0].replace(".", "-")


@pytest.mark.parametrize("group", ["operator-image", "worker-image"])
def test_an_image_asks_for_nothing_that_the_project_does_not_ask_for_in_the_same_words(group: str) -> None:
    assert set(PROJECT["dependency-groups"][group]) <= set(PROJECT["project"]["dependencies"])


@pytest.mark.parametrize("image", ["operator", "worker"])
def test_an_image_has_what_it_asks_for_in_the_versions_of_the_other_lock_files(image: str) -> None:
    locked = pinned(f"requirements-{image}.lock")
    assert {name_of(line) for line in PROJECT["dependency-groups"][f"{image}-image"]} <= {name_of(line) for line in locked}
    assert locked <= pinned("requirements.lock")
    assert locked <= pinned("requirements-dev.lock")
