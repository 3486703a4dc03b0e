"""Every public string once: API group, labels, channel names on the wire, ids."""

import hashlib
import re
from datetime import datetime
from typing import Final

GROUP: Final = "camstream.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

# Channels of a camera stream, in the order in which cam_server sends them.
WIDTH: Final = "width"
HEIGHT: Final = "height"
TIMESTAMP: Final = "timestamp"
IMAGE: Final = "image"
X_AXIS: Final = "x_axis"
Y_AXIS: Final = "y_axis"

PROCESSING_PARAMETERS: Final = "processing_parameters"
CAMERA_CHANNELS: Final = (WIDTH, HEIGHT, TIMESTAMP, IMAGE, X_AXIS, Y_AXIS)

PICTURE_SUFFIX: Final = ":FPICTURE"
"""Image channel and PV of a camera named by its prefix."""

# On Kubernetes.
OPERATOR: Final = "camstream-operator"
"""Value of the label ``app.kubernetes.io/managed-by``, and who writes the fields of our children."""
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
KIND_LABEL: Final = f"{GROUP}/kind"
NAME_LABEL: Final = f"{GROUP}/name"
PAUSE: Final = f"{GROUP}/pause-reconciliation"
"""Annotation: while it is ``true``, the operator changes nothing for the object."""
WAKE: Final = f"{GROUP}/wake"
"""Annotation of an object that runs on demand: when it was last asked for, or ``no`` for until then."""
INSTANCE_OF: Final = f"{GROUP}/instance-of"
"""Annotation of a Pipeline that a client made of a saved one: external name of that one."""
READ_ONLY: Final = f"{GROUP}/read-only"
"""Annotation: while it is ``true``, clients of cam_server's interface share the object, and may not change it."""
UPLOADED: Final = f"{GROUP}/uploaded-script"
"""Annotation of a Pipeline whose script.source is the text of a script that clients have uploaded: its name."""
OTHER_KEYS: Final = f"{GROUP}/cam-server-keys"
"""Annotation: JSON of what a configuration of cam_server says that has no place in a spec."""
MERGE_PATCH: Final = "application/merge-patch+json"
"""Media type of an edit that names what changes."""
CONNECT_MS: Final = 2000
"""Longest try to connect to a stream. One that was lost on the way to an address that nobody served yet would be repeated the same way, and
lost, for minutes."""
STREAM_PORT: Final = 9999
GATHER_PORT: Final = 9998
"""Where a FanIn listens for those that send to it."""
HTTP_PORT: Final = 8080

DNS_LABEL: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
"""What Kubernetes takes as the name of a namespace."""
LONGEST_NAME: Final = 40
"""Characters of the name of an object: short enough that what is derived from it still fits in the name of a Service."""
BACKGROUND_ID: Final = r"[A-Za-z0-9_][A-Za-z0-9_.:+-]{0,199}"
"""Ids of backgrounds are file names everywhere, and stay in their folder."""
COLLECTED: Final = re.compile(r"_\d{8}_\d{6}_\d{6}")
"""What follows the external name of a camera in the id of a background that was collected from it."""
COLLECTED_FORMAT: Final = "_%Y%m%d_%H%M%S_%f"
"""The same, as a time is written so."""


def is_background_of(camera: str, background: str) -> bool:
    """Whether the id of a background says that it was collected from a camera.

    :param camera: external name
    """
    return background.startswith(camera) and collected_at(background[len(camera) :]) is not None


def collected_at(stamp: str) -> datetime | None:
    """When a background was collected, in the local time of who collected it; None: this is no time, such as the 99th of a month.

    :param stamp: what follows the name of the camera in its id
    """
    if COLLECTED.fullmatch(stamp) is None:
        return None
    try:
        return datetime.strptime(stamp, COLLECTED_FORMAT)
    except ValueError:
        return None


def name_of_object(external_name: str) -> str:
    """Name of the object for an external name: lower case, dashes for what Kubernetes does not allow.

    Two names that differ in nothing else become one. A name that is too long ends in a digest of the whole.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", external_name.lower()).strip("-")
    return slug if slug and len(slug) <= LONGEST_NAME else digest_name(external_name)


def digest_name(external_name: str) -> str:
    """Name of the object that ends in a digest of the whole: two external names never become one."""
    slug = re.sub(r"[^a-z0-9]+", "-", external_name.lower()).strip("-")[: LONGEST_NAME - 9].strip("-")
    return f"{slug}-{hashlib.sha256(external_name.encode()).hexdigest()[:8]}".lstrip("-")
