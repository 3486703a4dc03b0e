"""``kubectl camstream status``: how cameras and pipelines are."""

import argparse
import json
import sys
import time
from itertools import groupby

from pydantic import ValidationError

from camstream.decide import headline
from camstream.errors import CamstreamError
from camstream.spec.report import WorkerReport
from camstream.spec.status import StreamingStatus
from camstream.spec.view import ObjectView
from camstream_cli.cluster.kubectl import Kubectl, NoAnswer, Thing
from camstream_cli.format import console, object_details, objects_table


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    parser = subparsers.add_parser(
        "status",
        parents=[common],
        help="show how cameras and pipelines are",
        description="Show the cameras and pipelines of a namespace. With a name: one in full, with what its worker says.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="only this object, in full")
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="of all namespaces")
    parser.add_argument("--output", choices=["table", "json"], default="table", help="json: a list of objects")


def run(args: argparse.Namespace, kubectl: Kubectl) -> int:
    """:raises CamstreamError: if a name was given and there is none"""
    if args.name is not None:
        thing = kubectl.find(args.name)
        views = [view_of(thing, _report(kubectl, thing))]
    else:
        views = [view_of(thing) for thing in kubectl.things(args.all_namespaces)]
    if args.output == "json":
        print(json.dumps([view.model_dump(mode="json", by_alias=True) for view in views], indent=2))
    elif args.name is not None:
        console().print(object_details(views[0]), highlight=False)
    else:
        _print_tables(views, args.all_namespaces)
    return 0


def _report(kubectl: Kubectl, thing: Thing) -> WorkerReport | None:
    """What the worker says; nothing where it cannot be asked, or may not be: the status says why."""
    try:
        return WorkerReport.model_validate_json(kubectl.worker(thing, "/status"), extra="ignore")
    except NoAnswer as error:
        # The operator may not have noticed yet.
        print(f"kubectl camstream: {error}", file=sys.stderr)
        return None
    except (CamstreamError, ValidationError):
        return None


def view_of(thing: Thing, report: WorkerReport | None = None) -> ObjectView:
    """:raises CamstreamError: if its status is of a version that this one does not know"""
    known = {name: value for name, value in thing.status.items() if name in _FIELDS}
    try:
        status = StreamingStatus.model_validate(known, extra="ignore")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CamstreamError(
            f"the status of {thing.words} in {thing.namespace} is not understood ({where}: {first['msg']}); "
            "install the version of camstream that the operator has"
        ) from error
    last = report.last_frame if report else None
    return ObjectView(
        kind=thing.kind,
        name=thing.name,
        namespace=thing.namespace,
        external_name=thing.external_name,
        groups=list(thing.body["spec"].get("groups") or []),
        phase=status.phase,
        message=headline(status),
        input=status.input,
        address=status.stream.external_address or status.stream.address,
        mode=status.stream.mode,
        restarts=status.worker.restarts,
        rate=report.send_rate if report else None,
        last_frame_at=time.time() - last.age_seconds if last else None,
        image=status.image,
        clients=report.clients if report else status.clients,
        drops=sum(report.frames.dropped.values()) + report.frames.failed if report else None,
        dropped=report.frames.dropped if report else {},
        conditions=status.conditions,
    )


_FIELDS = {field.alias or name for name, field in StreamingStatus.model_fields.items()}


def _print_tables(views: list[ObjectView], everywhere: bool) -> None:
    screen = console()
    if not views:
        screen.print(f"there are no cameras and pipelines in {'any' if everywhere else 'this'} namespace", highlight=False)
    for namespace, group in groupby(sorted(views, key=lambda view: (view.namespace, view.kind, view.name)), lambda view: view.namespace):
        if everywhere:
            screen.print(f"namespace {namespace}", style="dim", highlight=False)
        screen.print(objects_table(list(group)), highlight=False)
