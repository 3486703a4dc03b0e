"""cam_server's JSON configurations as our specs.

A missing key counts as in cam_server where it is about the data, and as ours where it is about the life of the worker.
What cam_server does wins over what its manual says. ``keys`` has the whole truth, one row per key.
"""

from camstream.spec.legacy.back import camera_config, left_over, pipeline_config, updated
from camstream.spec.legacy.convert import (
    Converted,
    Loss,
    camera_from_cam_server,
    camera_geometry_from_cam_server,
    pipeline_from_cam_server,
    processing_from_cam_server,
)
from camstream.spec.legacy.keys import CAMERA_KEYS, PIPELINE_KEYS, Fate, Key
from camstream.spec.legacy.values import object_name

__all__ = [
    "CAMERA_KEYS",
    "PIPELINE_KEYS",
    "Converted",
    "Fate",
    "Key",
    "Loss",
    "camera_config",
    "camera_from_cam_server",
    "camera_geometry_from_cam_server",
    "left_over",
    "object_name",
    "pipeline_config",
    "pipeline_from_cam_server",
    "processing_from_cam_server",
    "updated",
]
