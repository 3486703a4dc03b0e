"""The children of one object: a ConfigMap, a Service and a Deployment.

Each manifest holds exactly the fields that are ours, so that what others set (a replica count by an autoscaler apart) is left alone.
"""

import json
from typing import Any

from camstream.names import API_VERSION, GATHER_PORT, HTTP_PORT, STREAM_PORT
from camstream.resolve import Place, wanted_config_map
from camstream.spec.base import short_hash
from camstream.spec.key import Key
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.output import ServiceType
from camstream.spec.pipeline import PipelineType
from camstream.spec.worker import WorkerConfig
from camstream_operator.build.names import CONFIG_FILE, HASH, SCRIPTS, child_name, labels, selector, stream_port
from camstream_operator.build.pod import pod_template, replace_first
from camstream_operator.settings import Settings

Manifest = dict[str, Any]


def place_of(thing: Camera | Pipeline, settings: Settings) -> Place:
    """Where a worker listens in its pod, and finds and leaves files.

    :raises ClassNotAllowed: if the object asks for a worker class that it cannot have
    """
    script = wanted_config_map(thing)
    return Place(
        f"tcp://*:{STREAM_PORT}",
        "0.0.0.0",  # noqa: S104 - a pod has an address of its own
        HTTP_PORT,
        gather_address=f"tcp://*:{GATHER_PORT}",
        script_path=f"{SCRIPTS}/{script.key}" if script else None,
        files_folder=settings.worker_class(thing.spec.worker.class_name, thing.metadata.namespace).files_folder,
    )


def build_children(thing: Camera | Pipeline, config: WorkerConfig, settings: Settings, running: bool) -> list[Manifest]:
    """In the order in which they should come to be: a pod that finds its configuration starts at once.

    :param running: whether there shall be a worker now
    :raises ClassNotAllowed: if the object asks for a worker class that it cannot have
    :raises SpecError: if it asks for more memory or cores than it may use
    """
    deployment = _deployment(thing, config, settings, running)
    return [_finished(manifest) for manifest in (_config_map(thing, config), _service(thing), deployment)]


def _child(thing: Camera | Pipeline, api_version: str, kind: str) -> Manifest:
    key = Key.of(thing)
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": child_name(key),
            "namespace": key.namespace,
            "labels": labels(key),
            "annotations": {},
            # Not blockOwnerDeletion: it would need the right to set finalizers, and nothing here must hold up a deletion.
            "ownerReferences": [
                {"apiVersion": API_VERSION, "kind": thing.kind, "name": thing.name, "uid": thing.metadata.uid, "controller": True}
            ],
        },
    }


def _finished(manifest: Manifest) -> Manifest:
    manifest["metadata"]["annotations"][HASH] = short_hash(manifest)
    return manifest


def _config_map(thing: Camera | Pipeline, config: WorkerConfig) -> Manifest:
    # Defaults are left out: a worker of an older version then understands everything that does not use newer fields.
    return _child(thing, "v1", "ConfigMap") | {"data": {CONFIG_FILE: json.dumps(config.to_dict(), sort_keys=True)}}


def _service(thing: Camera | Pipeline) -> Manifest:
    output = thing.spec.output
    gathers = isinstance(thing, Pipeline) and thing.spec.type is PipelineType.FAN_IN
    ports: list[Manifest] = [{"name": "http", "port": HTTP_PORT, "targetPort": HTTP_PORT, "protocol": "TCP"}]
    if gathers:
        ports.insert(0, {"name": "gather", "port": GATHER_PORT, "targetPort": GATHER_PORT, "protocol": "TCP"})
    if output.is_listening:
        stream: Manifest = {"name": "stream", "port": stream_port(thing), "targetPort": STREAM_PORT, "protocol": "TCP"}
        if output.service.node_port:
            stream["nodePort"] = output.service.node_port
        ports.insert(0, stream)
    exposed = output.is_listening and output.service.type is not ServiceType.CLUSTER_IP
    if exposed:
        # Health and status stay inside: a Service of these types would open every port.
        ports = [port for port in ports if port["name"] != "http"]
    service_type = output.service.type if exposed else ServiceType.CLUSTER_IP
    spec = {"type": service_type.value, "selector": selector(Key.of(thing)), "ports": ports}
    return _child(thing, "v1", "Service") | {"spec": spec}


def _deployment(thing: Camera | Pipeline, config: WorkerConfig, settings: Settings, running: bool) -> Manifest:
    key = Key.of(thing)
    profile = settings.worker_class(thing.spec.worker.class_name, key.namespace)
    template = pod_template(thing, config, profile, settings)
    template["metadata"]["labels"] = labels(key)
    spec: Manifest = {
        "replicas": _replicas(thing) if running else 0,
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": selector(key)},
        "strategy": {"type": "Recreate"}
        if replace_first(thing, profile)
        else {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": template,
    }
    return _child(thing, "apps/v1", "Deployment") | {"spec": spec}


def _replicas(thing: Camera | Pipeline) -> int:
    return thing.spec.replicas if isinstance(thing, Pipeline) else 1
