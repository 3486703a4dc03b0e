"""What all specs share: strictness, names as in Kubernetes, and how a field may change."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import to_jsonable_python


class Change(StrEnum):
    """What happens when a field of a running object is edited. A field without a mark has that of the field around it."""

    LIVE = "live"
    """The worker takes it over at the next frame boundary."""

    ROLLOUT = "rollout"
    """The worker is replaced by one with the new value."""

    SERVICE = "service"
    """Only the Service in front of the worker changes; the stream goes on."""

    IMMUTABLE = "immutable"
    """Refused. Delete the object and create it anew."""


LIVE, ROLLOUT, SERVICE, IMMUTABLE = Change.LIVE, Change.ROLLOUT, Change.SERVICE, Change.IMMUTABLE

FIXED = (ROLLOUT, IMMUTABLE)
"""What a running worker cannot take over."""


@dataclass(frozen=True)
class Rule:
    """What must hold between fields: said once, kept here by Python and in the CRDs by the API server."""

    message: str
    """What to do, in plain words."""
    holds: Callable[[Any], bool]
    cel: str
    """The same in CEL, where ``self`` is the object."""
    found: Callable[[Any], str] | None = None
    """What there is instead, in words, each with a blank in front."""
    cel_found: str | None = None
    """The same in CEL."""

    def broken(self, value: BaseModel) -> str:
        return self.message if self.found is None else f"{self.message}; found{self.found(value)}"


def exactly_one(names: tuple[str, ...]) -> Rule:
    """The rule of a union by key: one of some members is set, and no more."""
    is_set = [f"has(self.{name})" for name in names]
    # Constant texts only: a list that is filtered and joined costs more than the API server allows.
    found = " + ".join(f"({test} ? ' {name}' : '')" for test, name in zip(is_set, names, strict=True))
    return Rule(
        message=f"set exactly one of {', '.join(names)}",
        holds=lambda value: len([name for name in set_members(value) if name in names]) == 1,
        cel=f"[{', '.join(is_set)}].exists_one(is_set, is_set)",
        found=lambda value: "".join(f" {name}" for name in set_members(value) if name in names) or " none",
        cel_found=f"({' || '.join(is_set)} ? {found} : ' none')",
    )


class Spec(BaseModel):
    """Base of every model: frozen, without unknown fields, ``camelCase`` outside and ``snake_case`` inside.

    An unknown field in a file is a mistake that somebody wants to hear of. What a cluster or a worker tells may come from a newer version,
    and is read with ``extra="ignore"``.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> Self:
        for rule in self.rules:
            if not rule.holds(self):
                raise ValueError(rule.broken(self))
        return self

    def to_dict(self) -> dict[str, Any]:
        """As it is written in a manifest: only what was set or differs from the default."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    def to_full_dict(self) -> dict[str, Any]:
        """With every default filled in."""
        return self.model_dump(mode="json", by_alias=True)


def short_hash(values: dict[str, Any]) -> str:
    """Short name of a content: what differs has another one."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def problems(error: ValidationError) -> list[str]:
    """What is wrong with a value, each with the path of its field."""
    return [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False)]


class ChangedField(BaseModel):
    """One difference between two specs."""

    path: str
    """Dotted, in ``camelCase``: ``processing.threshold``."""
    change: Change

    def __str__(self) -> str:
        return f"{self.path} ({self.change})"


def change_of(model: type[BaseModel], name: str, around: Change) -> Change:
    """How a field may change: its own mark, or that of the field around it."""
    marks = [m for m in model.model_fields[name].metadata if isinstance(m, Change)]
    return marks[0] if marks else around


def changes(old: Spec, new: Spec, around: Change = ROLLOUT, prefix: str = "") -> Iterator[ChangedField]:
    """Yield every field in which two specs of one type differ."""
    for name, info in type(old).model_fields.items():
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        change, path = change_of(type(old), name, around), f"{prefix}{info.alias or name}"
        if isinstance(before, Spec) and type(before) is type(after):
            yield from changes(before, after, change, path + ".")
        elif any(isinstance(part, Spec) and fixed_part(part, change) for part in (before, after)):
            # A part comes or goes with something in it that a running worker cannot take over.
            yield ChangedField(path=path, change=change if change in FIXED else ROLLOUT)
        else:
            yield ChangedField(path=path, change=change)


def fixed_part(spec: Spec, around: Change = ROLLOUT) -> dict[str, Any]:
    """What a running worker cannot take over of a spec, as in a manifest and without defaults."""
    fixed: dict[str, Any] = {}
    for name, info in type(spec).model_fields.items():
        value, change = getattr(spec, name), change_of(type(spec), name, around)
        if isinstance(value, Spec):
            inner = fixed_part(value, change)
            if inner or (info.default is None and change in FIXED):
                fixed[info.alias or name] = inner
        elif change in FIXED and value != info.get_default(call_default_factory=True):
            fixed[info.alias or name] = to_jsonable_python(value, by_alias=True)
    return fixed


def set_members(value: BaseModel) -> list[str]:
    """Names, as in a manifest, of the members of a union-by-key that are set."""
    fields = type(value).model_fields
    return [info.alias or name for name, info in fields.items() if getattr(value, name) is not None]
