"""``camstream status``: what `camstream run` runs on this machine, and which backgrounds it has collected."""

import argparse
import json
import time
from typing import Any

from camstream.errors import CamstreamError
from camstream.spec.view import ObjectView
from camstream_cli.format import console, object_details, objects_table
from camstream_cli.local.state import RunState, remove_stale, running, state_directory


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "status",
        help="show what runs",
        description="Show what `camstream run` runs on this machine. With a name: one object in full, with its conditions.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="only this object, in full")
    parser.add_argument("--output", choices=["table", "json"], default="table", help="json: a list of objects")


def run(args: argparse.Namespace) -> int:
    """:raises CamstreamError: if a name was given and nothing of that name runs"""
    root = state_directory()
    remove_stale(root)
    states = running(root)
    views = [view for state in states for view in (*state.objects, *state.backgrounds)]
    if args.name is not None:
        views = [view for view in views if args.name in (view.name, view.external_name, f"{view.kind.lower()}/{view.name}")]
        if not views:
            raise CamstreamError(f"nothing named {args.name!r} runs on this machine; `camstream status` shows what does")
    if args.output == "json":
        print(json.dumps([_document(view) for view in views], indent=2))
    elif args.name is not None:
        for view in views:
            console().print(object_details(view), highlight=False)
    else:
        _print_tables(states)
    return 0


def _document(view: ObjectView) -> dict[str, Any]:
    return view.model_dump(mode="json", by_alias=True)


def _print_tables(states: list[RunState]) -> None:
    screen = console()
    if not states:
        screen.print("nothing runs on this machine; start something with `camstream run PATH...`", highlight=False)
    for state in states:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(state.started_at))
        screen.print(f"camstream run {' '.join(state.paths)} (process {state.pid}, since {since})", style="dim", highlight=False)
        screen.print(objects_table([*state.objects, *state.backgrounds]), highlight=False)
        for problem in state.problems:
            screen.print(problem, style="red", highlight=False, markup=False)
