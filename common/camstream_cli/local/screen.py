"""What a person sees while objects run: a live table on a terminal, one line per change elsewhere."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from camstream.spec.fields import OutputMode
from camstream.spec.status import Phase
from camstream.spec.view import ObjectView
from camstream_cli.format import object_line, objects_table
from camstream_cli.local.logs import last_lines

LOG_LINES = 5
"""Of a worker that failed."""


class Screen(Protocol):
    """Where the state of all objects is shown, again and again."""

    def show(self, views: Sequence[ObjectView], problems: Sequence[str], page: str = "") -> None:
        """
        :param problems: why the newest edit of the manifests was not taken over
        :param page: where the live page is, or why there is none
        """

    def close(self) -> None:
        """Nothing more comes."""


class LiveTable:
    """A table that stays in place, with what is wrong below it."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False)
        self._live.start()

    def show(self, views: Sequence[ObjectView], problems: Sequence[str], page: str = "") -> None:
        parts = [objects_table(views)]
        for view in views:
            parts += [Text(f"  {line}", "dim", no_wrap=True, overflow="ellipsis") for line in failure_log(view)]
        parts += [Text(line, "red") for line in edit_problems(problems)]
        parts += [Text(page, "bold")] if page else []
        parts += [Text(), *(Text(line, "dim", no_wrap=True, overflow="ellipsis") for line in next_steps(views))]
        self._live.update(Group(*parts), refresh=True)

    def close(self) -> None:
        self._live.stop()


class Lines:
    """One line per change of state, with the time: for log files, and for those who ask for it."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str, str], str] = {}
        self._problems: Sequence[str] = ()
        self._page = ""
        self._steps_told = False

    def show(self, views: Sequence[ObjectView], problems: Sequence[str], page: str = "") -> None:
        now = {(view.kind, view.namespace, view.name): view for view in views}
        for gone in self._told.keys() - now.keys():
            _say(f"{gone[0].lower()}/{gone[2]} removed")
        for key, view in now.items():
            line = object_line(view)
            if self._told.get(key) != line:
                _say(line)
                for log_line in failure_log(view):
                    _say(f"  {log_line}")
        self._told = {key: object_line(view) for key, view in now.items()}
        if list(problems) != list(self._problems):
            for line in edit_problems(problems) or ["all manifests are right again"]:
                _say(line)
        self._problems = problems
        if page != self._page:
            _say(page)
        self._page = page
        if not self._steps_told and views and all(view.phase is not Phase.STARTING for view in views):
            self._steps_told = True
            print(*next_steps(views), sep="\n", flush=True)

    def close(self) -> None:
        """Nothing is kept."""


def next_steps(views: Sequence[ObjectView]) -> list[str]:
    """What a person may do with what runs."""
    readable = [view for view in views if view.address and view.mode == OutputMode.PUB]
    best = next((view for view in reversed(readable) if view.kind == "Pipeline"), readable[0] if readable else None)
    steps = ["Ctrl-C stops everything; in another terminal:"]
    if best:
        steps.append(f"  camstream receive {best.name}")
        steps.append(f"  python -m bsread.cli.bs receive -s {best.address}  (or any bsread reader)")
    return [*steps, "  camstream status"]


def edit_problems(problems: Sequence[str]) -> list[str]:
    return ["not all is well; what a broken file said before goes on:", *problems] if problems else []


def failure_log(view: ObjectView) -> list[str]:
    """The end of the log of a worker that failed, and where the whole of it is."""
    if view.phase is not Phase.FAILED or view.log_file is None:
        return []
    lines = last_lines(Path(view.log_file), LOG_LINES)
    return [f"the end of {view.log_file}:", *(f"  {line}" for line in lines)] if lines else []


def _say(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, flush=True)
