"""``camstream run``: run the objects of some manifests on this machine."""

import argparse
import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

from camstream.errors import CamstreamError
from camstream.spec.key import Key
from camstream_cli.check import check
from camstream_cli.format import console
from camstream_cli.local.backgrounds import BackgroundFolder, BackgroundObjects
from camstream_cli.local.control import Control
from camstream_cli.local.desired import Desired
from camstream_cli.local.follow import Followed
from camstream_cli.local.gateway import CAMERA_PORT, DEFAULT_PORT, PIPELINE_PORT, Gateway, Options
from camstream_cli.local.ports import Ports
from camstream_cli.local.screen import Lines, LiveTable, Screen
from camstream_cli.local.state import RunState, run_folder, state_directory, write_state
from camstream_cli.local.supervisor import Supervisor

BACKGROUNDS = Path("~/.local/share/camstream/backgrounds")
SCRIPTS = Path("~/.local/share/camstream/scripts")
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
        description="Run the cameras and pipelines of some manifests on this machine, each in a process of its own, until Ctrl-C, "
        "and collect the backgrounds that they ask for.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="manifest, or folder of manifests; none: what clients make only"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="where the streams, the live page and the REST interface listen; 0.0.0.0 to serve other machines (default: 127.0.0.1)",
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
    rest = parser.add_argument_group("cam_server's REST interface, for its clients")
    for kind, port in (("camera", CAMERA_PORT), ("pipeline", PIPELINE_PORT)):
        rest.add_argument(
            f"--{kind}-port", type=int, default=port, metavar="PORT", help=f"of the {kind} API; 0 for any free one (default: {port})"
        )
    rest.add_argument("--no-rest", action="store_true", help="serve no REST interface, and let nobody change anything by the page's port")
    rest.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep what clients save here, for the next run (default: until this run ends)"
    )
    rest.add_argument("--scripts", type=Path, default=SCRIPTS, metavar="DIR", help=f"folder of uploaded scripts (default: {SCRIPTS})")
    rest.add_argument(
        "--tokens",
        type=Path,
        metavar="FILE",
        help="ask every client for one of these tokens, one per line (default: everybody may do everything)",
    )
    rest.add_argument("--allow-pickle", action="store_true", help="read backgrounds that old clients upload as pickles, plain arrays only")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"], help="of the workers (default: info)")


def run(args: argparse.Namespace) -> int:
    """:raises CamstreamError: if there is nothing to run, or no place to run it"""
    desired = Desired(args.keep)
    manifests = Followed(args.paths)
    if manifests.problems:
        return check(args.paths)
    desired.use_files(manifests.objects)
    if not desired.objects and args.paths:
        raise CamstreamError(f"there is no Camera or Pipeline in {', '.join(map(str, args.paths))}")
    if not desired.objects and args.no_rest:
        raise CamstreamError("there is nothing to run: name a manifest, or leave --no-rest out and let clients make something")
    for note in manifests.notes:
        print(f"{note} (note)")
    try:
        asyncio.run(_supervise(args, manifests, desired))
    except* BrokenPipeError:
        unread = True
    else:
        unread = False
    if unread:
        raise BrokenPipeError
    return 0


async def _supervise(args: argparse.Namespace, manifests: Followed, desired: Desired) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` wants it
            loop.add_signal_handler(number, stop.set)
    if args.duration is not None:
        loop.call_later(args.duration, stop.set)
    folder_of_backgrounds = BackgroundFolder(args.backgrounds.expanduser())
    backgrounds = BackgroundObjects(folder_of_backgrounds)
    with run_folder(state_directory()) as folder, contextlib.closing(Ports(args.host)) as ports:
        supervisor = Supervisor(folder, ports, folder_of_backgrounds, args.log_level, args.files.expanduser())

        def changed() -> None:
            supervisor.apply(desired.objects, manifests.config_maps)
            backgrounds.apply(desired.backgrounds)

        def edited() -> None:
            desired.use_files(manifests.objects)
            changed()

        def idle(key: Key) -> None:
            desired.delete(key)
            changed()

        supervisor.when_idle = idle
        changed()
        options = _gateway_options(args, ports.host)
        gateway = Gateway(folder, options) if options.serves else None
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(supervisor.run(stop))
            tasks.create_task(manifests.follow(edited, stop))
            tasks.create_task(_tell(args, folder, supervisor, backgrounds, manifests, gateway, stop))
            if gateway:
                tasks.create_task(Control(folder, desired, supervisor, backgrounds, changed).run(stop))
                tasks.create_task(gateway.run(stop))


def _gateway_options(args: argparse.Namespace, host: str) -> Options:
    return Options(
        host=host,
        page_port=None if args.no_page else args.page_port,
        camera_port=None if args.no_rest else args.camera_port,
        pipeline_port=None if args.no_rest else args.pipeline_port,
        backgrounds=args.backgrounds.expanduser(),
        scripts=args.scripts.expanduser(),
        tokens=args.tokens,
        allow_pickle=args.allow_pickle,
        read_only=args.no_rest,
    )


async def _tell(
    args: argparse.Namespace,
    folder: Path,
    supervisor: Supervisor,
    backgrounds: BackgroundObjects,
    manifests: Followed,
    gateway: Gateway | None,
    stop: asyncio.Event,
) -> None:
    """Show how everything is, here and to other processes, until told to stop."""
    state = RunState(pid=os.getpid(), started_at=time.time(), paths=[str(path) for path in args.paths])
    terminal = console()
    screen: Screen = LiveTable(terminal) if terminal.is_terminal and not args.no_table else Lines()
    try:
        while not stop.is_set():
            views, collected, problems = supervisor.views(), backgrounds.views(), manifests.problems
            doors = gateway.doors if gateway else {}
            try:
                write_state(folder, state.model_copy(update={**doors, "objects": views, "backgrounds": collected, "problems": problems}))
            except OSError as error:
                problems = [*problems, f"cannot write to {folder}: {error.strerror}; `camstream status` is not up to date"]
            screen.show([*views, *collected], problems, gateway.words if gateway else "")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TELL_S)
    finally:
        screen.close()
    print("stopping ...", flush=True)
