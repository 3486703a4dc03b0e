"""Manifests from files and folders, with the place of everything that is wrong."""

from collections.abc import Iterable
from pathlib import Path

from camstream_cli.manifests.documents import Problem, documents, files
from camstream_cli.manifests.objects import Manifests, Placed, read
from camstream_cli.manifests.references import between, missing_scripts

__all__ = ["Manifests", "Placed", "Problem", "load"]


def load(paths: Iterable[Path]) -> Manifests:
    """Read all manifests in some files and folders, and check what they say about each other.

    Folders are read with all folders in them: ``*.yaml``, ``*.yml`` and ``*.json``.
    Nothing that is wrong raises; it is told in ``problems``, and ``objects`` has what is right on its own.
    """
    found = Manifests()
    for file in files(paths, found.problems):
        for document in documents(file, found.problems):
            read(document, found)
    found.problems += missing_scripts(found)
    for placed, problem in between(found.objects, found.broken):
        found.broken.add(placed.key)
        found.problems.append(problem)
    found.problems.sort()
    return found
