"""YAML and JSON files, and where in them everything is."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarstring import ScalarString

SUFFIXES = (".yaml", ".yml", ".json")

BOOLEANS = {"y": True, "yes": True, "on": True, "n": False, "no": False, "off": False}
"""Bare words that are booleans for kubectl, which reads YAML 1.1."""

Place = Sequence[str | int]


class Problem(NamedTuple):
    """Something wrong, and where. Lines and columns count from 1."""

    file: Path
    line: int
    column: int
    path: str
    """Field, such as ``spec.aliases[2]``; empty where it is about the whole."""
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


@dataclass(frozen=True)
class Document:
    """One document of a file."""

    file: Path
    content: Any
    """As ruamel.yaml gives it, which knows the lines."""

    def problem(self, place: Place, message: str) -> Problem:
        """A problem at a field, or at the nearest one around it that is in the file."""
        line, column = self.position(place)
        return Problem(self.file, line, column, path_text(place), message)

    def position(self, place: Place) -> tuple[int, int]:
        """Line and column of a key or a list item."""
        here, position = self.content, _start(self.content)
        for step in place:
            if isinstance(here, CommentedMap) and step in here:
                position = here.lc.key(step)
            elif isinstance(here, CommentedSeq) and isinstance(step, int) and step < len(here):
                position = here.lc.item(step)
            else:
                break
            here = here[step]
        line, column = position
        return line + 1, column + 1


def path_text(place: Place) -> str:
    """``("spec", "aliases", 2)`` as ``spec.aliases[2]``"""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).lstrip(".")


def files(paths: Iterable[Path], problems: list[Problem]) -> Iterator[Path]:
    """The files to read, each once."""
    seen = set()
    for path in paths:
        found = sorted(_inside(path)) if path.is_dir() else [path]
        if not found:
            problems.append(Problem(path, 1, 1, "", f"there is no file {', '.join('*' + suffix for suffix in SUFFIXES)} in this folder"))
        for file in found:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def documents(file: Path, problems: list[Problem]) -> Iterator[Document]:
    """The documents of a file that are not empty."""
    try:
        # YAML allows tabs nowhere that JSON files have them.
        text = file.read_text(encoding="utf-8").replace("\t", " ") if file.suffix == ".json" else file.read_text(encoding="utf-8")
    except OSError as error:
        problems.append(Problem(file, 1, 1, "", f"cannot be read: {error.strerror}"))
        return
    except UnicodeDecodeError as error:
        problems.append(Problem(file, 1, 1, "", f"is no text in UTF-8: {error.reason} at byte {error.start}"))
        return
    try:
        reader = YAML()
        reader.preserve_quotes = True
        yield from (Document(file, content) for content in reader.load_all(text) if content is not None)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problems.append(Problem(file, line, column, "", f"broken YAML: {error.problem or error.context}"))
    except YAMLError as error:
        problems.append(Problem(file, 1, 1, "", f"broken YAML: {error}"))


def plain(content: Any) -> Any:
    """The content as JSON knows it, and as kubectl reads it: a whole number is an integer, however it is written."""
    match content:
        case dict():
            return {str(key): plain(value) for key, value in content.items()}
        case list():
            return [plain(value) for value in content]
        case bool() | None:
            return content
        case int():
            return int(content)
        case float():
            return int(content) if content.is_integer() else float(content)
        case _:
            quoted = isinstance(content, ScalarString)
            return str(content) if quoted else BOOLEANS.get(str(content).lower(), str(content))


def _inside(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix in SUFFIXES and not hidden and path.is_file():
            yield path


def _start(content: Any) -> tuple[int, int]:
    return (content.lc.line, content.lc.col) if isinstance(content, CommentedMap | CommentedSeq) else (0, 0)
