"""The Background: a request to collect one background, and the immutable record of it."""

from typing import Annotated, ClassVar

from pydantic import Field

from camstream.names import BACKGROUND_ID
from camstream.spec.base import IMMUTABLE, Rule, Spec, exactly_one
from camstream.spec.fields import Positive
from camstream.spec.output import Reference


class BackgroundSpec(Spec):
    """What to collect, or which file it is the record of. Nothing of it can change afterwards."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one(("camera", "stored")),)

    camera: Annotated[Reference | None, IMMUTABLE] = None
    """Collect one: the camera whose frames are averaged."""
    stored: Annotated[str | None, Field(pattern=f"^{BACKGROUND_ID}$", max_length=200), IMMUTABLE] = None
    """The record of one that is in the store already: its id. On a cluster the gateway makes these, for what clients collect and upload."""
    frames: Annotated[Positive, Field(le=100_000), IMMUTABLE] = 10
    """How many frames to average."""
    timeout_seconds: Annotated[int, Field(ge=1, le=86_400), IMMUTABLE] = 60
    """How long to wait for them."""
