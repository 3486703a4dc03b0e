"""The files of the page, read once: what is not in the package cannot be asked for."""

from dataclasses import dataclass
from importlib import resources
from typing import Final

TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file as it is served."""

    body: bytes
    content_type: str


def page_files() -> dict[str, PageFile]:
    """Every file of the page by its name."""
    files = {}
    for path in resources.files("camstream_gateway").joinpath("page").iterdir():
        suffix = path.name[path.name.rfind(".") :]
        if suffix in TYPES:
            files[path.name] = PageFile(path.read_bytes(), TYPES[suffix])
    return files
