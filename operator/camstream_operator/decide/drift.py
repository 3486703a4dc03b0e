"""Whether a child is as it should be."""

from collections.abc import Mapping
from typing import Any

from camstream_operator.build.quantity import same_quantity


def difference(desired: Any, found: Any, path: str = "") -> str | None:
    """The first place where something is not as desired, or None. What is found beside it is none of our business.

    Lists must agree item by item: those in our manifests are kept in their order. What is empty need not be there: Kubernetes leaves out
    texts and flags of no value.
    """
    if found is None and not desired:
        return None
    if isinstance(desired, Mapping):
        if not isinstance(found, Mapping):
            return path
        places = (difference(value, found.get(key), f"{path}.{key}" if path else str(key)) for key, value in desired.items())
        return next((place for place in places if place is not None), None)
    if isinstance(desired, list):
        if not isinstance(found, list) or len(found) != len(desired):
            return path
        places = (difference(value, found[i], f"{path}[{i}]") for i, value in enumerate(desired))
        return next((place for place in places if place is not None), None)
    return None if desired == found or same_quantity(desired, found) else path


def owner_uid(child: Mapping[str, Any]) -> str | None:
    """Of the object that controls a child."""
    owners = child["metadata"].get("ownerReferences") or []
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)
