"""What a pod and a Deployment tell about the worker."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from camstream.decide import FALSE, Finding
from camstream.spec.status import ExitStatus
from camstream_operator.build.names import CONTAINER, IDENTITY

Body = Mapping[str, Any]

CANNOT_PULL: Final = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
CANNOT_START: Final = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun")
NEVER_RAN: Final = ("StartError", "ContainerCannotRun")
"""Reasons of an end that came before the worker's first word."""
OUT_OF_MEMORY: Final = "OOMKilled"


def essence_of_pod(pod: Body) -> dict[str, Any]:
    """Only what is looked at: a whole pod has five times the size, and changes all the time."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    kept = ("name", "namespace", "uid", "labels", "annotations", "creationTimestamp", "deletionTimestamp")
    conditions = [c for c in status.get("conditions") or [] if c.get("type") == "PodScheduled" and c.get("status") == "False"]
    container, told = _worker((pod.get("spec") or {}).get("containers")), _worker(status.get("containerStatuses"))
    return {
        "metadata": {name: metadata[name] for name in kept if name in metadata},
        "spec": {
            "nodeName": (pod.get("spec") or {}).get("nodeName"),
            "memory": ((container.get("resources") or {}).get("limits") or {}).get("memory"),
            "image": container.get("image"),
        },
        "status": {
            "phase": status.get("phase"),
            "reason": status.get("reason"),
            "message": status.get("message"),
            "podIP": status.get("podIP"),
            "hostIP": status.get("hostIP"),
            "conditions": [{"type": c["type"], "status": c["status"], "message": c.get("message", "")} for c in conditions],
            "containerStatuses": [_essence_of_container(told)] if told else [],
        },
    }


def worker_pod(pods: list[dict[str, Any]], identity: str | None) -> tuple[dict[str, Any] | None, bool]:
    """The pod that tells how the object is: the newest with the wanted identity; without one, the newest of all.

    :returns: the pod, and whether it has the wanted identity
    """

    def rank(pod: Body) -> tuple[bool, bool, str, str]:
        metadata = pod["metadata"]
        wanted = (metadata.get("annotations") or {}).get(IDENTITY) == identity
        return "deletionTimestamp" not in metadata, wanted, metadata.get("creationTimestamp", ""), metadata["name"]

    best = max(pods, key=rank, default=None)
    return best, best is not None and rank(best)[1]


def runs(pod: Body) -> bool:
    """Whether there is a process in the pod."""
    return any("running" in container["state"] for container in pod["status"]["containerStatuses"])


def answers(pod: Body) -> str | None:
    """IP of a pod whose worker may answer."""
    return pod["status"]["podIP"] if runs(pod) and "deletionTimestamp" not in pod["metadata"] else None


def started(pod: Body) -> bool:
    """Whether the worker of a pod has answered the kubelet since its process began."""
    return any(container["started"] for container in pod["status"]["containerStatuses"])


def restarts(pod: Body) -> int:
    return sum(c["restartCount"] for c in pod["status"]["containerStatuses"])


def obstacle_of_pod(pod: Body) -> Finding | None:
    """What keeps the worker of a pod from starting. Without numbers that change: nobody wants a new status every second."""
    for condition in pod["status"]["conditions"]:
        return Finding(FALSE, "Unschedulable", f"no node can take the worker: {condition['message'] or 'the scheduler does not say why'}")
    if pod["status"]["phase"] == "Failed":
        reason = pod["status"]["reason"] or "Failed"
        return Finding(FALSE, reason, f"the pod was ended: {pod['status']['message'] or reason}; a new one is made")
    for container in pod["status"]["containerStatuses"]:
        waiting = container["state"].get("waiting") or {}
        reason = waiting.get("reason", "")
        if reason in CANNOT_PULL:
            return Finding(
                FALSE,
                "ImagePullBackOff",
                f"image {pod['spec']['image']!r} cannot be pulled on node {pod['spec']['nodeName']}; see that it exists, and correct it "
                f"in the worker class or add a pull secret there",
            )
        # Between two tries it waits for other reasons; how the last try ended stays.
        ended = next(_ends(container), {})
        told = ended if ended.get("reason") in NEVER_RAN else waiting
        if told.get("reason") in CANNOT_START and "running" not in container["state"]:
            return Finding(FALSE, told["reason"], f"the container cannot be started: {told.get('message') or told['reason']}")
    return None


def exit_of_pod(pod: Body) -> ExitStatus | None:
    """How the worker of a pod failed the last time, in its own words where it left some.

    An end without an error is none: it was asked to stop, and Kubernetes starts it again where it is wanted.
    """
    for container in pod["status"]["containerStatuses"]:
        ended = next(_ends(container), None)
        if ended is None or ended.get("exitCode") == 0:
            continue
        code, text = ended.get("exitCode"), (ended.get("message") or "").strip()
        if ended.get("reason") == OUT_OF_MEMORY:
            limit = pod["spec"]["memory"]
            return ExitStatus(
                reason=OUT_OF_MEMORY,
                exit_code=code,
                message=f"it needed more memory than its limit of {limit}; raise spec.worker.limits.memory, or make queues smaller",
            )
        try:
            return ExitStatus.model_validate(json.loads(text.splitlines()[-1]))
        except (ValueError, IndexError, ValidationError):
            last = text.splitlines()[-1] if text else "it left no word"
            return ExitStatus(reason="Crashed", exit_code=code, message=f"the worker ended with exit code {code}: {last}")
    return None


def obstacle_of_deployment(deployment: Body | None) -> Finding | None:
    """Why Kubernetes makes no pod."""
    for condition in ((deployment or {}).get("status") or {}).get("conditions") or []:
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return refusal(condition.get("message", ""), "pod")
    return None


def refusal(message: str, what: str) -> Finding:
    """A refusal of the API server in words that say what to do, and that stay the same while it lasts."""
    # The name of a pod is new with each try.
    told = re.sub(r'^\S+ "[^"]*" is (forbidden|invalid): ', "", message)
    if "exceeded quota" in told:
        quota = re.search(r"exceeded quota: ([^,]+)", told)
        name = quota[1] if quota else "unknown"
        return Finding(
            FALSE, "QuotaExceeded", f"the quota {name!r} of the namespace has no room for the {what}; raise it, or delete or stop something"
        )
    if "violates PodSecurity" in told:
        return Finding(FALSE, "Forbidden", f"the namespace does not allow the {what}: {told}; choose another worker class or namespace")
    return Finding(FALSE, "FailedCreate", f"the {what} cannot be made: {told}")


def _worker(containers: list[Body] | None) -> Body:
    """Of all containers that of the worker: others may have been added."""
    return next((container for container in containers or [] if container.get("name") == CONTAINER), {})


def _essence_of_container(told: Body) -> dict[str, Any]:
    return {
        "restartCount": told.get("restartCount", 0),
        "started": told.get("started") is True,
        "state": _state(told.get("state")),
        "lastState": _state(told.get("lastState")),
    }


def _ends(container: Body) -> Iterator[dict[str, Any]]:
    """How its last runs ended, newest first."""
    return (state["terminated"] for state in (container["state"], container["lastState"]) if "terminated" in state)


def _state(state: Body | None) -> dict[str, Any]:
    state = state or {}
    if "running" in state:
        return {"running": {}}
    kept = ("reason", "message", "exitCode")
    return {name: {key: inner[key] for key in kept if key in inner} for name, inner in state.items()}
