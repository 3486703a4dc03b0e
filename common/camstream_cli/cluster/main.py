"""``kubectl camstream``, the executable ``kubectl-camstream``."""

import argparse
import sys
from collections.abc import Sequence
from typing import Final, Protocol

from camstream import __version__
from camstream.errors import CamstreamError
from camstream_cli.cluster import logs, reload, report, snapshot, status, tail, wake
from camstream_cli.cluster.kubectl import Kubectl
from camstream_cli.main import guarded

EPILOG = """\
examples:
  kubectl camstream status                    every camera and pipeline of the namespace
  kubectl camstream status gun-screen         one of them, with its conditions and what its worker says
  kubectl camstream tail gun-screen           watch its messages from here
  kubectl camstream logs gun-screen --previous    the last words of a worker that died
  kubectl camstream report                    everything that helps to find a fault, without secrets

NAME is that of an object, camera/NAME or pipeline/NAME, or the external name. `kubectl camstream VERB --help` tells more.
"""


class Verb(Protocol):
    """A module of this package that is one verb."""

    def add_parser(self, subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace, kubectl: Kubectl) -> int: ...


VERBS: Final[dict[str, Verb]] = {
    "status": status,
    "tail": tail,
    "logs": logs,
    "reload": reload,
    "wake": wake,
    "snapshot": snapshot,
    "report": report,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """
    :param arguments: default: those of the process
    :returns: the exit code
    """
    args = _parser().parse_args(arguments)
    return guarded("kubectl camstream", lambda: VERBS[args.verb].run(args, _kubectl(args)))


def _kubectl(args: argparse.Namespace) -> Kubectl:
    given = {"--context": args.context, "--kubeconfig": args.kubeconfig, "--namespace": args.namespace}
    options = tuple(f"{name}={value}" for name, value in given.items() if value is not None)
    if args.namespace == "":
        raise CamstreamError("--namespace needs a name")
    return Kubectl(options, namespaced=args.namespace is not None)


def _parser() -> argparse.ArgumentParser:
    # With every verb, as kubectl takes them before and after it.
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("-n", "--namespace", help="default: that of the context")
    common.add_argument("--context", help="of the kubeconfig (default: the current one)")
    common.add_argument("--kubeconfig", metavar="FILE", help="default: that of kubectl")
    parser = argparse.ArgumentParser(
        prog="kubectl camstream",
        description="Live cameras on a cluster: how they are, what they send, and what to do about it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"camstream {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS.values():
        verb.add_parser(verbs, common)
    return parser


if __name__ == "__main__":
    sys.exit(main())
