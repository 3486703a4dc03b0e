"""``kubectl camstream report``: everything that helps to find a fault, in one file, without secrets."""

import argparse
import io
import json
import tarfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from camstream import __version__
from camstream.errors import CamstreamError
from camstream.names import GROUP
from camstream_cli.cluster.kubectl import ANSWER_S, PLURALS, WORKER_S, Body, Kubectl, pod_path
from camstream_cli.cluster.logs import PARTS, deployments, selector
from camstream_cli.cluster.redact import redact, redact_text

AT_ONCE: Final = 4
CHILDREN: Final = "deployments,replicasets,services,endpointslices,configmaps,pods"
OURS: Final = "--selector=app.kubernetes.io/managed-by=camstream-operator"
KINDS: Final = ",".join((*PLURALS.values(), f"backgrounds.{GROUP}"))


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the bundle, and what kubectl is asked for it. A file of YAML is asked for as JSON."""

    name: str
    arguments: tuple[str, ...]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    parser = subparsers.add_parser(
        "report",
        parents=[common],
        help="collect what helps to find a fault, without secrets",
        description="Write one file with objects, events, logs, status and metrics of the cameras of a namespace, of the operator and of "
        "the gateway. "
        "Secrets are not read; what looks like one is removed. Look at it before you pass it on.",
    )
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="the cameras of all namespaces")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: camstream-report-TIME.tar.gz here")
    parser.add_argument("--tail", type=int, default=2000, metavar="N", help="lines of each log (default: 2000)")


def run(args: argparse.Namespace, kubectl: Kubectl) -> int:
    """:raises CamstreamError: if the cluster cannot be reached, or the file cannot be written"""
    things = kubectl.things(args.all_namespaces)
    wanted, missing = parts(kubectl, args.all_namespaces, args.tail)
    files, unread = collect(kubectl, wanted)
    problems = missing + unread
    files["camstream.txt"] = f"{__version__}\n"
    files["problems.txt"] = "".join(f"{line}\n" for line in problems) or "everything could be read\n"
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path: Path = args.output or Path(f"camstream-report-{stamp}.tar.gz")
    try:
        path.write_bytes(bundle(files, f"camstream-report-{stamp}"))
    except OSError as error:
        raise CamstreamError(f"cannot write {path}: {error.strerror}") from error
    print(f"{path}: {len(files)} files about {len(things)} objects")
    if problems:
        print(f"{len(problems)} things could not be read; problems.txt in it says which")
    return 0


def parts(kubectl: Kubectl, everywhere: bool, lines: int) -> tuple[list[Part], list[str]]:
    """:returns: everything that is collected, and what could not be looked for. Secrets are not among it"""
    where = ("--all-namespaces",) if everywhere else ()
    found = [
        Part("versions.yaml", ("version", "--output=json")),
        Part("nodes.txt", ("get", "nodes", "--output=wide")),
        Part("definitions.txt", ("get", "customresourcedefinitions", *(name for name in KINDS.split(",")))),
        Part("objects.yaml", ("get", KINDS, *where, "--output=json")),
        Part("children.yaml", ("get", CHILDREN, *where, OURS, "--output=json")),
        Part("events.txt", ("get", "events", *where, "--sort-by=.metadata.creationTimestamp")),
    ]
    problems = []

    def look(what: str, find: Callable[[], list[Body]]) -> list[Body]:
        try:
            return find()
        except CamstreamError as error:
            problems.append(redact_text(f"{what}: {error}"))
            return []

    for pod in look("workers", lambda: kubectl.get("pods", *where, OURS)["items"]):
        found += _of_a_pod("workers", pod, lines)
    for part in PARTS:
        # Their Deployments, and not their pods: that there are none may be the fault.
        for namespace in sorted({one["metadata"]["namespace"] for one in look(part, partial(deployments, kubectl, part))}):
            home, at = f"--namespace={namespace}", f"{part}/{namespace}"
            found += [
                Part(f"{at}/objects.yaml", ("get", "deployments,services,configmaps", home, selector(part), "--output=json")),
                Part(f"{at}/leases.yaml", ("get", "leases", home, "--output=json")),
                Part(f"{at}/events.txt", ("get", "events", home)),
            ]
            for pod in look(f"{part}s in {namespace}", partial(_pods, kubectl, home, part)):
                found += _of_a_pod(part, pod, lines)
    return found, problems


def _pods(kubectl: Kubectl, home: str, part: str) -> list[Body]:
    found: list[Body] = kubectl.get("pods", home, selector(part))["items"]
    return found


def _of_a_pod(folder: str, pod: Body, lines: int) -> list[Part]:
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    logs = ("logs", f"--namespace={namespace}", name, "--all-containers", f"--tail={lines}")
    at = f"{folder}/{namespace}/{name}"
    found = [
        Part(f"{at}/pod.yaml", ("get", "pod", name, f"--namespace={namespace}", "--output=json")),
        Part(f"{at}/log.txt", logs),
        Part(f"{at}/metrics.txt", ("get", "--raw", pod_path(namespace, name, "/metrics"))),
    ]
    if folder == "workers":
        found.append(Part(f"{at}/status.json", ("get", "--raw", pod_path(namespace, name, "/status"))))
    if any(status.get("restartCount") for status in pod.get("status", {}).get("containerStatuses") or []):
        found.append(Part(f"{at}/previous.txt", (*logs, "--previous")))
    return found


def collect(kubectl: Kubectl, wanted: list[Part]) -> tuple[dict[str, str], list[str]]:
    """:returns: the content of each file without secrets, and what could not be had"""

    def make(part: Part) -> tuple[str, str | None, str]:
        try:
            # One that has stopped holds up the others that wait for their turn.
            answer = kubectl.text(*part.arguments, timeout_s=WORKER_S if "--raw" in part.arguments else ANSWER_S)
        except CamstreamError as error:
            return part.name, None, redact_text(f"{part.name}: {error}")
        # By its structure first: as text alone not every secret would be found.
        return part.name, redact_text(_yaml(redact(json.loads(answer))) if part.name.endswith(".yaml") else answer), ""

    with ThreadPoolExecutor(AT_ONCE) as pool:
        made = list(pool.map(make, wanted))
    return {name: text for name, text, _ in made if text is not None}, [problem for *_, problem in made if problem]


def bundle(files: dict[str, str], folder: str) -> bytes:
    """A tar archive, compressed, for nobody but its owner to read."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in sorted(files.items()):
            data = text.encode()
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, int(time.time())
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def _yaml(document: Any) -> str:
    stream = io.StringIO()
    writer = YAML()
    writer.width = 200
    writer.dump(document, stream)
    return stream.getvalue()
