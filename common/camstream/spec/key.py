"""How one object is told from all others."""

from typing import NamedTuple

from camstream.spec.objects import Background, Camera, Pipeline


class Key(NamedTuple):
    """Kind, namespace and name. Two objects may share a name, but not all three."""

    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, thing: Camera | Pipeline | Background) -> "Key":
        return cls(thing.kind, thing.metadata.namespace, thing.name)

    def __str__(self) -> str:
        """As a person writes it: ``camera/demo-camera``."""
        where = "" if self.namespace == "default" else f"{self.namespace}/"
        return f"{where}{self.kind.lower()}/{self.name}"

    @property
    def folder(self) -> str:
        """Name of a folder for this object only: a dot is in none of the parts."""
        return f"{self.namespace}.{self.kind.lower()}.{self.name}"
