"""Folders of a user's own modules on ``sys.path``. The only place that changes it."""

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from types import ModuleType

from camstream.errors import ScriptError


class LibraryFolder(str):
    """An entry of ``sys.path`` that was put there for a script. Modules of other entries are never touched."""

    __slots__ = ()


@contextmanager
def fresh_libraries(script: str, folders: Sequence[Path]) -> Iterator[None]:
    """Within this, modules of the folders are imported anew; if it fails, those from before are back.

    The folders stay on ``sys.path``, after everything else: a library cannot replace what the worker itself imports.
    A package with compiled parts stays as it is: most can be loaded only once in a process.

    :raises ScriptError: if a folder does not exist
    """
    for folder in folders:
        if not folder.is_dir():
            raise ScriptError(f"script {script!r}: library folder {folder} does not exist; create it, or take it out of script.libraries")
        if (path := str(folder.resolve())) not in sys.path:
            sys.path.append(LibraryFolder(path))
    importlib.invalidate_caches()
    before = _take_out()
    try:
        yield
    except BaseException:
        _take_out()
        sys.modules.update(before)
        raise


def library_files() -> tuple[str, ...]:
    """Beginnings of the names of all files in library folders."""
    return tuple(f"{entry}/" for entry in sys.path if isinstance(entry, LibraryFolder))


def _take_out() -> dict[str, ModuleType]:
    """Remove the modules of all library folders from ``sys.modules``."""
    folders = {entry for entry in sys.path if isinstance(entry, LibraryFolder)}
    if not folders:
        return {}
    modules = sorted(sys.modules.items())
    mine = {name for name, module in modules if "." not in name and _folder(module) in folders}
    compiled = {name.partition(".")[0] for name, module in modules if isinstance(getattr(module, "__loader__", None), ExtensionFileLoader)}
    names = [name for name, _ in modules if name.partition(".")[0] in mine - compiled]
    return {name: sys.modules.pop(name) for name in names}


def _folder(module: ModuleType) -> str | None:
    """Where a top-level module or package lies."""
    paths = list(getattr(module, "__path__", ())) or [getattr(module, "__file__", None)]
    return str(Path(paths[0]).parent) if isinstance(paths[0], str) else None
