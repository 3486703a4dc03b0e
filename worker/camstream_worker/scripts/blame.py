"""From an exception in a user's code to one line that says where and what."""

import linecache
import traceback
from typing import NamedTuple

from camstream.errors import ScriptError
from camstream_worker.scripts.libraries import library_files

LONGEST = 500
"""Characters of an exception's text and of a source line that are told."""


class Text(NamedTuple):
    """A script as it was loaded. A file may have changed since."""

    name: str
    file: str
    """As it stands in tracebacks."""
    lines: tuple[str, ...]


def blame(text: Text, error: BaseException, where: str) -> ScriptError:
    """What to tell about an exception: the innermost line that is the user's own, in the script or in a library.

    :param where: what to name instead when no such line was reached
    """
    if isinstance(error, SyntaxError) and _is_own(text, error.filename or ""):
        return blame_syntax(text, error)
    own = None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if _is_own(text, frame.f_code.co_filename):
            own = frame.f_code, number
    told = one_line("".join(traceback.format_exception_only(error)))
    if own is None:
        return ScriptError(f"script {text.name!r}: {where}: {told}")
    code, number = own
    line = _line(text, code.co_filename, number)
    return ScriptError(f"script {text.name!r}: {code.co_filename}:{number}: {told}; in {code.co_name}: {line}")


def blame_syntax(text: Text, error: SyntaxError) -> ScriptError:
    """What to tell about text that is no Python."""
    file, number = error.filename or text.file, error.lineno or 1
    told = f"{type(error).__name__}: {one_line(error.msg)}"
    return ScriptError(f"script {text.name!r}: {file}:{number}: {told}; line: {_line(text, file, number)}")


def _is_own(text: Text, file: str) -> bool:
    """Whether a file is the user's."""
    return file == text.file or file.startswith(library_files())


def _line(text: Text, file: str, number: int) -> str:
    if file != text.file:
        linecache.checkcache(file)
        return linecache.getline(file, number).strip()[:LONGEST]
    return text.lines[number - 1].strip()[:LONGEST] if 0 < number <= len(text.lines) else ""


def one_line(message: str) -> str:
    """A message without line ends, and cut where it is too long for a status."""
    short = " ".join(message.split())
    return short if len(short) <= LONGEST else f"{short[: LONGEST - 3]}..."
