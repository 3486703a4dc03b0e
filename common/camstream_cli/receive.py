"""``camstream receive``: look at a stream."""

import argparse
import json
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import zmq
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from camstream import names
from camstream.errors import CamstreamError, WireError
from camstream.spec.fields import OutputMode
from camstream.spec.view import ObjectView
from camstream.wire import Decoder, Message
from camstream_cli.format import console, json_value, picture, value_text
from camstream_cli.local.state import RunState, running, state_directory

QUEUE_SIZE = 4
"""Messages that may wait: somebody who looks wants to see what is now."""

LIVE_HZ = 10.0
PICTURE_COLUMNS, PICTURE_LINES = 60, 22

FIRST_CHANNELS = (
    names.IMAGE,
    "intensity",
    "x_center_of_mass",
    "x_rms",
    "y_center_of_mass",
    "y_rms",
    "x_fit_mean",
    "x_fit_standard_deviation",
    "y_fit_mean",
    "y_fit_standard_deviation",
)
"""What tells most about an image and its analysis. Other channels are shown where there are none of the analysis."""
OTHER_CHANNELS = 10

EPILOG = """\
examples:
  camstream receive demo-pipeline                        watch it; stop with Ctrl-C
  camstream receive demo-camera --count 1                one message
  camstream receive tcp://127.0.0.1:12000 --mode pull    any bsread stream, by its address
  camstream receive demo-pipeline --output json --channels x_fit_mean,intensity | jq .channels
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A stream and how to read it."""

    address: str
    pull: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """A message, when it came [s since 1970], and how large it was."""

    message: Message
    at: float
    size: int

    @property
    def age_s(self) -> float:
        return self.at - self.message.timestamp.seconds()


class Show(Protocol):
    """Takes one message after the other."""

    def __call__(self, received: Received) -> None: ...


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "receive",
        help="show a stream",
        description="Show the messages of a stream: pulse id, age, and the values of its channels.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stream", metavar="NAME|ADDRESS", help="an object that `camstream run` runs, or tcp://host:port")
    add_options(parser)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What :func:`show` reads."""
    parser.add_argument("--count", type=_positive, metavar="N", help="stop after N messages")
    parser.add_argument("--channels", type=_channels, metavar="A,B", help="show these channels")
    parser.add_argument(
        "--mode", choices=["sub", "pull"], help="how to read; pull takes messages away from other readers (default: as sent)"
    )
    parser.add_argument("--output", choices=["table", "json"], default="table", help="json: one object per message and line")
    parser.add_argument("--timeout", type=float, default=10.0, metavar="S", help="give up when nothing comes for this long (default: 10)")


def run(args: argparse.Namespace) -> int:
    """:raises CamstreamError: if there is no such stream, or it is silent"""
    show(find_target(args.stream, args.mode, running(state_directory())), args.stream, args)
    return 0


def show(target: Target, title: str, args: argparse.Namespace) -> None:
    """Print messages as they come.

    :param args: of :func:`add_options`
    :raises CamstreamError: if the stream is silent
    """
    screen = console()
    messages = receive(target, args.channels, args.timeout)
    live = args.output == "table" and screen.is_terminal and args.count is None
    summary = Summary()
    try:
        if live:
            _watch(messages, screen, title, args.channels, summary)
        else:
            write = _print_json if args.output == "json" else _line_printer(args.channels)
            for received in _first(messages, args.count):
                summary.add(received)
                write(received)
    finally:
        if args.output == "table" and summary.count > 1:
            screen.print(summary.text(), highlight=False)


def find_target(stream: str, mode: str | None, states: Iterable[RunState]) -> Target:
    """Where to connect.

    :raises CamstreamError: if nothing of that name runs, or several streams have it
    """
    if "://" in stream or re.fullmatch(r"[^/:]+:\d+", stream):
        return Target(stream if "://" in stream else f"tcp://{stream}", mode == "pull")
    views = [view for state in states for view in state.objects]
    found = [view for view in views if stream in _names(view)]
    if not found:
        known = ", ".join(sorted(view.name for view in views))
        hint = f"there are: {known}" if known else "nothing runs; start something with `camstream run`"
        raise CamstreamError(f"no stream named {stream!r} ({hint})")
    if len(found) > 1:
        addresses = ", ".join(f"{view.kind.lower()}/{view.name} at {view.address}" for view in found)
        raise CamstreamError(f"{stream!r} is the name of several streams: {addresses}; give the address")
    view = found[0]
    if view.address is None:
        raise CamstreamError(f"{view.kind.lower()} {view.name!r} has no stream ({view.phase}: {view.message})")
    return Target(view.address, mode == "pull" if mode else view.mode == OutputMode.PUSH)


def receive(target: Target, channels: Collection[str] | None, timeout_s: float) -> Iterator[Received]:
    """Messages of a stream, as they come.

    :raises CamstreamError: if no message that can be read comes for ``timeout_s``
    """
    decoder = Decoder(channels=channels)
    with zmq.Context() as context, context.socket(zmq.PULL if target.pull else zmq.SUB) as socket:
        socket.linger = 0
        socket.rcvhwm = QUEUE_SIZE
        # A sender that vanished without a word is noticed, and looked for again.
        socket.tcp_keepalive, socket.tcp_keepalive_idle, socket.tcp_keepalive_intvl, socket.tcp_keepalive_cnt = 1, 2, 1, 3
        # One that is asked while it is just moving is asked anew, and not only after minutes.
        socket.connect_timeout = names.CONNECT_MS
        if not target.pull:
            socket.subscribe(b"")
        try:
            socket.connect(target.address)
        except zmq.ZMQError as error:
            raise CamstreamError(f"cannot connect to {target.address!r}: {error}; expected tcp://host:port") from error
        unreadable: WireError | None = None
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            if not socket.poll(int(left * 1000) + 1):
                break
            frames = socket.recv_multipart(copy=False)
            at = time.time()
            parts = [frame.buffer for frame in frames]
            try:
                message = decoder.decode(parts)
            except WireError as error:
                unreadable = error
                continue
            yield Received(message, at, sum(len(part) for part in parts))
            deadline = time.monotonic() + timeout_s
    if unreadable is not None:
        raise CamstreamError(f"messages come from {target.address}, but none can be read: {unreadable}")
    raise CamstreamError(f"no message within {timeout_s:g} s from {target.address}: does the camera run? See `camstream status`")


@dataclass(slots=True)
class Summary:
    """How much came."""

    count: int = 0
    size: int = 0
    first: float = 0.0
    last: float = 0.0

    def add(self, received: Received) -> None:
        self.first = self.first or received.at
        self.last = received.at
        self.count += 1
        self.size += received.size

    @property
    def rate_hz(self) -> float:
        span = self.last - self.first
        return (self.count - 1) / span if span > 0 else 0.0

    def text(self) -> str:
        rate = self.rate_hz
        return f"{self.count} messages in {self.last - self.first:.2f} s: {rate:.1f} Hz, {rate * self.size / self.count / 1e6:.1f} MB/s"


def shown_channels(values: Mapping[str, Any], wanted: Collection[str] | None) -> list[str]:
    """Which channels to show: those that were asked for, else those that tell most."""
    if wanted:
        return list(wanted)
    best = [name for name in FIRST_CHANNELS if name in values]
    if best and best != [names.IMAGE]:
        return best
    return best + [name for name in values if name not in names.CAMERA_CHANNELS][:OTHER_CHANNELS]


def _line_printer(channels: Collection[str] | None) -> Show:
    def show(received: Received) -> None:
        values = received.message.values
        facts = [f"{name} {value_text(values.get(name))}" for name in shown_channels(values, channels)]
        print(f"pulse {received.message.pulse_id}  age {received.age_s * 1e3:.1f} ms", *facts, sep="  ", flush=True)

    return show


def _print_json(received: Received) -> None:
    message = received.message
    document = {
        "pulseId": message.pulse_id,
        "timestamp": {"sec": message.timestamp.sec, "ns": message.timestamp.ns},
        "ageSeconds": round(received.age_s, 6),
        "channels": {name: json_value(value) for name, value in message.values.items()},
    }
    print(json.dumps(document, allow_nan=False), flush=True)


def _watch(messages: Iterator[Received], screen: Console, title: str, channels: Collection[str] | None, summary: Summary) -> None:
    """The newest message, a few times per second, until Ctrl-C."""
    drawn = 0.0
    screen.print(f"waiting for {title} ...", style="dim")
    with Live(console=screen, auto_refresh=False, transient=False) as live:
        for received in messages:
            summary.add(received)
            if received.at - drawn >= 1 / LIVE_HZ:
                drawn = received.at
                live.update(_panel(title, received, channels, summary), refresh=True)


def _panel(title: str, received: Received, channels: Collection[str] | None, summary: Summary) -> RenderableType:
    values = received.message.values
    numbers = Table.grid(padding=(0, 2))
    for name in shown_channels(values, channels):
        numbers.add_row(Text(name, "bold"), value_text(values.get(name)))
    head = Text.assemble(
        (title, "bold"),
        f"  pulse {received.message.pulse_id}  age {received.age_s * 1e3:.1f} ms  {summary.rate_hz:.1f} Hz",
        ("  Ctrl-C to stop", "dim"),
    )
    image = values.get(names.IMAGE)
    if not isinstance(image, np.ndarray) or image.ndim != 2 or image.size == 0:
        return Group(head, numbers)
    return Group(head, picture(image, PICTURE_COLUMNS, PICTURE_LINES), numbers)


def _names(view: ObjectView) -> set[str]:
    return {view.name, view.external_name, f"{view.kind.lower()}/{view.name}"}


def _first(messages: Iterator[Received], count: int | None) -> Iterator[Received]:
    """The first ones only, without waiting for the one after."""
    for number, received in enumerate(messages, start=1):
        yield received
        if number == count:
            return


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of messages (1 or more)")
    return int(text)


def _channels(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
