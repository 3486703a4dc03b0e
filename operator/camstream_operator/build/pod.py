"""The pod of one worker: restricted, without a token, with its configuration as a file.

Every word in here is part of what makes a pod roll: a change of this file replaces all workers at the next upgrade, which a test
points out.
"""

from typing import Any, Final

from camstream.errors import SpecError
from camstream.names import HTTP_PORT, STREAM_PORT
from camstream.resolve import wanted_config_map
from camstream.spec.fields import InputMode, OutputMode
from camstream.spec.key import Key
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.pipeline import PipelineType
from camstream.spec.worker import WorkerConfig
from camstream_operator.build.names import CONTAINER, IDENTITY, SCRIPTS, child_name
from camstream_operator.build.quantity import bytes_or_cores
from camstream_operator.settings import Settings, WorkerClass

USER: Final = 65532
TMP_SIZE: Final = "256Mi"
"""For compiled kernels and what libraries put there."""

DRAIN_S: Final = 3
"""[s] A worker that is to end streams on for so long. By then every node sends new connections elsewhere, or refuses them: a client that
connects again before that reaches a pod that is gone, and hears nothing for up to two minutes."""

GRACE_S: Final = DRAIN_S + 10
"""[s] A worker needs two to stop; the rest is for a busy node."""

Part = dict[str, Any]


def pod_template(thing: Camera | Pipeline, config: WorkerConfig, profile: WorkerClass, settings: Settings) -> Part:
    """Of the Deployment, without labels.

    :raises SpecError: if the object asks for more than it may use
    """
    spec: Part = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_S,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(thing, profile, settings)],
        "volumes": [
            {"name": "config", "configMap": {"name": child_name(Key.of(thing))}},
            {"name": "tmp", "emptyDir": {"sizeLimit": TMP_SIZE}},
            *_script_volume(thing),
            *profile.volumes,
        ],
    }
    optional: Part = {
        "imagePullSecrets": [{"name": name} for name in profile.image_pull_secrets],
        "nodeSelector": dict(profile.node_selector),
        "tolerations": list(profile.tolerations),
        "priorityClassName": profile.priority_class_name,
        "runtimeClassName": profile.runtime_class_name,
        "hostNetwork": profile.host_network,
        "dnsPolicy": "ClusterFirstWithHostNet" if profile.host_network else None,
    }
    spec |= {name: value for name, value in optional.items() if value}
    return {"metadata": {"annotations": {IDENTITY: config.identity()}}, "spec": spec}


def replace_first(thing: Camera | Pipeline, profile: WorkerClass) -> bool:
    """Whether the old worker must be gone before the new one comes: where two at once would share out frames or ports."""
    output = thing.spec.output
    if output.mode is OutputMode.PUSH or not output.is_listening or profile.host_network:
        return True
    if isinstance(thing, Pipeline):
        return thing.spec.reading.mode is InputMode.PULL or thing.spec.type in (PipelineType.FAN_IN, PipelineType.SCRIPT)
    source = thing.spec.source.bsread
    return source is not None and source.mode is InputMode.PULL


def _container(thing: Camera | Pipeline, profile: WorkerClass, settings: Settings) -> Part:
    probe = {"port": HTTP_PORT, "scheme": "HTTP"}
    return {
        "name": CONTAINER,
        "image": profile.image or settings.worker_image,
        "imagePullPolicy": settings.worker_image_pull_policy,
        "args": ["/etc/camstream/config.json", "--termination-file", "/dev/termination-log", "--stay-when-completed"],
        **({"env": [entry.to_dict() for entry in profile.env]} if profile.env else {}),
        # Never a probe on the stream: it would look like a client.
        "ports": [
            {"name": "stream", "containerPort": STREAM_PORT, "protocol": "TCP"},
            {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
        ],
        "startupProbe": {
            "httpGet": {"path": "/healthz", **probe},
            "initialDelaySeconds": 1,
            "periodSeconds": 1,
            "failureThreshold": 120,
            "timeoutSeconds": 5,
        },
        "readinessProbe": {"httpGet": {"path": "/readyz", **probe}, "periodSeconds": 2, "timeoutSeconds": 5},
        "livenessProbe": {"httpGet": {"path": "/healthz", **probe}, "periodSeconds": 10, "failureThreshold": 4, "timeoutSeconds": 5},
        "lifecycle": {"preStop": {"sleep": {"seconds": DRAIN_S}}},
        "resources": _resources(thing, profile),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            # A folder and not a single file: only a folder follows the ConfigMap.
            {"name": "config", "mountPath": "/etc/camstream", "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
            *([{"name": "script", "mountPath": SCRIPTS, "readOnly": True}] if _script_volume(thing) else []),
            *profile.volume_mounts,
        ],
    }


def _resources(thing: Camera | Pipeline, profile: WorkerClass) -> Part:
    """Those of the class, each replaced by what the object says. Nothing asks for more than it may use.

    :raises SpecError: if the object asks for more than that
    """
    asked = thing.spec.worker
    limits = profile.resources.limits.to_dict() | asked.limits.to_dict()
    requests = profile.resources.requests.to_dict() | asked.requests.to_dict()
    for name in sorted(requests.keys() & limits.keys()):
        if bytes_or_cores(requests[name]) <= bytes_or_cores(limits[name]):
            continue
        if name in asked.requests.to_dict():
            raise SpecError(
                f"spec.worker.requests.{name} {requests[name]} is more than the limit of {limits[name]}; "
                f"set spec.worker.limits.{name} to as much, or request less"
            )
        requests[name] = limits[name]
    return {name: part for name, part in (("limits", limits), ("requests", requests)) if part}


def _script_volume(thing: Camera | Pipeline) -> list[Part]:
    script = wanted_config_map(thing)
    # Without it the worker starts all the same, and says what is missing, where a pod would wait in silence.
    return [{"name": "script", "configMap": {"name": script.name, "optional": True}}] if script else []
