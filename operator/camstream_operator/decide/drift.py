"""Whether a child is as it should be."""

from collections.abc import Mapping
from typing import Any, Final

from camstream_operator.build.quantity import same_quantity

NAMES: Final = ("uid", "mountPath", "name")
"""By which Kubernetes, or we, tell the items of some lists apart; the first that all items have."""


def difference(desired: Any, found: Any, path: str = "") -> str | None:
    """The first place where something is not as desired, or None. What is found beside it is none of our business.

    Lists of named things may hold more of them, which an apply would not take away; all other lists must agree item by item. What is
    empty need not be there: Kubernetes leaves out texts and flags of no value.
    """
    if found is None and not desired:
        return None
    if isinstance(desired, Mapping):
        if not isinstance(found, Mapping):
            return path
        places = (difference(value, found.get(key), f"{path}.{key}" if path else str(key)) for key, value in desired.items())
        return next((place for place in places if place is not None), None)
    if isinstance(desired, list):
        if not isinstance(found, list) or len(found) < len(desired):
            return path
        same = _named(desired, found)
        if same is None and len(found) > len(desired):
            return path
        places = (difference(value, (same or found)[i], f"{path}[{i}]") for i, value in enumerate(desired))
        return next((place for place in places if place is not None), None)
    return None if desired == found or same_quantity(desired, found) else path


def _named(desired: list[Any], found: list[Any]) -> list[Any] | None:
    """Those of ``found`` that have the names of ``desired``, or else its place; None where things are not told apart by a name."""
    name = next((name for name in NAMES if all(isinstance(item, Mapping) and name in item for item in desired)), None)
    if name is None or not desired:
        return None
    by_name = {item.get(name): item for item in found if isinstance(item, Mapping)}
    return [by_name.get(item[name], found[i]) for i, item in enumerate(desired)]


def owner_uid(child: Mapping[str, Any]) -> str | None:
    """Of the object that controls a child."""
    owner = _owner(child)
    return owner["uid"] if owner else None


def is_earlier(desired: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether a child belongs to an object of the same kind and name as the desired one, with another uid: it was deleted and made anew."""
    ours, theirs = _owner(desired), _owner(found)
    same = ours and theirs and all(ours.get(name) == theirs.get(name) for name in ("apiVersion", "kind", "name"))
    return bool(same) and owner_uid(desired) != owner_uid(found)


def _owner(child: Mapping[str, Any]) -> Mapping[str, Any] | None:
    owners = child["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)
