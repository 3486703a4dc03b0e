"""One Chromium for many tests, and an event loop that lives as long."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

from chromium import Chromium, Tab, chromium, require_chromium

TEST_S = 90

Test = Callable[[Tab], Awaitable[Any]]


class Browser:
    """Runs a test in a fresh tab; what the page complained about fails it."""

    def __init__(self, runner: asyncio.Runner, found: Chromium) -> None:
        self._runner, self._chromium = runner, found

    def run(self, test: Test, width: int = 1300, height: int = 850, complaints: bool = False, timeout_s: float = TEST_S) -> Any:
        """:param complaints: whether the page may complain, because the test takes something away from it"""

        async def in_a_tab() -> Any:
            async with self._chromium.tab(width, height) as tab:
                result = await test(tab)
                assert complaints or not tab.complaints
                return result

        return self._runner.run(asyncio.wait_for(in_a_tab(), timeout_s))

    def run_two(self, test: Callable[[Tab, Tab], Awaitable[None]]) -> None:
        """The same with two tabs, each of which is seen."""

        async def in_tabs() -> None:
            async with self._chromium.tab() as one, self._chromium.tab() as two:
                await test(one, two)
                assert not one.complaints + two.complaints

        self._runner.run(asyncio.wait_for(in_tabs(), TEST_S))


@contextmanager
def running_browser() -> Iterator[Browser]:
    path = require_chromium()
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        found = runner.run(stack.enter_async_context(chromium(path)))
        try:
            yield Browser(runner, found)
        finally:
            runner.run(stack.aclose())
