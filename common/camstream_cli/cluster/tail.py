"""``kubectl camstream tail``: watch a stream from outside of the cluster."""

import argparse
import re

from camstream.errors import CamstreamError
from camstream.spec.fields import OutputMode
from camstream_cli import receive
from camstream_cli.cluster.kubectl import Kubectl, Thing


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    parser = subparsers.add_parser(
        "tail",
        parents=[common],
        help="show a stream",
        description="Show the messages of a stream, as `camstream receive` does, through a port that kubectl forwards. That is for "
        "looking: it is slower than a Service, and one more reader of the stream.",
    )
    parser.add_argument("name", metavar="NAME")
    receive.add_options(parser)


def run(args: argparse.Namespace, kubectl: Kubectl) -> int:
    """:raises CamstreamError: if there is no such stream, or it is silent"""
    thing = kubectl.find(args.name)
    if thing.status.get("stream", {}).get("mode") == OutputMode.PUSH and args.mode != "pull":
        raise CamstreamError(f"{thing.words} pushes each message to one reader: to look is to take it away; if that is meant, --mode pull")
    with kubectl.forward(thing.namespace, f"service/{thing.child}", stream_port(thing)) as port:
        receive.show(receive.Target(f"tcp://127.0.0.1:{port}", args.mode == "pull"), thing.name, args)
    return 0


def stream_port(thing: Thing) -> int:
    """Of its Service.

    :raises CamstreamError: if there is no stream there
    """
    address = str(thing.status.get("stream", {}).get("address") or "")
    found = re.fullmatch(rf"tcp://{re.escape(thing.child)}\.[^:]+:(\d+)", address)
    if found is None:
        where = f"its stream is at {address}" if address else f"{thing.status.get('phase', 'Pending')}"
        raise CamstreamError(f"{thing.words} has no stream in the cluster that could be forwarded ({where})")
    return int(found[1])
