"""How children are named and labelled, and where their streams are found."""

from typing import Final

from camstream.names import GATHER_PORT, GROUP, HTTP_PORT, KIND_LABEL, MANAGED_BY, NAME_LABEL, OPERATOR, STREAM_PORT
from camstream.spec.key import Key
from camstream.spec.objects import Camera, Pipeline

PREFIX: Final = {"Camera": "cam", "Pipeline": "cpl"}

HASH: Final = f"{GROUP}/hash"
"""Annotation with the short name of everything else in a manifest: a field that is no longer wanted shows here."""

IDENTITY: Final = f"{GROUP}/identity"
"""Annotation of a pod: the short name of what its worker cannot take over while it runs."""

CONFIG: Final = f"{GROUP}/config"
"""Annotation of a pod: touching it makes the kubelet renew the configuration file at once, instead of within a minute."""

CONFIG_FILE: Final = "config.json"
"""The worker's configuration, in the ConfigMap and in the pod."""

CONTAINER: Final = "worker"

SCRIPTS: Final = "/etc/camstream-script"
"""Where a pod finds the ConfigMap of its script."""


def child_name(key: Key) -> str:
    """Of all children of an object. Kinds do not share names, and there is room: an object's name has 40 characters at most."""
    return f"{PREFIX[key.kind]}-{key.name}"


def selector(key: Key) -> dict[str, str]:
    """By which a Service finds its pods. Never changed, and nothing of a user's."""
    return {KIND_LABEL: key.kind, NAME_LABEL: key.name}


def labels(key: Key) -> dict[str, str]:
    """Of every child and pod."""
    return {"app.kubernetes.io/name": "camstream-worker", MANAGED_BY: OPERATOR, **selector(key)}


def stream_port(thing: Camera | Pipeline) -> int:
    """Of the Service."""
    return thing.spec.output.port or STREAM_PORT


def stream_address(thing: Camera | Pipeline) -> str:
    """The stream, for readers inside the cluster; with ``output.connect`` they are the ones who listen."""
    key = Key.of(thing)
    return thing.spec.output.connect or f"tcp://{child_name(key)}.{key.namespace}.svc:{stream_port(thing)}"


def status_url(ip: str) -> str:
    """Where the worker of a pod tells about itself."""
    return f"http://{host(ip)}:{HTTP_PORT}/status"


def host(address: str) -> str:
    """An address or name as it stands before a port."""
    return f"[{address}]" if ":" in address else address


def gather_address(key: Key) -> str:
    """Where to send what a FanIn gathers."""
    return f"tcp://{child_name(key)}.{key.namespace}.svc:{GATHER_PORT}"
