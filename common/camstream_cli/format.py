"""How things look on a terminal: the table of objects, values of channels, a picture made of text."""

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from rich.console import Console, Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from camstream.spec.objects import Background
from camstream.spec.status import ConditionStatus, ImageStatus, Phase
from camstream.spec.view import ObjectView

WIDTH = 100
"""Columns that every output fits in."""

PHASE_STYLES: Mapping[Phase, str] = {
    Phase.PENDING: "yellow",
    Phase.STARTING: "cyan",
    Phase.RUNNING: "green",
    Phase.WAITING: "yellow",
    Phase.IDLE: "dim",
    Phase.STOPPED: "dim",
    Phase.COMPLETED: "blue",
    Phase.FAILED: "bold red",
}

CONDITION_STYLES: Mapping[ConditionStatus, str] = {
    ConditionStatus.TRUE: "green",
    ConditionStatus.FALSE: "red",
    ConditionStatus.UNKNOWN: "dim",
}

# Dark to light in steps that look equal, in colours that differ for colour-blind people too.
_ANCHORS = np.array([(0, 0, 8), (60, 15, 110), (140, 40, 105), (210, 75, 65), (250, 150, 20), (252, 255, 165)], dtype=float)
_LEVELS = 32


class Output(Console):
    """Standard output."""

    def on_broken_pipe(self) -> NoReturn:
        """Leave it to whoever started this: rich would end the process here."""
        raise BrokenPipeError


def console() -> Console:
    """Standard output; where it is no terminal, as wide as everything needs and without colours."""
    plain = Output()
    return plain if plain.is_terminal else Output(width=WIDTH, no_color=True)


def objects_table(views: Sequence[ObjectView]) -> RenderableType:
    """One row per object, and below it in full what is wrong with some of them."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("NAME", overflow="fold", min_width=8)
    for title in ("KIND", "STATE"):
        table.add_column(title, no_wrap=True)
    table.add_column("HZ", justify="right", no_wrap=True)
    table.add_column("SIZE", no_wrap=True)
    for title in ("CLIENTS", "DROPS"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("ADDRESS", overflow="fold")
    for view in views:
        table.add_row(
            view.name,
            view.kind,
            Text(view.phase, PHASE_STYLES[view.phase]),
            rate_text(view.rate),
            size_text(view.image),
            count_text(view.clients),
            count_text(view.drops),
            view.address or view.stored or "-",
        )
    remarks = [remark(view) for view in views if view.message]
    return Group(table, Text(), *remarks) if remarks else table


def remark(view: ObjectView) -> Text:
    """What is wrong with one object, in full."""
    again = f" (started again {view.restarts} times)" if view.restarts else ""
    return Text.assemble((f"{view.name}: ", PHASE_STYLES[view.phase]), view.message, again)


def object_line(view: ObjectView) -> str:
    """The state of one object on one line, for logs."""
    facts = [f"{view.kind.lower()}/{view.name}", view.phase.value, view.address or view.stored or ""]
    return " ".join(filter(None, facts)) + (f": {view.message}" if view.message else "")


def object_details(view: ObjectView) -> RenderableType:
    """Everything about one object."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    state = Text(view.phase, PHASE_STYLES[view.phase])
    streams = view.kind != Background.__name__
    rows: dict[str, str | Text | None] = {
        view.kind: view.name,
        "external name": view.external_name if view.external_name != view.name else None,
        "state": Text.assemble(state, f": {view.message}") if view.message else state,
        "stream": f"{view.address} ({view.mode})" if view.address else None,
        "stored": view.stored,
        "images": ", ".join([size_text(view.image), *([f"{rate_text(view.rate)} Hz"] if streams else [])]) if view.image.width else None,
        "clients": count_text(view.clients) if streams else None,
        "dropped": dropped_text(view) if streams else None,
        "restarts": str(view.restarts) if view.restarts else None,
        "worker": f"process {view.pid}, {view.http_address}/status" if view.pid else None,
        "log": view.log_file,
    }
    for label, value in rows.items():
        if value is not None:
            facts.add_row(label, value)
    conditions = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for title in ("CONDITION", "STATUS", "REASON", "SINCE"):
        conditions.add_column(title, no_wrap=True)
    conditions.add_column("MESSAGE", overflow="fold")
    for condition in view.conditions:
        status = Text(condition.status, CONDITION_STYLES[condition.status])
        conditions.add_row(condition.type, status, condition.reason, condition.last_transition_time, condition.message)
    return Group(facts, Text(), conditions)


def dropped_text(view: ObjectView) -> str:
    by_reason = ", ".join(f"{reason} {count}" for reason, count in view.dropped.items() if count)
    return f"{count_text(view.drops)} ({by_reason})" if by_reason else count_text(view.drops)


def size_text(image: ImageStatus) -> str:
    """``1280x960 uint16``"""
    return f"{image.width}x{image.height} {image.pixel_type or ''}".rstrip() if image.width and image.height else "-"


def rate_text(rate_hz: float | None) -> str:
    if rate_hz is None:
        return "-"
    return f"{rate_hz:.1f}" if rate_hz < 1000 else f"{rate_hz:.0f}"


def count_text(count: int | None) -> str:
    return "-" if count is None else str(count)


def value_text(value: Any, width: int = 40) -> str:
    """A value of a channel: numbers as they are, arrays by shape, type and range.

    :param width: longer texts are cut
    """
    if value is None:
        return "-"
    if isinstance(value, np.ndarray) and value.ndim:
        size = "x".join(str(n) for n in reversed(value.shape))
        return f"{size} {value.dtype.name} {range_text(value)}".rstrip()
    if isinstance(value, str):
        return value if len(value) <= width else f"{value[: width - 1]}…"
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}"
    return str(value)


def range_text(array: npt.NDArray[Any]) -> str:
    """Smallest and largest value."""
    if array.size == 0 or array.dtype.kind not in "biuf":
        return ""
    low, high = array.min(), array.max()
    return f"{low:.6g}..{high:.6g}" if array.dtype.kind == "f" else f"{low}..{high}"


def json_value(value: Any) -> Any:
    """A value of a channel for JSON, which knows no NaN; arrays by their shape (y, x), type and range."""
    if isinstance(value, np.ndarray) and value.ndim:
        about: dict[str, Any] = {"shape": list(value.shape), "type": value.dtype.name}
        if value.size and value.dtype.kind in "biuf":
            about |= {"min": json_value(value.min()), "max": json_value(value.max())}
        return about
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def picture(image: npt.NDArray[Any], columns: int, lines: int) -> Text:
    """An image as text, brightest where it is largest: two pixels, one above the other, in each character.

    :param image: shape (y, x), not empty
    :param columns: the picture is at most this wide, and
    :param lines: at most this high; it keeps its proportions
    """
    height, width = image.shape
    scale = max(width / columns, height / (2 * lines), 1.0)
    small = shrink(image, max(round(height / scale / 2), 1) * 2, max(round(width / scale), 1))
    low, high = float(small.min()), float(small.max())
    levels = ((small - low) * ((_LEVELS - 1) / (high - low)) if high > low else np.zeros_like(small)).astype(int)
    text = Text(no_wrap=True)
    for upper, lower in zip(levels[0::2], levels[1::2], strict=True):
        for (above, below), same in itertools.groupby(zip(upper.tolist(), lower.tolist(), strict=True)):
            text.append("▀" * len(list(same)), _style(above, below))
        text.append("\n")
    return text


def shrink(image: npt.NDArray[Any], height: int, width: int) -> npt.NDArray[np.float64]:
    """Mean of the pixels that fall together, shape (height, width); pixels are repeated where there are too few. NaN counts as 0."""
    rows = np.linspace(0, image.shape[0], height, endpoint=False).astype(int)
    columns = np.linspace(0, image.shape[1], width, endpoint=False).astype(int)
    pixels = np.nan_to_num(image, posinf=0, neginf=0) if image.dtype.kind == "f" else image
    sums = np.add.reduceat(np.add.reduceat(pixels, rows, axis=0, dtype=np.float64), columns, axis=1)
    counts = np.maximum(np.diff(rows, append=image.shape[0]), 1)[:, None] * np.maximum(np.diff(columns, append=image.shape[1]), 1)
    return np.asarray(sums / counts, np.float64)


@functools.cache
def _style(above: int, below: int) -> Style:
    return Style(color=_colour(above), bgcolor=_colour(below))


def _colour(level: int) -> str:
    position = level / (_LEVELS - 1) * (len(_ANCHORS) - 1)
    red, green, blue = (np.interp(position, range(len(_ANCHORS)), _ANCHORS[:, i]) for i in range(3))
    return f"#{round(red):02x}{round(green):02x}{round(blue):02x}"
