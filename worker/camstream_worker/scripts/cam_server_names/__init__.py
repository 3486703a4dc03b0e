"""The names that scripts import from ``cam_server``; see docs/how-to/scripts.md. Written from a description of what they do."""

from typing import Any

CLIENTS = ("CamClient", "PipelineClient", "ProxyClient")


def __getattr__(name: str) -> Any:
    """The clients of cam_server, where its client package is installed."""
    if name not in CLIENTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    try:
        return getattr(importlib.import_module("cam_server_client"), name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{name} comes with the package psi-camserver-client; install it in the worker's image") from error
