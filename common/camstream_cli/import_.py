"""``camstream import``: cam_server's configurations as manifests."""

import argparse
import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from camstream.errors import CamstreamError, SpecError
from camstream.spec.legacy import Fate
from camstream.spec.legacy.objects import NO_CLIENT_TIMEOUT, Config, Made, Wanted, camera_object, pipeline_object
from camstream.spec.objects import Camera, Pipeline

PERMANENT: Final = "permanent_instances.json"
SERVERS: Final = "servers.json"
IGNORED: Final = ("_parameters.json", "_background.json")
"""Ends of names of files that cam_server passes over, too."""

FOLDERS: Final = {"Camera": "cameras", "Pipeline": "pipelines"}

EPILOG = """\
Each camera and pipeline becomes one file below the output folder. What could not be carried over is told, one line each.
permanent_instances.json decides what always runs; everything else runs on demand, as in cam_server.

examples:
  camstream import /etc/cam_server --output manifests
  camstream import camera_config pipeline_config --output manifests
  camstream run manifests
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "import",
        help="make manifests from a cam_server configuration folder",
        description="Make manifests from cam_server's configurations. Ends with 1 where one of them could not become an object.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIRECTORY", help="with the JSON files of cameras, pipelines, or both")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="where to write; files that are there stay as they are")


def run(args: argparse.Namespace) -> int:
    """:raises CamstreamError: if a folder cannot be read, or the output cannot be written"""
    found = Imported()
    for folder in args.folders:
        found.read(folder)
    found.make()
    for line in found.remarks:
        print(line, file=sys.stderr)
    for thing in found.things:
        _write(args.output / FOLDERS[thing.kind] / f"{thing.name}.yaml", manifest(thing))
    cameras = sum(isinstance(thing, Camera) for thing in found.things)
    print(
        f"{cameras} cameras and {len(found.things) - cameras} pipelines, {len(found.remarks)} remarks; now: camstream check {args.output}"
    )
    return 1 if found.failed else 0


@dataclass
class Imported:
    """Configurations of cam_server, and what becomes of them."""

    configs: dict[str, dict[str, tuple[Path, Config]]] = field(default_factory=lambda: {"Camera": {}, "Pipeline": {}})
    """File and content of each configuration by kind and name."""
    permanent: dict[str, str] = field(default_factory=dict)
    """Name of the configuration, by name of the instance."""
    things: list[Camera | Pipeline] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """What was not carried over, and where."""
    failed: bool = False
    """A configuration became no object."""

    def read(self, folder: Path) -> None:
        """:raises CamstreamError: if there is no such folder"""
        if not folder.is_dir():
            raise CamstreamError(f"{folder} is no folder; name the one with cam_server's JSON files")
        for file in sorted(folder.rglob("*.json")):
            content = self._content(file)
            if content is None or file.name.endswith(IGNORED):
                continue
            if file.name == PERMANENT:
                self.permanent |= {str(name): str(config) for name, config in content.items()}
            elif file.name == SERVERS:
                self.remarks.append(f"{file}: not carried over: which machine runs what is decided by worker.className of each object")
            else:
                self.configs["Camera" if is_camera(content) else "Pipeline"][file.stem] = file, content

    def make(self) -> None:
        """Turn everything that was read into objects."""
        for name, (file, config) in self.configs["Camera"].items():
            self._make(file, partial(camera_object, Wanted(name), self._timed(name, config), None, self._cameras()))
        pipelines = self.configs["Pipeline"]
        for name, (file, config) in pipelines.items():
            self._pipeline(file, Wanted(name), self._timed(name, config))
        for instance, name in self.permanent.items():
            if name not in pipelines and name not in self.configs["Camera"]:
                self.remarks.append(
                    f"{PERMANENT}: {instance!r} is of {name!r}, which is not among these files; left out, as cam_server does"
                )
            elif instance != name and name in pipelines:
                file, config = pipelines[name]
                self._pipeline(file, Wanted(instance, instance_of=name), {**config, NO_CLIENT_TIMEOUT: 0})

    def _pipeline(self, file: Path, wanted: Wanted, config: Config) -> None:
        pipelines = [thing for thing in self.things if isinstance(thing, Pipeline)]
        self._make(file, partial(pipeline_object, wanted, config, None, self._cameras(), pipelines))

    def _make(self, file: Path, make: Callable[[], Made[Any]]) -> None:
        try:
            made = make()
        except SpecError as error:
            self.failed = True
            self.remarks.append(f"{file}: became no object: {error}")
            return
        self.things.append(made.thing)
        self.remarks += [f"{file}: {loss} ({loss.fate})" for loss in made.losses if loss.fate in (Fate.LATER, Fate.WRONG)]

    def _timed(self, name: str, config: Config) -> Config:
        """What is permanent never stops."""
        return {**config, NO_CLIENT_TIMEOUT: 0} if self.permanent.get(name) == name else config

    def _cameras(self) -> list[Camera]:
        return [thing for thing in self.things if isinstance(thing, Camera)]

    def _content(self, file: Path) -> Config | None:
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            content, why = None, str(error)
        else:
            why = f"expected a JSON object, found {type(content).__name__}"
        if not isinstance(content, dict):
            self.failed = True
            self.remarks.append(f"{file}: cannot be read: {why}")
            return None
        return content


def is_camera(config: Config) -> bool:
    """Whether a configuration is one of a camera: pipelines have no source."""
    return "source" in config or ("source_type" in config and "pipeline_type" not in config)


def manifest(thing: Camera | Pipeline) -> dict[str, Any]:
    """As it is written: without what follows from it."""
    metadata: dict[str, Any] = {"name": thing.name}
    if thing.metadata.annotations:
        metadata["annotations"] = dict(thing.metadata.annotations)
    return {"apiVersion": thing.api_version, "kind": thing.kind, "metadata": metadata, "spec": thing.spec.to_dict()}


def _write(path: Path, content: dict[str, Any]) -> None:
    """:raises CamstreamError: if the file cannot be written, or is there already"""
    text = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(content, text)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text.getvalue())
    except FileExistsError:
        raise CamstreamError(f"{path} is there already, and is left as it is; choose another --output") from None
    except OSError as error:
        raise CamstreamError(f"{path} cannot be written: {error.strerror}") from error
