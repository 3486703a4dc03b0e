"""``camstream import``: cam_server's configurations as manifests."""

import argparse
import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from camstream.errors import CamstreamError, SpecError
from camstream.spec.legacy import Fate
from camstream.spec.legacy.objects import NO_CLIENT_TIMEOUT, Config, Made, Wanted, camera_object, pipeline_object
from camstream.spec.legacy.scripts import embedded
from camstream.spec.objects import Camera, Pipeline

PERMANENT: Final = "permanent_instances.json"
SERVERS: Final = "servers.json"
IGNORED: Final = ("_parameters.json", "_background.json")
"""Ends of names of files that cam_server passes over, too."""

LIBRARIES: Final = "lib"
"""Folder of what scripts import, beside them: none of it is a script."""

FOLDERS: Final = {"Camera": "cameras", "Pipeline": "pipelines"}

EPILOG = """\
Each camera and pipeline becomes one file below the output folder. What could not be carried over is told, one line each.
permanent_instances.json decides what always runs; everything else runs on demand, as in cam_server. It is about pipelines,
and about cameras where it lies beside cameras only; so is servers.json, whose fixed ports become those of the streams.
The text of users' scripts (*.py) that are in these folders becomes part of the pipelines that run them.

examples:
  camstream import /etc/cam_server --output manifests
  camstream import camera_config pipeline_config user_scripts --output manifests
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
    parser.add_argument(
        "folders", nargs="+", type=Path, metavar="DIRECTORY", help="with the JSON files of cameras and pipelines, and the scripts"
    )
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
    permanent: dict[str, dict[str, str]] = field(default_factory=lambda: {"Camera": {}, "Pipeline": {}})
    """Name of the configuration by name of the instance, by kind."""
    ports: dict[str, dict[str, tuple[Path, int]]] = field(default_factory=lambda: {"Camera": {}, "Pipeline": {}})
    """Fixed port, and the file that says so, by name of the instance, by kind."""
    scripts: dict[str, Path] = field(default_factory=dict)
    """Users' programs by the names of their files."""
    things: list[Camera | Pipeline] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """What was not carried over, and where."""
    failed: bool = False
    """A configuration became no object."""

    def read(self, folder: Path) -> None:
        """:raises CamstreamError: if there is no such folder"""
        if not folder.is_dir():
            raise CamstreamError(f"{folder} is no folder; name the one with cam_server's JSON files")
        for file in sorted(folder.rglob("*.py")):
            if file.parent.name != LIBRARIES and self.scripts.setdefault(file.name, file) != file:
                self.remarks.append(f"{file}: left out: {self.scripts[file.name]} has the same name")
        about: list[tuple[Path, Config]] = []
        for file in sorted(folder.rglob("*.json")):
            content = self._content(file)
            if content is None or file.name.endswith(IGNORED):
                continue
            if file.name in (PERMANENT, SERVERS):
                about.append((file, content))
            else:
                self.configs["Camera" if is_camera(content) else "Pipeline"][file.stem] = file, content
        for file, content in about:
            kind = self._kind_beside(file)
            if file.name == PERMANENT:
                self.permanent[kind] |= {str(name): str(config) for name, config in content.items()}
            else:
                self.ports[kind] |= {name: (file, port) for name, port in fixed_ports(content).items()}
                self.remarks.append(
                    f"{file}: only its fixed ports are carried over: which machine runs what is decided by worker.className of each object"
                )

    def make(self) -> None:
        """Turn everything that was read into objects."""
        for name, (file, config) in self.configs["Camera"].items():
            self._make(file, partial(camera_object, Wanted(name), self._placed("Camera", name, config), None, self._cameras()))
        pipelines = self.configs["Pipeline"]
        for name, (file, config) in pipelines.items():
            self._pipeline(file, Wanted(name), self._placed("Pipeline", name, config))
        for instance, name in self.permanent["Pipeline"].items():
            if instance != name and name in pipelines:
                file, config = pipelines[name]
                # A missing key goes by the name of the configuration, and not by that of its instance.
                config = {"notify_on_error": name.endswith("_sp"), **config}
                self._pipeline(file, Wanted(instance, instance_of=name), self._placed("Pipeline", instance, config))
        self._tell_of_the_rest()

    def _kind_beside(self, file: Path) -> str:
        """Whose instances a file is about. Each server of cam_server has a folder of its own, or all share one that is the pipelines'."""
        beside = {kind for kind, configs in self.configs.items() if any(path.parent == file.parent for path, _ in configs.values())}
        return "Camera" if beside == {"Camera"} else "Pipeline"

    def _placed(self, kind: str, name: str, config: Config) -> Config:
        """What is permanent never stops, and a fixed port is that of the stream."""
        if name in self.permanent[kind]:
            config = {**config, NO_CLIENT_TIMEOUT: 0}
        if name in self.ports[kind]:
            file, port = self.ports[kind][name]
            own = config.get("port")
            if own not in (None, "", port, str(port)):
                self.remarks.append(f"{file}: fixed port {port} of {name!r} is left out: its configuration says {own}")
            else:
                config = {**config, "port": port}
        return config

    def _tell_of_the_rest(self) -> None:
        """What is said about instances that there are not, and ports that several have: each server of cam_server has its own."""
        for kind, permanent in self.permanent.items():
            for instance, name in permanent.items():
                if name not in self.configs[kind]:
                    self.remarks.append(
                        f"{PERMANENT}: {instance!r} is of {name!r}, which is no {kind.lower()} among these files; "
                        "left out, as cam_server does"
                    )
                elif kind == "Camera" and instance != name:
                    self.remarks.append(f"{PERMANENT}: {instance!r} is left out: a camera has one stream, under its own name {name!r}")
        for kind, ports in self.ports.items():
            for name, (file, port) in ports.items():
                if name not in self.configs[kind] and name not in self.permanent[kind]:
                    self.remarks.append(
                        f"{file}: fixed port {port} of {name!r} is left out: that is no {kind.lower()} among these files, "
                        "and not permanent; who creates it may ask for the port by the key `port`"
                    )
        takers: dict[int, list[str]] = {}
        for thing in self.things:
            if thing.spec.output.port is not None:
                takers.setdefault(thing.spec.output.port, []).append(f"{thing.kind.lower()}/{thing.name}")
        self.remarks += [
            f"port {port} is that of {' and '.join(names)}: on Kubernetes each has an address of its own, "
            "but on one machine only one can have it"
            for port, names in takers.items()
            if len(names) > 1
        ]

    def _pipeline(self, file: Path, wanted: Wanted, config: Config) -> None:
        pipelines = [thing for thing in self.things if isinstance(thing, Pipeline)]
        made = self._make(file, partial(pipeline_object, wanted, config, None, self._cameras(), pipelines))
        if isinstance(made, Pipeline) and made.spec.script is not None:
            self.things[-1] = self._with_its_script(file, made)
            if config.get("libs"):
                self.remarks.append(
                    f"{file}: libs = {config['libs']!r}: not carried over: put them into the worker's image or a volume of its class, "
                    "and name their folder in script.libraries"
                )

    def _with_its_script(self, file: Path, thing: Pipeline) -> Pipeline:
        """A pipeline with the text of its script, where that is among the files; where not, a worker must see it itself."""
        path = thing.spec.script.file if thing.spec.script else None
        if path is None:
            return thing
        found = self.scripts.get(PurePosixPath(path).name)
        why = "no such *.py is in these folders: name its folder, too"
        if found is not None:
            try:
                return embedded(thing, found.name, found.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, SpecError) as error:
                why = str(error)
        self.remarks.append(
            f"{file}: function: the script {path!r} is not carried over, only its name: {why}; or see that workers find it there"
        )
        return thing

    def _make(self, file: Path, make: Callable[[], Made[Any]]) -> Camera | Pipeline | None:
        try:
            made = make()
        except SpecError as error:
            self.failed = True
            self.remarks.append(f"{file}: became no object: {error}")
            return None
        thing: Camera | Pipeline = made.thing
        self.things.append(thing)
        self.remarks += [f"{file}: {loss} ({loss.fate})" for loss in made.losses if loss.fate in (Fate.LATER, Fate.WRONG)]
        return thing

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


def fixed_ports(servers: Config) -> dict[str, int]:
    """Ports by name of the instance, as servers.json says: ``{url: {"instances": ["name:port", ...]}}``.

    What begins with # is switched off.
    """
    found = {}
    for url, server in servers.items():
        if url.startswith("#") or not isinstance(server, dict) or not isinstance(server.get("instances"), list):
            continue
        for entry in server["instances"]:
            name, colon, port = str(entry).rpartition(":")
            if colon and port.isdecimal() and not name.startswith("#"):
                found[name] = int(port)
    return found


def manifest(thing: Camera | Pipeline) -> dict[str, Any]:
    """As it is written: without what follows from it."""
    metadata: dict[str, Any] = {"name": thing.name}
    if thing.metadata.annotations:
        metadata["annotations"] = dict(thing.metadata.annotations)
    spec = thing.spec.to_dict()
    if "source" in spec.get("script", {}):
        spec["script"]["source"] = _lines(spec["script"]["source"])
    return {"apiVersion": thing.api_version, "kind": thing.kind, "metadata": metadata, "spec": spec}


def _lines(text: str) -> str:
    """As YAML writes it: line by line, so that people can edit it, where that says the same."""
    return LiteralScalarString(text) if all(one.isprintable() or one in "\n\t" for one in text) else text


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
