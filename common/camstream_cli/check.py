"""``camstream check``: look for mistakes in manifests, without running anything."""

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from camstream_cli.manifests import Manifests, Problem, load


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "check",
        help="look for mistakes in manifests",
        description="Look for mistakes in manifests. Ends with 1 where there are any.",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="file, or folder with *.yaml, *.yml and *.json")
    parser.add_argument("--output", choices=["text", "json"], default="text", help="json: one document with problems and notes")


def run(args: argparse.Namespace) -> int:
    return check(args.paths, args.output)


def check(paths: Iterable[Path], output: str = "text") -> int:
    """Print what is wrong in some files and folders.

    :param output: ``text``, one line each and a summary; or ``json``
    :return: 0, or 1 where something is wrong
    """
    found = load(paths)
    if output == "json":
        print(json.dumps(_document(found), indent=2))
    else:
        for problem in found.problems:
            print(problem)
        for note in found.notes:
            print(f"{note} (note)")
        print(summary(found))
    return 1 if found.problems else 0


def summary(found: Manifests) -> str:
    """``3 objects are fine, 2 problems``"""
    fine = len(found.fine)
    objects = f"{fine} object is fine" if fine == 1 else f"{fine} objects are fine"
    if not found.problems:
        return objects
    return f"{objects}, {len(found.problems)} problem{'s' if len(found.problems) != 1 else ''}"


def _document(found: Manifests) -> dict[str, Any]:
    return {
        "objects": [
            {"kind": placed.kind, "name": placed.object.name, "file": str(placed.file), "line": placed.line} for placed in found.objects
        ],
        "problems": _dicts(found.problems),
        "notes": _dicts(found.notes),
    }


def _dicts(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    return [problem._asdict() | {"file": str(problem.file)} for problem in problems]
