"""``kubectl camstream reload``: let everybody look again, or begin again."""

import argparse
from datetime import UTC, datetime

from camstream.names import GROUP
from camstream_cli.cluster.kubectl import GRACE_S, Kubectl, Thing
from camstream_cli.cluster.status import view_of
from camstream_cli.format import object_line

TOUCH = f"{GROUP}/config"
"""Annotation of a pod: the kubelet renews all files of a pod that changes, at once instead of within a minute."""
LOOK = f"{GROUP}/looked-at"
"""Annotation of an object: whatever changes on it makes the operator look."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    parser = subparsers.add_parser(
        "reload",
        parents=[common],
        help="let the operator and the worker look again",
        description="Let the operator look at an object again, and the kubelet renew the files of its worker, such as a script from a "
        "ConfigMap; the stream goes on. Waits until the worker has the configuration that is wanted.",
    )
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--restart", action="store_true", help="replace the worker by a new one")
    parser.add_argument("--timeout", type=int, default=60, metavar="S", help="how long to wait for it (default: 60)")


def run(args: argparse.Namespace, kubectl: Kubectl) -> int:
    """:raises CamstreamError: if there is none, or it does not get there"""
    thing = kubectl.find(args.name)
    if args.restart:
        deployment = f"deployment/{thing.child}"
        kubectl.ask("rollout", "restart", f"--namespace={thing.namespace}", deployment)
        limit = f"--timeout={args.timeout}s"
        kubectl.ask("rollout", "status", f"--namespace={thing.namespace}", deployment, limit, timeout_s=args.timeout + GRACE_S)
        wait(kubectl, thing, "Ready", args.timeout)
    else:
        annotate(kubectl, thing, LOOK)
        for pod in kubectl.pods(thing):
            name = pod["metadata"]["name"]
            kubectl.ask("annotate", f"--namespace={thing.namespace}", f"pod/{name}", f"{TOUCH}={now()}", "--overwrite")
        wait(kubectl, thing, "ConfigApplied", args.timeout)
    print(object_line(view_of(kubectl.find(thing.words))))
    return 0


def annotate(kubectl: Kubectl, thing: Thing, name: str) -> None:
    kubectl.ask("annotate", f"--namespace={thing.namespace}", thing.resource, f"{name}={now()}", "--overwrite")


def wait(kubectl: Kubectl, thing: Thing, condition: str, timeout_s: int) -> None:
    """:raises KubectlError: if a condition does not become true"""
    what = (thing.resource, f"--for=condition={condition}", f"--timeout={timeout_s}s")
    kubectl.ask("wait", f"--namespace={thing.namespace}", *what, timeout_s=timeout_s + GRACE_S)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
