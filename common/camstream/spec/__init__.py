"""Specs and statuses: the one truth from which the CRDs, the schemas and the reference pages are made."""

from camstream.spec.background import BackgroundSpec
from camstream.spec.base import Change, ChangedField, Spec, changes
from camstream.spec.camera import CameraSpec
from camstream.spec.objects import KINDS, Background, Camera, Pipeline, parse_object
from camstream.spec.pipeline import PipelineSpec
from camstream.spec.processing import Processing
from camstream.spec.worker import StoredBackground, WorkerConfig, camera_of, upstream

__all__ = [
    "KINDS",
    "Background",
    "BackgroundSpec",
    "Camera",
    "CameraSpec",
    "Change",
    "ChangedField",
    "Pipeline",
    "PipelineSpec",
    "Processing",
    "Spec",
    "StoredBackground",
    "WorkerConfig",
    "camera_of",
    "changes",
    "parse_object",
    "upstream",
]
