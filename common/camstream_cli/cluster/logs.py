"""``kubectl camstream logs``: what a worker, the operator, or the gateway has to say."""

import argparse
from typing import Final

from camstream.errors import CamstreamError
from camstream_cli.cluster.kubectl import ANSWER_S, Body, Kubectl

PARTS: Final = ("operator", "gateway")
"""Of an installation, beside the workers."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    parser = subparsers.add_parser(
        "logs",
        parents=[common],
        help="show the log of a worker, the operator, or the gateway",
        description="Show the log of a worker, the operator, or the gateway.",
    )
    whose = parser.add_mutually_exclusive_group()
    whose.add_argument("name", nargs="?", metavar="NAME", help="whose worker")
    for part in PARTS:
        whose.add_argument(f"--{part}", dest="part", action="store_const", const=part, help=f"of the {part} instead")
    parser.add_argument("-f", "--follow", action="store_true", help="go on as it grows")
    parser.add_argument("-p", "--previous", action="store_true", help="of the run before, where it died")
    parser.add_argument("--tail", type=int, default=100, metavar="N", help="the last N lines (default: 100; -1: all)")


def run(args: argparse.Namespace, kubectl: Kubectl) -> int:
    """:raises CamstreamError: if it is not said whose, or there is none"""
    options = [f"--tail={args.tail}", "--prefix"] + ["--follow"] * args.follow + ["--previous"] * args.previous
    limit = None if args.follow else ANSWER_S
    if args.part is not None:
        found = deployments(kubectl, args.part)
        if not found:
            where = "the namespace that was given" if kubectl.namespaced else "any namespace"
            raise CamstreamError(f"there is no {args.part} in {where}; name that of the installation with --namespace")
        place = f"--namespace={found[0]['metadata']['namespace']}"
        return kubectl.show("logs", place, selector(args.part), *options, timeout_s=limit)
    if args.name is None:
        raise CamstreamError(f"say whose log: NAME, or {' or '.join(f'--{part}' for part in PARTS)}")
    thing = kubectl.find(args.name)
    return kubectl.show("logs", f"--namespace={thing.namespace}", thing.selector, "--container=worker", *options, timeout_s=limit)


def selector(part: str) -> str:
    """Of the pods and the Deployment of a part of the installation, and of what it is set up with."""
    return f"--selector=app.kubernetes.io/part-of=camstream,app.kubernetes.io/component={part}"


def deployments(kubectl: Kubectl, part: str) -> list[Body]:
    """Of a part of the installation: in the namespace that was given, or else in all."""
    where = () if kubectl.namespaced else ("--all-namespaces",)
    found: list[Body] = kubectl.get("deployments", *where, selector(part))["items"]
    return found
