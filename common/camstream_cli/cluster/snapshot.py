"""``kubectl camstream snapshot``: the newest image as a picture."""

import argparse
from pathlib import Path

from camstream.errors import CamstreamError
from camstream_cli.cluster.kubectl import Kubectl

PNG = b"\x89PNG\r\n\x1a\n"
WIDTH = 4096
"""[pixel] As large as the worker gives it; never larger than the image."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    parser = subparsers.add_parser(
        "snapshot",
        parents=[common],
        help="save the newest image",
        description="Save the newest image as a grey PNG of 8 bits, from the darkest to the brightest pixel. "
        "It is for looking, not for measuring.",
    )
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: NAME.png here")
    parser.add_argument("--width", type=int, default=WIDTH, metavar="N", help="at most so many pixels wide")


def run(args: argparse.Namespace, kubectl: Kubectl) -> int:
    """:raises CamstreamError: if there is no image, or it cannot be written"""
    thing = kubectl.find(args.name)
    picture = kubectl.worker(thing, f"/preview.png?width={args.width}")
    if not picture.startswith(PNG):
        raise CamstreamError(f"the worker of {thing.words} sent no picture: {picture[:200].decode(errors='replace').strip()}")
    file: Path = args.output or Path(f"{thing.name}.png")
    try:
        file.write_bytes(picture)
    except OSError as error:
        raise CamstreamError(f"cannot write {file}: {error.strerror}") from error
    print(file)
    return 0
