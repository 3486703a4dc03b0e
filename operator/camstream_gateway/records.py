"""The gateway's own log, kept for those who ask."""

import logging
from collections import deque
from datetime import datetime
from typing import Final, NamedTuple

MOST: Final = 500


class Record(NamedTuple):
    """One line of a log, as cam_server tells it."""

    time: str
    logger: str
    level: str
    text: str


class Records(logging.Handler):
    """Keeps the newest records."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._kept: deque[Record] = deque(maxlen=MOST)

    def emit(self, record: logging.LogRecord) -> None:
        time = datetime.fromtimestamp(record.created).strftime("%Y-%m-%d %H:%M:%S,%f")[:-3]
        self._kept.append(Record(time, record.name, record.levelname, record.getMessage()))

    def newest(self) -> list[Record]:
        """Oldest first."""
        return list(self._kept)


def from_line(line: str) -> Record:
    """A line of a worker's log: date, time, level, ``logger: text``. Any other line is a text."""
    parts = line.split(" ", 3)
    if len(parts) == 4 and parts[2] in logging.getLevelNamesMapping() and ": " in parts[3]:
        logger, _, text = parts[3].partition(": ")
        return Record(f"{parts[0]} {parts[1]}", logger, parts[2], text)
    return Record("", "", "", line)


def as_text(records: list[Record]) -> str:
    return "\n".join(" ".join(part for part in record if part) for record in records)
