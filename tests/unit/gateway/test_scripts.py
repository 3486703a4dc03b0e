"""Scripts as files of one folder."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from camstream.errors import CamstreamError
from camstream_gateway.scripts import SUFFIXES, ScriptFolder


@pytest.fixture
def scripts(tmp_path: Path) -> ScriptFolder:
    (tmp_path / "secret.py").write_text("secret")
    return ScriptFolder(tmp_path / "scripts")


def test_scripts_are_listed_by_their_extension_and_libraries_apart(scripts: ScriptFolder) -> None:
    assert scripts.names(SUFFIXES) == []
    for name in ("b.py", "a.c", "data.txt"):
        scripts.write(name, b"x")
    scripts.libraries().write("lib.egg", b"\xff")
    assert scripts.names(SUFFIXES) == ["a.c", "b.py"]
    assert scripts.libraries().names() == ["lib.egg"]
    assert scripts.libraries().read("lib.egg") == b"\xff"


def test_function_is_found_with_or_without_its_extension(scripts: ScriptFolder) -> None:
    path = scripts.write("mine.py", b"x")
    assert scripts.path("mine") == scripts.path("mine.py") == path
    assert scripts.path("other") is None


def test_uploads_of_one_script_at_once_leave_one_of_them_whole(scripts: ScriptFolder) -> None:
    texts = [bytes([letter]) * 1_000_000 for letter in b"abcdefgh"]
    with ThreadPoolExecutor(len(texts)) as pool:
        list(pool.map(lambda text: scripts.write("a.py", text), texts * 4))
    assert scripts.read("a.py") in texts
    assert [path.name for path in scripts.folder.iterdir()] == ["a.py"]


def test_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CamstreamError, match=r"'a\.py' cannot be written: (Not a directory|File exists)"):
        ScriptFolder(tmp_path / "file").write("a.py", b"x")


@pytest.mark.parametrize("name", ["", "..", "../secret.py", "a/b.py", ".hidden", "a\0.py", "a b.py", "lib/x.py"])
def test_names_stay_in_the_folder(scripts: ScriptFolder, name: str) -> None:
    for use in (scripts.read, scripts.delete, lambda name: scripts.write(name, b"x")):
        with pytest.raises(CamstreamError, match="cannot be the name of a script"):
            use(name)
    assert scripts.path(name) is None


def test_what_is_not_there_is_told(scripts: ScriptFolder) -> None:
    scripts.write("a.py", b"")
    for use in (scripts.read, scripts.delete):
        with pytest.raises(CamstreamError, match=r"'b.py' does not exist; there are: a\.py"):
            use("b.py")
