"""``camstream run``: run the objects of some manifests on this machine."""

import argparse
import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

from camstream.errors import CamstreamError
from camstream.spec.view import STATE_FILE
from camstream_cli.check import check
from camstream_cli.format import console
from camstream_cli.local.backgrounds import BackgroundFolder
from camstream_cli.local.follow import Followed
from camstream_cli.local.page import DEFAULT_PORT, Page
from camstream_cli.local.ports import Ports
from camstream_cli.local.screen import Lines, LiveTable, Screen
from camstream_cli.local.state import RunState, run_folder, state_directory, write_state
from camstream_cli.local.supervisor import Supervisor

BACKGROUNDS = Path("~/.local/share/camstream/backgrounds")
FILES = Path("~/.local/share/camstream/files")

TELL_S = 0.5
"""How often the table and the state file are made anew."""

EPILOG = """\
Edits of the files are followed: a new object starts, a deleted one stops, a changed one takes the change over (live where it can).
Workers that end by themselves are started again. Nothing is left over at the end.

examples:
  camstream run configs/demo                        every manifest of a folder
  camstream run camera.yaml pipeline.yaml
  camstream run --host 0.0.0.0 configs/demo         serve other machines too
  camstream run --page-port 8081 configs/demo       the live page at http://127.0.0.1:8081
  camstream run --duration 60 --no-table configs/demo | tee demo.log
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "run",
        help="run the cameras and pipelines of some manifests on this machine",
        description="Run the cameras and pipelines of some manifests on this machine, each in a process of its own, until Ctrl-C.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="manifest, or folder of manifests")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="where the streams and the live page listen; 0.0.0.0 to serve other machines (default: 127.0.0.1)",
    )
    parser.add_argument(
        "--backgrounds", type=Path, default=BACKGROUNDS, metavar="DIR", help=f"folder of backgrounds (default: {BACKGROUNDS})"
    )
    parser.add_argument("--files", type=Path, default=FILES, metavar="DIR", help=f"folder for the files of output.file (default: {FILES})")
    parser.add_argument("--duration", type=float, metavar="SECONDS", help="stop by itself after this time")
    parser.add_argument(
        "--no-table", action="store_true", help="one line per change instead of a table; so it is where there is no terminal"
    )
    parser.add_argument(
        "--page-port",
        type=int,
        default=DEFAULT_PORT,
        metavar="PORT",
        help=f"of the live page; 0 for any free one (default: {DEFAULT_PORT})",
    )
    parser.add_argument("--no-page", action="store_true", help="serve no live page")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"], help="of the workers (default: info)")


def run(args: argparse.Namespace) -> int:
    """:raises CamstreamError: if there is nothing to run, or no place to run it"""
    manifests = Followed(args.paths)
    if manifests.problems:
        return check(args.paths)
    if not manifests.objects:
        raise CamstreamError(f"there is no Camera or Pipeline in {', '.join(map(str, args.paths))}")
    for note in manifests.notes:
        print(f"{note} (note)")
    try:
        asyncio.run(_supervise(args, manifests))
    except* BrokenPipeError:
        unread = True
    else:
        unread = False
    if unread:
        raise BrokenPipeError
    return 0


async def _supervise(args: argparse.Namespace, manifests: Followed) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` wants it
            loop.add_signal_handler(number, stop.set)
    if args.duration is not None:
        loop.call_later(args.duration, stop.set)
    backgrounds = BackgroundFolder(args.backgrounds.expanduser())
    with run_folder(state_directory()) as folder, contextlib.closing(Ports(args.host)) as ports:
        supervisor = Supervisor(folder, ports, backgrounds, args.log_level, args.files.expanduser())
        supervisor.apply(manifests.objects, manifests.config_maps)
        page = None if args.no_page else Page(folder / STATE_FILE, backgrounds.folder, ports.host, args.page_port)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(supervisor.run(stop))
            tasks.create_task(manifests.follow(lambda: supervisor.apply(manifests.objects, manifests.config_maps), stop))
            tasks.create_task(_tell(args, folder, supervisor, manifests, page, stop))
            if page:
                tasks.create_task(page.run(stop))


async def _tell(
    args: argparse.Namespace, folder: Path, supervisor: Supervisor, manifests: Followed, page: Page | None, stop: asyncio.Event
) -> None:
    """Show how everything is, here and to other processes, until told to stop."""
    state = RunState(pid=os.getpid(), started_at=time.time(), paths=[str(path) for path in args.paths])
    terminal = console()
    screen: Screen = LiveTable(terminal) if terminal.is_terminal and not args.no_table else Lines()
    try:
        while not stop.is_set():
            views, problems = supervisor.views(), manifests.problems
            try:
                url = page.url if page else None
                write_state(folder, state.model_copy(update={"page": url, "objects": views, "problems": problems}))
            except OSError as error:
                problems = [*problems, f"cannot write to {folder}: {error.strerror}; `camstream status` is not up to date"]
            screen.show(views, problems, page.words if page else "")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TELL_S)
    finally:
        screen.close()
    print("stopping ...", flush=True)
