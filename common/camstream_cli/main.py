"""The command ``camstream``."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from camstream import __version__
from camstream.errors import CamstreamError
from camstream_cli import check, export, import_, receive, run, status

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as shells expect it."""

EPILOG = """\
examples:
  camstream run configs/demo              run a simulated camera and its analysis; Ctrl-C stops them
  camstream receive demo-pipeline         watch the result
  camstream status                        what runs here, and how it is
  camstream check my-camera.yaml          find mistakes in a manifest before it is used
  camstream import /etc/cam_server --output manifests    take over the cameras and pipelines of cam_server

`camstream VERB --help` tells more. The same manifests run on Kubernetes with `kubectl apply`;
`kubectl camstream --help` says what to do with them there.
"""


class Verb(Protocol):
    """A module of this package that is one verb."""

    def add_parser(self, subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


VERBS: Final[dict[str, Verb]] = {"run": run, "status": status, "receive": receive, "check": check, "import": import_, "export": export}


def main(arguments: Sequence[str] | None = None) -> int:
    """
    :param arguments: default: those of the process
    :returns: the exit code
    """
    args = _parser().parse_args(arguments)
    return guarded("camstream", lambda: VERBS[args.verb].run(args))


def guarded(program: str, run: Callable[[], int]) -> int:
    """Run a verb, and say what went wrong in words.

    :returns: the exit code
    """
    try:
        code = run()
        sys.stdout.flush()
        return code
    except CamstreamError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # `camstream receive NAME | head`: nobody reads on. Python would complain once more when it closes the output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="camstream",
        description="Live scientific cameras: bsread streams in and out, analysed on the way.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"camstream {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS.values():
        verb.add_parser(verbs)
    return parser


if __name__ == "__main__":
    sys.exit(main())
