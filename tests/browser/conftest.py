"""One Chromium for all tests of a module."""

from collections.abc import Iterator

import pytest
from browsers import Browser, running_browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as found:
        yield found
