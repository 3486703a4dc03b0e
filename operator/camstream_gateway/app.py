"""The process ``camstream_gateway``: the live page and cam_server's REST interface, for one ``camstream run`` or a cluster."""

import argparse
import asyncio
import errno
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from camstream.errors import CamstreamError
from camstream.spec.view import STATE_FILE
from camstream_gateway.backgrounds import Library
from camstream_gateway.cam_server.application import camera_api, pipeline_api
from camstream_gateway.cam_server.service import Service
from camstream_gateway.cluster_store import ClusterStore
from camstream_gateway.collector import Collector
from camstream_gateway.memory import DEFAULT_LIMIT_BYTES, Memory
from camstream_gateway.metrics import CAMERAS, PAGE, PIPELINES, Metrics
from camstream_gateway.mirror import Mirror
from camstream_gateway.mirrored_objects import MirroredObjects
from camstream_gateway.native.application import Native
from camstream_gateway.objects import Board, LocalObjects, Objects
from camstream_gateway.records import Records
from camstream_gateway.reviews import Reviews
from camstream_gateway.rights import of_cam_server, of_page
from camstream_gateway.routes import Gateway
from camstream_gateway.scripts import ScriptFolder
from camstream_gateway.security import Everybody, Gate, Holders, ask_for, read_tokens
from camstream_gateway.store import LocalStore
from camstream_gateway.subscriptions import Subscriptions

log = logging.getLogger(__name__)

COMPLETED: Final = 0
NOTHING_SERVED: Final = 3
WRONG_OPTIONS: Final = 2

EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - the person who starts it says so
"""Addresses that mean all interfaces, and are no place to go to."""

ASK_S: Final = 3.0
"""How long a worker may take for an answer."""
SHUTDOWN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Door:
    """One port and what is behind it."""

    name: str
    port: int
    application: Callable[[], web.Application]


def main() -> int:
    args = arguments()
    records = Records()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger().addHandler(records)
    try:
        return asyncio.run(_serve(args, records))
    except CamstreamError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_OPTIONS


async def _serve(args: argparse.Namespace, records: Records) -> int:
    """:raises CamstreamError: if a file that it is given cannot be used"""
    stop = _stopped(args.exit_with_stdin)
    tokens = read_tokens(args.tokens) if args.tokens else None
    if tokens is None and not args.token_review:
        log.warning("no authentication: everybody who reaches this gateway may do what it offers; ask for --tokens or --token-review")
    memory = Memory(args.memory_limit)
    board, subscriptions = Board(), Subscriptions(memory)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_S)))
        stack.push_async_callback(subscriptions.close)
        doors, watchers = [], []
        gate: Gate = Holders(tokens) if tokens else Everybody()
        store: LocalStore | ClusterStore
        if args.run:
            store = LocalStore(args.run)
        else:
            store = await ClusterStore.connect(args.home, tuple(args.namespace), args.kubeconfig)
            gate = Reviews(store.post) if args.token_review else gate
        mirror = Mirror(await stack.enter_async_context(store))
        watchers.append(mirror.follow())
        metrics = Metrics()
        library = Library(args.backgrounds, by_namespace=isinstance(store, ClusterStore))
        library.wrote = metrics.wrote
        service = Service(mirror, http, library, ScriptFolder(args.scripts), records, memory, args.allow_pickle)
        collector = Collector(store, service)
        watchers.append(collector.run())
        if not store.sees_files:
            # Who cannot see a file learns of it by its record.
            library.announce = collector.announce
        if args.page_port is not None:
            access = ask_for(gate, partial(of_page, namespaces=store.namespaces))
            page, native = Gateway(board, subscriptions, http, metrics, library.folder), Native(service, collector, args.read_only)
            doors.append(Door(PAGE, args.page_port, partial(page.application, args.host, access, native)))
            objects: Objects = LocalObjects(args.run / STATE_FILE) if args.run else MirroredObjects(mirror)
            watchers.append(_watch(objects, board, subscriptions))
        if args.cameras_port is not None or args.pipelines_port is not None:
            apis = ((CAMERAS, args.cameras_port, camera_api), (PIPELINES, args.pipelines_port, pipeline_api))
            for name, port, api in apis:
                if port is not None:
                    # A door has the name of what it is about.
                    access = ask_for(gate, partial(of_cam_server, plural=name, home=store.home))
                    doors.append(Door(name, port, partial(api, service, args.host, access, metrics)))
        tasks = [asyncio.create_task(watcher) for watcher in watchers]
        stack.push_async_callback(_cancel, tasks)
        open_doors, problems = {}, {}
        for door in doors:
            runner = web.AppRunner(door.application(), access_log=None, shutdown_timeout=SHUTDOWN_S)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            try:
                await web.TCPSite(runner, args.host, door.port).start()
                open_doors[door.name] = _url(runner)
            except OSError as error:
                sys.stderr.write(f"cannot serve the {door.name} at {args.host}:{door.port}: {error.strerror}\n")
                problems[door.name] = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
        # The one line of standard output: with port 0 nobody could know it otherwise.
        sys.stdout.write(json.dumps({"doors": open_doors, "problems": problems}) + "\n")
        sys.stdout.flush()
        if not open_doors:
            return NOTHING_SERVED
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for task in done - {stopping}:
            task.result()
    return COMPLETED


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _watch(objects: Objects, board: Board, subscriptions: Subscriptions) -> None:
    async for snapshot in objects.watch():
        subscriptions.follow(snapshot)
        board.put(snapshot)


def _url(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    host = socket.gethostname() if host in EVERYWHERE else host
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _stopped(with_stdin: bool) -> asyncio.Event:
    """An event that is set when this process is told to end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if with_stdin:

        def look() -> None:
            if not os.read(sys.stdin.fileno(), 1024):
                loop.remove_reader(sys.stdin.fileno())
                stop.set()

        loop.add_reader(sys.stdin.fileno(), look)
    return stop


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="camstream-gateway",
        description="Serve the live page and cam_server's REST interface for one `camstream run`, or for a cluster.",
        epilog="`camstream run` and the chart start it; by hand it serves to look at another run. Port 0 is any free one.",
    )
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--run", type=Path, metavar="DIR", help="folder of a running `camstream run`")
    place.add_argument("--home", metavar="NAMESPACE", help="the objects of a cluster; those that clients make come into this namespace")
    parser.add_argument(
        "--namespace", action="append", default=[], metavar="NAMESPACE", help="look at this one; more than once for several (default: all)"
    )
    parser.add_argument(
        "--kubeconfig", default=os.environ.get("KUBECONFIG"), metavar="FILE", help="default: $KUBECONFIG, or this pod's account"
    )
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: 127.0.0.1)")
    parser.add_argument("--page-port", type=int, metavar="PORT", help="of the live page, and of the API beside it")
    parser.add_argument("--read-only", action="store_true", help="let nobody change objects by the API beside the page")
    parser.add_argument("--cameras-port", type=int, metavar="PORT", help="of the camera API")
    parser.add_argument("--pipelines-port", type=int, metavar="PORT", help="of the pipeline API")
    parser.add_argument("--backgrounds", type=Path, default=Path("backgrounds"), metavar="DIR", help="folder of backgrounds")
    parser.add_argument("--scripts", type=Path, default=Path("scripts"), metavar="DIR", help="folder of users' scripts")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--tokens", type=Path, metavar="FILE", help="ask everybody for one of these tokens, one per line")
    who.add_argument(
        "--token-review", action="store_true", help="let the API server say whose a token is, and what they may do; with --home only"
    )
    parser.add_argument(
        "--allow-pickle", action="store_true", help="read backgrounds that old clients upload as pickles, plain arrays only"
    )
    parser.add_argument(
        "--memory-limit",
        type=int,
        default=DEFAULT_LIMIT_BYTES,
        metavar="BYTES",
        help="of this process: half of it is for frames that are looked at and for uploads (default: 1 GiB)",
    )
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when standard input closes, so as not to outlive the parent")
    args = parser.parse_args()
    if args.token_review and args.run:
        parser.error("--token-review: a `camstream run` has no API server to ask; use --tokens")
    return args


if __name__ == "__main__":
    sys.exit(main())
