"""cam_server's function of this name: every channel under a longer name. The sample `prefix` runs it."""

from typing import Any


def process(data: dict[str, Any], pulse_id: int, timestamp: tuple[int, int], parameters: dict[str, Any]) -> dict[str, Any]:
    """All channels as they came, each with ``parameters["prefix"]`` in front of its name.

    :raises TypeError: if there is no prefix
    """
    del pulse_id, timestamp
    prefix = parameters.get("prefix")
    if not isinstance(prefix, str):
        raise TypeError(f"prefix: expected a text, found {prefix!r}; write it in script.parameters")
    return {prefix + name: value for name, value in data.items()}
