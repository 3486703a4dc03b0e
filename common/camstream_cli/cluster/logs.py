"""``kubectl camstream logs``: what a worker, or the operator, has to say."""

import argparse

from camstream.errors import CamstreamError
from camstream_cli.cluster.kubectl import Body, Kubectl

OPERATOR = "--selector=app.kubernetes.io/part-of=camstream,app.kubernetes.io/component=operator"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    parser = subparsers.add_parser(
        "logs", parents=[common], help="show the log of a worker, or of the operator", description="Show the log of a worker."
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="whose worker")
    parser.add_argument("--operator", action="store_true", help="of the operator instead")
    parser.add_argument("-f", "--follow", action="store_true", help="go on as it grows")
    parser.add_argument("-p", "--previous", action="store_true", help="of the run before, where the worker died")
    parser.add_argument("--tail", type=int, default=100, metavar="N", help="the last N lines (default: 100; -1: all)")


def run(args: argparse.Namespace, kubectl: Kubectl) -> int:
    """:raises CamstreamError: if it is not said whose, or there is none"""
    options = [f"--tail={args.tail}", "--prefix"] + ["--follow"] * args.follow + ["--previous"] * args.previous
    if args.operator == (args.name is not None):
        raise CamstreamError("say whose log: NAME, or --operator")
    if args.operator:
        found = operators(kubectl)
        if not found:
            raise CamstreamError("there is no operator in any namespace that you can see; name its namespace with --namespace")
        return kubectl.follow("logs", f"--namespace={found[0]['metadata']['namespace']}", OPERATOR, *options)
    thing = kubectl.find(args.name)
    return kubectl.follow("logs", f"--namespace={thing.namespace}", thing.selector, "--container=worker", *options)


def operators(kubectl: Kubectl) -> list[Body]:
    """The Deployments of operators: in the namespace that was given, or else in all."""
    where = () if kubectl.namespaced else ("--all-namespaces",)
    found: list[Body] = kubectl.get("deployments", *where, OPERATOR)["items"]
    return found
