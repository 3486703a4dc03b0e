"""``camstream export``: manifests as cam_server's configurations."""

import argparse
import json
from pathlib import Path, PurePosixPath
from typing import Final

from camstream.errors import CamstreamError
from camstream.names import INSTANCE_OF, UPLOADED
from camstream.spec.key import Key
from camstream.spec.legacy.objects import NO_CLIENT_TIMEOUT, Config, Streaming, config_of, is_instance
from camstream.spec.legacy.scripts import script_name
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.output import LifecycleMode
from camstream_cli.check import check
from camstream_cli.import_ import FOLDERS, PERMANENT
from camstream_cli.manifests import load

SCRIPTS: Final = "user_scripts"
"""Folder of users' programs."""

EPILOG = """\
Fields that cam_server has no word for are left out. What always runs is listed in permanent_instances.json. Scripts that were
imported or uploaded become files again; a fixed port of servers.json is the key port of its configuration.

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
    """:raises CamstreamError: if the output cannot be written, or cam_server has no place for it"""
    found = load(args.paths)
    if found.problems:
        return check(args.paths)
    things = [placed.object for placed in found.objects if isinstance(placed.object, Camera | Pipeline)]
    files = exported(things)
    texts = {name: json.dumps(content, indent=4) for name, content in files.items()} | exported_scripts(things)
    for name, text in texts.items():
        _write(args.output / name, text)
    print(f"{len(texts)} files in {args.output}")
    return 0


def exported(things: list[Streaming]) -> dict[str, Config]:
    """Content of each file by its path below the output folder."""
    everything = {Key.of(thing): thing for thing in things}
    files: dict[str, Config] = {}
    for kind, folder in FOLDERS.items():
        of_kind = [thing for thing in things if thing.kind == kind]
        configs = {thing.external_name: _config(thing, everything) for thing in of_kind if not is_instance(thing)}
        permanent: Config = {}
        for thing in of_kind:
            if thing.spec.lifecycle.mode is LifecycleMode.ALWAYS:
                name, saved = thing.external_name, thing.metadata.annotations.get(INSTANCE_OF)
                if saved and name not in configs and not _same(config := _config(thing, everything), configs.get(saved, {})):
                    # It has something of its own, such as a fixed port: as a configuration of its own nothing of it is lost.
                    configs[name], saved = config, None
                permanent[name] = saved or name
        files |= {f"{folder}/{name}.json": config for name, config in configs.items()}
        if permanent:
            files[f"{folder}/{PERMANENT}"] = permanent
    return files


def _same(config: Config, other: Config) -> bool:
    """Whether two configurations ask for the same stream, whatever it is called and however long it lives."""
    own = ("name", NO_CLIENT_TIMEOUT)
    return {**config, **dict.fromkeys(own)} == {**other, **dict.fromkeys(own)}


def exported_scripts(things: list[Streaming]) -> dict[str, str]:
    """Text of each script that a pipeline holds, by its path below the output folder.

    :raises CamstreamError: if two hold different texts of one name: cam_server has one folder for all
    """
    found: dict[str, tuple[str, str]] = {}
    for thing in things:
        name = script_name(thing) if isinstance(thing, Pipeline) else None
        script = thing.spec.script if isinstance(thing, Pipeline) else None
        if name is None or script is None or script.source is None:
            continue
        other, text = found.setdefault(name, (thing.name, script.source))
        if text != script.source:
            raise CamstreamError(
                f"pipelines {other!r} and {thing.name!r} hold different texts of the script {name!r}, and cam_server has one for all; "
                f"give one of them another name in its annotation {UPLOADED}"
            )
    return {f"{SCRIPTS}/{PurePosixPath(name).name}": text for name, (_, text) in found.items()}


def _config(thing: Streaming, things: dict[Key, Streaming]) -> Config:
    """The configuration of an object, with the name of the script whose text it holds."""
    name = script_name(thing) if isinstance(thing, Pipeline) else None
    return config_of(thing, things) | ({"function": name} if name else {})


def _write(path: Path, text: str) -> None:
    """:raises CamstreamError: if the file cannot be written, or is there already"""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CamstreamError(f"{path} is there already, and is left as it is; choose another --output") from None
    except OSError as error:
        raise CamstreamError(f"{path} cannot be written: {error.strerror}") from error
