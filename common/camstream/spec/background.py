"""The Background: a request to collect one background, and the immutable record of it."""

from typing import Annotated

from pydantic import Field

from camstream.spec.base import IMMUTABLE, Spec
from camstream.spec.fields import Positive
from camstream.spec.output import Reference


class BackgroundSpec(Spec):
    """What to collect. Nothing of it can change afterwards."""

    camera: Annotated[Reference, IMMUTABLE]
    """The camera whose frames are averaged."""
    frames: Annotated[Positive, Field(le=100_000), IMMUTABLE] = 10
    """How many frames to average."""
    timeout_seconds: Annotated[int, Field(ge=1, le=86_400), IMMUTABLE] = 60
    """How long to wait for them."""
