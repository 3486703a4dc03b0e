"""A command as somebody runs it in a terminal, with Ctrl-C."""

import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Iterator, Mapping

FOREGROUND = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGINT, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Run a command in the foreground of the terminal that is its standard input, so that Ctrl-C reaches it, and counts: what a shell starts
in the background ignores it, and so would what tests start that run there."""


class Terminal:
    """What a command shows, and a key to press."""

    def __init__(self, end: int, process: "subprocess.Popen[bytes]") -> None:
        self._end = end
        self._process = process

    def read_until(self, *texts: str) -> str:
        """Everything up to the moment when all of these texts have been shown."""
        shown = b""
        while missing := [text for text in texts if text.encode() not in shown]:
            try:
                shown += os.read(self._end, 65536)
            except OSError as error:
                raise AssertionError(f"ended without {missing}:\n{_text(shown)}") from error
        return _text(shown)

    def interrupt(self) -> tuple[int, str]:
        """Press Ctrl-C. Returns the exit code and what was shown until the end."""
        os.write(self._end, b"\x03")
        shown = b""
        with contextlib.suppress(OSError):  # this is how a terminal says that nobody writes to it any more
            while part := os.read(self._end, 65536):
                shown += part
        return self._process.wait(15), _text(shown)


@contextlib.contextmanager
def on_a_terminal(environment: Mapping[str, str], *command: str) -> Iterator[Terminal]:
    """Run a command in a terminal of 100 columns and 40 lines."""
    end, inside = pty.openpty()
    settings = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"} | dict(environment)
    process = subprocess.Popen(
        [sys.executable, "-c", FOREGROUND, *command], stdin=inside, stdout=inside, stderr=inside, env=settings, start_new_session=True
    )
    os.close(inside)
    try:
        yield Terminal(end, process)
    finally:
        os.close(end)
        process.terminate()
        process.wait(15)


def _text(shown: bytes) -> str:
    """What was read may end within a character."""
    return shown.decode(errors="replace")
