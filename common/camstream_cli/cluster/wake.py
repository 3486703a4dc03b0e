"""``kubectl camstream wake``: ask for a stream that runs on demand."""

import argparse

from camstream.errors import CamstreamError
from camstream.names import GROUP
from camstream.spec.output import LifecycleMode
from camstream_cli.cluster.kubectl import Kubectl
from camstream_cli.cluster.reload import annotate, wait
from camstream_cli.cluster.status import view_of
from camstream_cli.format import object_line

WAKE = f"{GROUP}/wake"
"""Annotation of an object that runs on demand: when it was last asked for."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    parser = subparsers.add_parser(
        "wake",
        parents=[common],
        help="start a stream that is idle",
        description="Ask for a stream that runs on demand, and wait until it is ready. It becomes idle again when nobody reads it.",
    )
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--timeout", type=int, default=60, metavar="S", help="how long to wait for it (default: 60)")


def run(args: argparse.Namespace, kubectl: Kubectl) -> int:
    """:raises CamstreamError: if there is none, it was stopped on purpose, or it does not get ready"""
    thing = kubectl.find(args.name)
    if thing.body["spec"].get("lifecycle", {}).get("mode") == LifecycleMode.STOPPED:
        patch = '{"spec":{"lifecycle":{"mode":"Always"}}}'
        raise CamstreamError(
            f"{thing.words} is stopped on request; to run it: "
            f"kubectl patch {thing.resource} --namespace {thing.namespace} --type merge -p '{patch}'"
        )
    annotate(kubectl, thing, WAKE)
    wait(kubectl, thing, "Active", args.timeout)
    wait(kubectl, thing, "Ready", args.timeout)
    print(object_line(view_of(kubectl.find(thing.words))))
    return 0
