"""Pods as the API server shows them, and what the operator keeps of them."""

from typing import Any

from camstream_operator.build.names import IDENTITY
from camstream_operator.decide.pods import essence_of_pod

Body = dict[str, Any]

WANTED = "wanted"
"""Identity of the configuration that is wanted."""

STARTED = "2026-08-21T12:00:00Z"


def whole_pod(
    name: str = "cam-gun-7d9f-abcde",
    identity: str | None = WANTED,
    created: str = STARTED,
    state: Body | None = None,
    last: Body | None = None,
    restarts: int = 0,
    deleted: bool = False,
    conditions: list[Body] | None = None,
    **status: Any,
) -> Body:
    """
    :param state: of the container ``worker``; None: none is told yet
    :param last: its state before
    """
    told = {"name": "worker", "restartCount": restarts, "state": state, "lastState": last or {}, "ready": False, "imageID": "sha256:1"}
    metadata: Body = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-of-{name}",
        "creationTimestamp": created,
        "labels": {"camstream.dev/kind": "Camera", "camstream.dev/name": "gun"},
        "annotations": {IDENTITY: identity} if identity else {},
        "managedFields": [{"manager": "kubelet"}],
    }
    return {
        "metadata": metadata | ({"deletionTimestamp": "2026-08-21T12:30:00Z"} if deleted else {}),
        "spec": {
            "nodeName": "node-1",
            "containers": [
                {"name": "sidecar", "image": "sidecar:1", "resources": {"limits": {"memory": "64Mi"}}},
                {"name": "worker", "image": "camstream-worker:0.1.0", "resources": {"limits": {"memory": "1Gi"}}},
            ],
        },
        "status": {
            "phase": "Running",
            "podIP": "10.1.0.7",
            "hostIP": "192.168.0.7",
            "conditions": conditions or [],
            "containerStatuses": [{"name": "sidecar", "restartCount": 7, "state": {"running": {}}}, *([told] if state is not None else [])],
            **status,
        },
    }


def pod(*arguments: Any, **more: Any) -> Body:
    """The same, as the store keeps it."""
    return essence_of_pod(whole_pod(*arguments, **more))


RUNNING: Body = {"running": {"startedAt": STARTED}}


def waiting(reason: str, message: str = "") -> Body:
    return {"waiting": {"reason": reason, "message": message}}


def ended(reason: str = "Error", code: int = 1, message: str = "", **more: Any) -> Body:
    return {"terminated": {"reason": reason, "exitCode": code, "message": message, "containerID": "containerd://1", **more}}
