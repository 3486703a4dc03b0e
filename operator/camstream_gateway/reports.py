"""What workers tell about themselves."""

from typing import Final

import aiohttp
from pydantic import ValidationError

from camstream.spec.report import WorkerReport

REPORT_S: Final = 1.0
"""How long a worker may take to tell how it is. One that takes longer is told about without its numbers."""


async def report_of(http: aiohttp.ClientSession, address: str, timeout_s: float) -> WorkerReport | None:
    """The report of the worker at an address; None where it does not give one in time."""
    try:
        async with http.get(f"{address}/status", timeout=aiohttp.ClientTimeout(total=timeout_s)) as answer:
            return WorkerReport.model_validate_json(await answer.read(), extra="ignore")
    except (aiohttp.ClientError, TimeoutError, OSError, ValidationError):
        return None
