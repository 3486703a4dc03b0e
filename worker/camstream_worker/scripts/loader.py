"""Load a user's code from text or a file, each time anew."""

import hashlib
import importlib.util
import inspect
import linecache
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from camstream.errors import ScriptError
from camstream_worker.scripts.blame import Text, blame, blame_syntax
from camstream_worker.scripts.libraries import fresh_libraries
from camstream_worker.scripts.names import offer_cam_server_names


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """A user's function, ready to be called. It keeps its own version of everything in the file, also after a later load."""

    name: str
    sha256: str
    """Of the text, in hex."""
    path: Path | None
    """None for text that stands in a manifest."""
    function: Callable[..., Any]
    """As the user wrote it."""
    text: Text

    def call(self, *args: Any) -> Any:
        """What the function gives.

        :raises ScriptError: whatever it raises, also ``SystemExit`` and ``KeyboardInterrupt``
        """
        try:
            return self.function(*args)
        except BaseException as error:
            raise blame(self.text, error, self.where) from error

    @property
    def where(self) -> str:
        """File, line and name of the function, as far as it has them."""
        code = getattr(inspect.unwrap(self.function), "__code__", None)
        place = f"{code.co_filename}:{code.co_firstlineno}" if isinstance(code, CodeType) else self.text.file
        return f"{place}: {getattr(self.function, '__name__', type(self.function).__name__)}"


def load(
    path_or_text: Path | str, name: str, function: str | None, default_functions: tuple[str, ...], libraries: Sequence[Path]
) -> Script:
    """Run a script's text in a module of its own, and take a function from it.

    While it runs and afterwards ``sys.modules`` knows the module by ``name``. If it fails, ``sys.modules`` is as before; what was
    loaded earlier goes on to work in both cases. A name that belongs to an installed module gets ``script_`` in front.

    :param path_or_text: a file, or the text itself
    :param name: of the script, for messages and for ``__name__``
    :param function: its name; None: the first of ``default_functions`` that is there
    :param libraries: folders of modules that the script imports; they are imported anew, too
    :raises ScriptError: if there is no such file, the text is no Python, raises, or lacks the function
    """
    offer_cam_server_names()
    path = path_or_text if isinstance(path_or_text, Path) else None
    source = _read(name, path_or_text) if isinstance(path_or_text, Path) else path_or_text.encode("utf-8", "surrogatepass")
    file = f"<script {name}>" if path is None else str(path)
    decoded = _decode(name, file, source)
    text = Text(name, file, tuple(decoded.splitlines()))
    if path is None:
        # Without a time of change, so that linecache does not look for a file of this name.
        linecache.cache[file] = len(decoded), None, decoded.splitlines(keepends=True), file
    code = _compile(text, decoded)
    with fresh_libraries(name, libraries):
        module = _module(name, path, file)
        with _known(module):
            try:
                exec(code, module.__dict__)  # noqa: S102 - what this room is for
            except BaseException as error:
                raise blame(text, error, file) from error
            found = _function(text, module, function, default_functions)
    return Script(name, hashlib.sha256(source).hexdigest(), path, found, text)


def module_path(module: str, libraries: Sequence[Path]) -> Path:
    """The file of a module that is importable here, for :func:`load` with the module's name.

    :raises ScriptError: if there is none, or it is not written in Python
    """
    with fresh_libraries(module, libraries):
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError) as error:
            raise ScriptError(f"script {module!r}: this module cannot be imported: {error}") from error
    if spec is None or spec.origin is None:
        raise ScriptError(f"script {module!r}: no such module; install it in the worker's image, or name its folder in script.libraries")
    if not spec.origin.endswith(".py"):
        raise ScriptError(f"script {module!r}: {spec.origin} is not written in Python; import it from a script of a few lines")
    return Path(spec.origin)


def _read(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ScriptError(f"script {name!r}: {path} cannot be read: {error.strerror}; the path is as the worker sees it") from error


def _decode(name: str, file: str, source: bytes) -> str:
    try:
        return importlib.util.decode_source(source)
    except (UnicodeDecodeError, SyntaxError) as error:
        raise ScriptError(f"script {name!r}: {file} is no Python text: {error}; save it as UTF-8") from error


def _compile(text: Text, decoded: str) -> CodeType:
    try:
        code: CodeType = compile(decoded, text.file, "exec", dont_inherit=True)
        return code
    except SyntaxError as error:
        raise blame_syntax(text, error) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ScriptError(f"script {text.name!r}: {text.file} cannot be compiled: {error}") from error


def _module(name: str, path: Path | None, file: str) -> ModuleType:
    """An empty module that nobody else knows."""
    package, own, itself = "", name, None
    spec = _installed(name)
    if spec is not None and path is not None and spec.origin is not None and Path(spec.origin).resolve() == path.resolve():
        package, itself = spec.parent or "", spec
    elif spec is not None or name.partition(".")[0] in {"__main__", *sys.stdlib_module_names}:
        own = f"script_{name}"
    module = ModuleType(own)
    # With its spec, an installed module is found again when only its parameters are edited.
    vars(module).update(__file__=file, __package__=package, __spec__=itself)
    return module


def _installed(name: str) -> importlib.machinery.ModuleSpec | None:
    """How a name would be imported, if it would; scripts that were loaded before do not count."""
    known = sys.modules.get(name)
    if known is not None and known.__spec__ is None:
        return None
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


@contextmanager
def _known(module: ModuleType) -> Iterator[None]:
    """Let ``sys.modules`` know a module; if this fails, only the one from before."""
    name = module.__name__
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        yield
    except BaseException:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        raise


def _function(text: Text, module: ModuleType, function: str | None, default_functions: tuple[str, ...]) -> Callable[..., Any]:
    wanted = default_functions if function is None else (function,)
    for name in wanted:
        if callable(found := vars(module).get(name)):
            chosen: Callable[..., Any] = found
            return chosen
    there = sorted(name for name, value in vars(module).items() if inspect.isfunction(value) and value.__module__ == module.__name__)
    raise ScriptError(
        f"script {text.name!r}: {text.file}:1: expected a function named {' or '.join(wanted)}, found {', '.join(there) or 'none'}; "
        "write it, or name another in script.function"
    )
