"""The process ``camstream_gateway``: serve the live page for what one ``camstream run`` runs."""

import argparse
import asyncio
import errno
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from camstream_gateway.metrics import Metrics
from camstream_gateway.objects import Board, LocalObjects, Objects
from camstream_gateway.routes import Gateway
from camstream_gateway.subscriptions import Subscriptions

COMPLETED: Final = 0
ADDRESS_IN_USE: Final = 3
NO_SUCH_ADDRESS: Final = 4

EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - the person who starts it says so
"""Addresses that mean all interfaces, and are no place to go to."""

ASK_S: Final = 3.0
"""How long a worker may take for a preview."""
SHUTDOWN_S: Final = 1.0


def main() -> int:
    args = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        asyncio.run(_serve(LocalObjects(args.state), args.store, args.host, args.port, args.exit_with_stdin))
    except OSError as error:
        sys.stderr.write(f"cannot serve the page at {args.host}:{args.port}: {error.strerror}\n")
        return ADDRESS_IN_USE if error.errno == errno.EADDRINUSE else NO_SUCH_ADDRESS
    return COMPLETED


async def _serve(objects: Objects, store: Path | None, host: str, port: int, with_stdin: bool) -> None:
    """:raises OSError: if the address cannot be had"""
    stop = _stopped(with_stdin)
    board, subscriptions = Board(), Subscriptions()
    timeout = aiohttp.ClientTimeout(total=ASK_S)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        gateway = Gateway(board, subscriptions, http, Metrics(), store)
        runner = web.AppRunner(gateway.application(host), access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        watcher = asyncio.create_task(_watch(objects, board, subscriptions))
        try:
            await web.TCPSite(runner, host, port).start()
            # The one line of standard output: with port 0 nobody could know it otherwise.
            sys.stdout.write(f"{_url(runner)}\n")
            sys.stdout.flush()
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({stopping, watcher}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
        finally:
            watcher.cancel()
            await runner.cleanup()
            await subscriptions.close()
    if watcher.done() and not watcher.cancelled():
        watcher.result()


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


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="camstream-gateway",
        description="Serve the live page: every stream of one `camstream run`, in a browser.",
        epilog="`camstream run` starts it; by hand it serves to look at another state file.",
    )
    parser.add_argument("--state", type=Path, required=True, metavar="FILE", help="state.json of a running `camstream run`")
    parser.add_argument("--store", type=Path, metavar="DIR", help="folder of backgrounds: /metrics tells how full it is")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8080, help="0: any free port (default: 8080)")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when standard input closes, so as not to outlive the parent")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
