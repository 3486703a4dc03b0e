"""Small objects to test with."""

from typing import Any

from camstream.spec import Background, Camera, Pipeline


def make_camera(name: str = "gun", generation: int | None = None, **spec: Any) -> Camera:
    """A simulated camera; ``spec`` in camelCase."""
    return Camera.model_validate({"metadata": {"name": name, "generation": generation}, "spec": {"source": {"simulation": {}}} | spec})


def make_pipeline(name: str = "fit", **spec: Any) -> Pipeline:
    """A pipeline of the camera ``gun``; ``spec`` in camelCase."""
    return Pipeline.model_validate({"metadata": {"name": name}, "spec": {"input": {"camera": {"name": "gun"}}} | spec})


def make_background(name: str = "dark", uid: str | None = None, **spec: Any) -> Background:
    """One of the camera ``gun``; ``spec`` in camelCase."""
    return Background.model_validate({"metadata": {"name": name, "uid": uid}, "spec": {"camera": {"name": "gun"}} | spec})
