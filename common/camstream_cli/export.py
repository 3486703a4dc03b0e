"""``camstream export``: manifests as cam_server's configurations."""

import argparse
import json
from pathlib import Path

from camstream.errors import CamstreamError
from camstream.names import INSTANCE_OF
from camstream.spec.key import Key
from camstream.spec.legacy.objects import Config, Streaming, config_of, is_instance
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.output import LifecycleMode
from camstream_cli.check import check
from camstream_cli.import_ import FOLDERS, PERMANENT
from camstream_cli.manifests import load

EPILOG = """\
Fields that cam_server has no word for are left out. What always runs is listed in permanent_instances.json.

examples:
  camstream export manifests --output cam_server_config
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "export",
        help="make a cam_server configuration folder from manifests",
        description="Make cam_server's configurations from manifests.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="manifest, or folder of manifests")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="where to write; files that are there stay as they are")


def run(args: argparse.Namespace) -> int:
    """:raises CamstreamError: if the output cannot be written"""
    found = load(args.paths)
    if found.problems:
        return check(args.paths)
    things = [placed.object for placed in found.objects if isinstance(placed.object, Camera | Pipeline)]
    files = exported(things)
    for name, content in files.items():
        _write(args.output / name, content)
    print(f"{len(files)} files in {args.output}")
    return 0


def exported(things: list[Streaming]) -> dict[str, Config]:
    """Content of each file by its path below the output folder."""
    everything = {Key.of(thing): thing for thing in things}
    files: dict[str, Config] = {}
    for kind, folder in FOLDERS.items():
        of_kind = [thing for thing in things if thing.kind == kind]
        files |= {f"{folder}/{thing.external_name}.json": config_of(thing, everything) for thing in of_kind if not is_instance(thing)}
        permanent = [thing for thing in of_kind if thing.spec.lifecycle.mode is LifecycleMode.ALWAYS]
        if permanent:
            names = {thing.external_name: thing.metadata.annotations.get(INSTANCE_OF) or thing.external_name for thing in permanent}
            files[f"{folder}/{PERMANENT}"] = names
    return files


def _write(path: Path, content: Config) -> None:
    """:raises CamstreamError: if the file cannot be written, or is there already"""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            json.dump(content, file, indent=4)
    except FileExistsError:
        raise CamstreamError(f"{path} is there already, and is left as it is; choose another --output") from None
    except OSError as error:
        raise CamstreamError(f"{path} cannot be written: {error.strerror}") from error
