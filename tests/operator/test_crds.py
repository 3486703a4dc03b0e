"""The CRDs on a real API server: what it accepts, what it refuses and with which words, and what it fills in."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_server import Answer, ApiServer, binary, install_crds
from facility import imported
from pydantic import ValidationError
from ruamel.yaml import YAML

from camstream.spec import KINDS, parse_object

ROOT = Path(__file__).parents[2]
API = "/apis/camstream.dev/v1alpha1"

SIMULATION: dict[str, Any] = {"simulation": {}}
CAMERA: dict[str, Any] = {"source": SIMULATION}
PIPELINE: dict[str, Any] = {"input": {"camera": {"name": "demo"}}}
BACKGROUND: dict[str, Any] = {"camera": {"name": "demo"}}


def make(kind: str, spec: dict[str, Any], name: str = "demo", **more: Any) -> dict[str, Any]:
    return {"apiVersion": "camstream.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec, **more}


def path(kind: str) -> str:
    return f"{API}/namespaces/default/{KINDS[kind].plural}"


@pytest.fixture(scope="module")
def server(server: ApiServer) -> ApiServer:
    """With our kinds."""
    install_crds(server)
    return server


@pytest.fixture
def create(server: ApiServer) -> Iterator[Any]:
    """Create objects that are deleted at the end."""
    made = []

    def create(thing: dict[str, Any], query: str = "") -> Answer:
        answer = server.request("POST", path(thing["kind"]) + query, thing)
        if answer.status == 201:
            made.append(f"{path(thing['kind'])}/{thing['metadata']['name']}")
        return answer

    yield create
    for url in made:
        server.request("DELETE", url)


ACCEPTED: dict[str, tuple[str, dict[str, Any]]] = {
    "smallest camera": ("Camera", CAMERA),
    "smallest pipeline": ("Pipeline", PIPELINE),
    "smallest background": ("Background", BACKGROUND),
    "record of a background": ("Background", {"stored": "SARES20-CAMS142-M5_20261121_120000_000000"}),
    "epics by prefix": ("Camera", {"source": {"epics": {"prefix": "GUN-CAM-01"}}}),
    "epics by three PVs": ("Camera", {"source": {"epics": {"image": "A:I", "width": "A:W", "height": "A:H"}}}),
    "external name with upper case": ("Camera", {**CAMERA, "externalName": "SARES20-CAMS142-M5"}),
    "IPv6 address": ("Pipeline", {"input": {"address": "tcp://[::1]:9999"}}),
    "slices in a good region": ("Pipeline", {**PIPELINE, "processing": {"goodRegion": {}, "slices": {"count": 3}}}),
    "threads without averaging": ("Pipeline", {**PIPELINE, "threads": 8}),
    "averaging with one thread": ("Pipeline", {**PIPELINE, "processing": {"averaging": 3, "accumulate": {"frames": 2}}}),
    "background by id": ("Camera", {**CAMERA, "background": {"name": "cam_20261121_070000_000001"}}),
    "largest pulse id": ("Pipeline", {**PIPELINE, "selection": {"pulseIds": {"first": 1, "last": 2**63 - 1}}}),
    "fraction": ("Pipeline", {**PIPELINE, "processing": {"scale": 0.125, "rotation": {"angle": -3.5}}}),
}


@pytest.mark.parametrize(("kind", "spec"), ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(create: Any, kind: str, spec: dict[str, Any]) -> None:
    answer = create(make(kind, spec), "?fieldValidation=Strict")
    assert answer.status == 201, answer.message
    assert parse_object(make(kind, spec))


NO_RULE = ""
REFUSED: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "no source": ("Camera", {}, NO_RULE, "spec.source: Required value"),
    "no kind of source": ("Camera", {"source": {}}, "set exactly one of simulation, bsread, epics, hdf5; found none", "spec.source"),
    "two kinds of source": (
        "Camera",
        {"source": {"simulation": {}, "epics": {"prefix": "A"}}},
        "set exactly one of simulation, bsread, epics, hdf5; found simulation epics",
        "spec.source",
    ),
    "epics without PVs": ("Camera", {"source": {"epics": {}}}, "set prefix, or all of image, width and height", "spec.source.epics"),
    "epics with two PVs": (
        "Camera",
        {"source": {"epics": {"image": "A", "width": "B"}}},
        "set prefix, or all of image, width and height",
        "spec.source.epics",
    ),
    "no input": ("Pipeline", {"input": {}}, "set exactly one of camera, pipeline, address; found none", "spec.input"),
    "three inputs": (
        "Pipeline",
        {"input": {"camera": {"name": "a"}, "pipeline": {"name": "b"}, "address": "tcp://c:1"}},
        "set exactly one of camera, pipeline, address; found camera pipeline address",
        "spec.input",
    ),
    "slices without a good region": (
        "Pipeline",
        {**PIPELINE, "processing": {"slices": {}}},
        "slices are cut from the good region; set goodRegion too",
        "spec.processing",
    ),
    "threads with averaging": (
        "Pipeline",
        {**PIPELINE, "threads": 2, "processing": {"averaging": 3}},
        "averaging and accumulate depend on the order of frames; set threads to 1",
        "spec",
    ),
    "threads with accumulate": (
        "Pipeline",
        {**PIPELINE, "threads": 2, "processing": {"accumulate": {}}},
        "averaging and accumulate depend on the order of frames; set threads to 1",
        "spec",
    ),
    "pipeline without an input": (
        "Pipeline",
        {},
        "input is needed, unless type is Custom, Script or FanIn, which have none",
        "spec",
    ),
    "fan-in with an input": (
        "Pipeline",
        {**PIPELINE, "type": "FanIn"},
        "input is needed, unless type is Custom, Script or FanIn, which have none",
        "spec",
    ),
    "custom without a script": ("Pipeline", {"type": "Custom"}, "types Custom and Script need a script", "spec"),
    "script in a fan-out": (
        "Pipeline",
        {**PIPELINE, "type": "FanOut", "script": {"source": "pass"}, "output": {"mode": "Push"}},
        "a script runs in pipelines of the types Processing, Stream, Custom and Script only",
        "spec",
    ),
    "merge in a store": (
        "Pipeline",
        {**PIPELINE, "type": "Store", "merge": {"address": "tcp://a:1"}, "output": {"mode": "Push"}},
        "only pipelines of the types Processing and Stream merge a second stream",
        "spec",
    ),
    "fan-out to everybody": (
        "Pipeline",
        {**PIPELINE, "type": "FanOut"},
        "types Store and FanOut hand each message to one reader; set output.mode to Push",
        "spec",
    ),
    "replicas of one stream": (
        "Pipeline",
        {**PIPELINE, "replicas": 2},
        "replicas above 1 need input.mode Pull: several readers of a Pub stream would all send the same",
        "spec",
    ),
    "replicas without an input": (
        "Pipeline",
        {"type": "FanIn", "replicas": 2},
        "replicas above 1 need input.mode Pull: several readers of a Pub stream would all send the same",
        "spec",
    ),
    "merge of nothing": ("Pipeline", {**PIPELINE, "merge": {}}, "set exactly one of camera, pipeline, address; found none", "spec.merge"),
    "script in two places": (
        "Pipeline",
        {**PIPELINE, "script": {"source": "pass", "module": "a"}},
        "set exactly one of source, configMap, file, module; found source module",
        "spec.script",
    ),
    "output to two places": (
        "Pipeline",
        {**PIPELINE, "output": {"mode": "Push", "connect": "tcp://a:1", "pipeline": {"name": "b"}}},
        "set at most one of connect, pipeline and file",
        "spec.output",
    ),
    "output of everything to a pipeline": (
        "Pipeline",
        {**PIPELINE, "output": {"pipeline": {"name": "b"}}},
        "output.pipeline needs mode Push",
        "spec.output",
    ),
    "deleted while it always runs": (
        "Pipeline",
        {**PIPELINE, "lifecycle": {"deleteWhenIdle": True}},
        "deleteWhenIdle needs mode OnDemand",
        "spec.lifecycle",
    ),
    "node port without its type": (
        "Camera",
        {**CAMERA, "output": {"service": {"nodePort": 30000}}},
        "nodePort needs type NodePort",
        "spec.output.service",
    ),
    "file outside of its folder": (
        "Pipeline",
        {**PIPELINE, "output": {"file": {"path": "../beam"}}},
        NO_RULE,
        "spec.output.file.path in body should match",
    ),
    "background id with a slash": (
        "Camera",
        {**CAMERA, "background": {"name": "../other"}},
        "name must be a plain id, without a slash and without a dot in front",
        "spec.background",
    ),
    "background id with a backslash": (
        "Pipeline",
        {**PIPELINE, "processing": {"background": {"name": "a\\b"}}},
        "name must be a plain id, without a slash and without a dot in front",
        "spec.processing.background",
    ),
    "width of nothing": ("Camera", {"source": {"simulation": {"width": 0}}}, NO_RULE, "greater than or equal to 1"),
    "no frames per second": ("Camera", {"source": {"simulation": {"frameRate": 0}}}, NO_RULE, "should be greater than 0"),
    "noise above 1": ("Camera", {"source": {"simulation": {"noise": 1.5}}}, NO_RULE, "less than or equal to 1"),
    "level of 1": ("Pipeline", {**PIPELINE, "processing": {"widthLevel": 1}}, NO_RULE, "should be less than 1"),
    "text for a number": ("Camera", {"source": {"simulation": {"width": "100"}}}, NO_RULE, "must be of type integer"),
    "unknown word": ("Pipeline", {"input": {"camera": {"name": "a"}, "mode": "sub"}}, NO_RULE, 'supported values: "Sub", "Pull"'),
    "slash in an external name": ("Camera", {**CAMERA, "externalName": "a/b"}, NO_RULE, "spec.externalName in body should match"),
    "external name too long": ("Camera", {**CAMERA, "externalName": "a" * 129}, NO_RULE, "may not be more than 128"),
    "too many aliases": ("Camera", {**CAMERA, "aliases": [str(n) for n in range(33)]}, NO_RULE, "must have at most 32 items"),
    "address without a port": ("Pipeline", {"input": {"address": "tcp://host"}}, NO_RULE, "spec.input.address in body should match"),
    "negative pulse id": ("Pipeline", {**PIPELINE, "selection": {"pulseIds": {"first": -1}}}, NO_RULE, "greater than or equal to 0"),
    "background of nothing": ("Background", {}, "set exactly one of camera, stored; found none", "spec"),
    "background of a camera and of a file": (
        "Background",
        {**BACKGROUND, "stored": "GUN_20261121_120000_000000"},
        "set exactly one of camera, stored; found camera stored",
        "spec",
    ),
    "record of a path": ("Background", {"stored": "../x"}, NO_RULE, "should match"),
    "too many frames": ("Background", {**BACKGROUND, "frames": 100_001}, NO_RULE, "less than or equal to 100000"),
}


@pytest.mark.parametrize(("kind", "spec", "rule", "also"), REFUSED.values(), ids=REFUSED)
def test_refused_by_the_api_server_and_by_the_model(create: Any, kind: str, spec: dict[str, Any], rule: str, also: str) -> None:
    answer = create(make(kind, spec))
    assert answer.status == 422, answer
    assert rule in answer.message
    assert also in answer.message
    with pytest.raises(ValidationError) as raised:
        # As strict as an API server: a text is no number.
        KINDS[kind].model_validate_json(json.dumps(make(kind, spec)), strict=True)
    assert rule in str(raised.value)


NAMES = {
    "a" * 41: "metadata.name: at most 40 characters",
    "with.dot": "metadata.name: only lower-case letters, digits and, between them, dashes",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "words"), NAMES.items())
def test_name_from_which_no_service_name_can_be_made_is_refused(create: Any, kind: str, name: str, words: str) -> None:
    spec = {"Camera": CAMERA, "Pipeline": PIPELINE, "Background": BACKGROUND}[kind]
    assert words in create(make(kind, spec, name)).message
    assert create(make(kind, spec, "a" * 40)).status == 201


EDITS: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "live field": ("Camera", CAMERA, {**CAMERA, "geometry": {"mirror": {"leftRight": True}}}, ""),
    "other source": ("Camera", CAMERA, {"source": {"epics": {"prefix": "A"}}}, ""),
    "external name stays": ("Camera", {**CAMERA, "externalName": "A"}, {**CAMERA, "externalName": "A", "groups": ["g"]}, ""),
    "external name changed": (
        "Camera",
        {**CAMERA, "externalName": "A"},
        {**CAMERA, "externalName": "B"},
        "spec.externalName: Invalid value",
    ),
    "external name added": (
        "Pipeline",
        PIPELINE,
        {**PIPELINE, "externalName": "B"},
        "externalName: cannot be added, changed or removed later; delete the object and create it anew",
    ),
    "external name removed": (
        "Pipeline",
        {**PIPELINE, "externalName": "A"},
        PIPELINE,
        "externalName: cannot be added, changed or removed later; delete the object and create it anew",
    ),
    "background as it was": ("Background", BACKGROUND, {**BACKGROUND, "frames": 10}, ""),
    "frames of a background": (
        "Background",
        BACKGROUND,
        {**BACKGROUND, "frames": 11},
        "a background cannot change; delete it and create another one",
    ),
    "camera of a background": (
        "Background",
        BACKGROUND,
        {"camera": {"name": "other"}},
        "a background cannot change; delete it and create another one",
    ),
}


@pytest.mark.parametrize(("kind", "before", "after", "words"), EDITS.values(), ids=EDITS)
def test_edit(server: ApiServer, create: Any, kind: str, before: dict[str, Any], after: dict[str, Any], words: str) -> None:
    thing = create(make(kind, before)).body
    answer = server.request("PUT", f"{path(kind)}/demo", {**make(kind, after), "metadata": thing["metadata"]})
    assert answer.status == (422 if words else 200), answer.message
    assert words in answer.message


def _rules(schema: Any) -> Iterator[dict[str, str]]:
    """Every rule of a schema, as the API server will hear of it."""
    if isinstance(schema, dict):
        yield from schema.get("x-kubernetes-validations", [])
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _rules(inner)


def test_every_rule_is_tried() -> None:
    """Of the definitions themselves: what is said of the whole, of its fields, of its name and of its changes."""
    rules = [rule for file in (ROOT / "crds").glob("*.yaml") for rule in _rules(YAML(typ="safe").load(file))]
    assert len(rules) > 20
    tried = {"states": [row[2] for row in REFUSED.values()] + list(NAMES.values()), "changes": [row[3] for row in EDITS.values()]}
    missing = {
        rule["message"]
        for rule in rules
        # A row may name the first words only.
        if not any(words and (words.startswith(rule["message"]) or rule["message"].startswith(words)) for words in tried[_of(rule)])
    }
    assert missing == set()


def _of(rule: dict[str, str]) -> str:
    return "changes" if "oldSelf" in rule["rule"] else "states"


@pytest.mark.parametrize(
    ("kind", "spec"),
    [("Camera", CAMERA), ("Pipeline", PIPELINE), ("Background", BACKGROUND), ("Camera", {**CAMERA, "output": {"port": 1}})],
)
def test_api_server_fills_in_the_defaults_of_the_models(create: Any, kind: str, spec: dict[str, Any]) -> None:
    filled = create(make(kind, spec)).body["spec"]
    ours = parse_object(make(kind, spec)).spec
    assert filled == _without_nothing(ours.to_full_dict())
    assert type(ours).model_validate(filled) == ours


def _without_nothing(value: Any) -> Any:
    """Kubernetes leaves out what is not set."""
    if isinstance(value, dict):
        return {key: _without_nothing(inner) for key, inner in value.items() if inner is not None and inner != []}
    return value


def test_unknown_field_is_dropped_and_refused_where_a_client_asks_for_it(create: Any) -> None:
    thing = make("Camera", {"source": {"simulation": {"widht": 5}}})
    strict = create(thing, "?fieldValidation=Strict")
    assert 'unknown field "spec.source.simulation.widht"' in strict.message
    assert "widht" not in create(thing).body["spec"]["source"]["simulation"]


def test_null_is_a_field_that_is_not_set(create: Any) -> None:
    # As written by people who comment out a value; kubectl sends it as it is.
    answer = create(make("Pipeline", {**PIPELINE, "threads": None, "processing": None}))
    assert answer.status == 201, answer.message
    assert answer.body["spec"]["threads"] == 1


def test_status_is_a_subresource_that_does_not_count_as_a_generation(server: ApiServer, create: Any) -> None:
    created = create(make("Camera", CAMERA, status={"phase": "Running"})).body
    assert "status" not in created
    status = {"phase": "Running", "conditions": [_ready("True")]}
    answer = server.request("PUT", f"{path('Camera')}/demo/status", {**created, "status": status})
    assert answer.status == 200, answer.message
    assert answer.body["status"] == status
    assert answer.body["metadata"]["generation"] == 1


def test_replicas_are_set_by_the_scale_subresource(server: ApiServer, create: Any) -> None:
    made = create(make("Pipeline", {"input": {"address": "tcp://a:1", "mode": "Pull"}}))
    assert made.status == 201, made.message
    scale = server.request("GET", f"{path('Pipeline')}/demo/scale").body
    assert scale["spec"]["replicas"] == 1
    scale["spec"]["replicas"] = 3
    answer = server.request("PUT", f"{path('Pipeline')}/demo/scale", scale)
    assert answer.status == 200, answer.message
    assert server.request("GET", f"{path('Pipeline')}/demo").body["spec"]["replicas"] == 3


def test_conditions_are_merged_by_type(server: ApiServer, create: Any) -> None:
    create(make("Camera", CAMERA))
    for owner, condition in (("one", _ready("True")), ("two", {**_ready("True"), "type": "Active"})):
        body = {
            "apiVersion": "camstream.dev/v1alpha1",
            "kind": "Camera",
            "metadata": {"name": "demo"},
            "status": {"conditions": [condition]},
        }
        url = f"{path('Camera')}/demo/status?fieldManager={owner}&force=true"
        answer = server.request("PATCH", url, body, "application/apply-patch+yaml")
        assert answer.status == 200, answer.message
    assert [c["type"] for c in answer.body["status"]["conditions"]] == ["Ready", "Active"]


def test_condition_without_a_time_is_refused(server: ApiServer, create: Any) -> None:
    created = create(make("Camera", CAMERA)).body
    condition = {key: value for key, value in _ready("True").items() if key != "lastTransitionTime"}
    answer = server.request("PUT", f"{path('Camera')}/demo/status", {**created, "status": {"conditions": [condition]}})
    assert "status.conditions[0].lastTransitionTime: Required value" in answer.message


def test_objects_are_found_by_their_external_name_class_and_phase(server: ApiServer, create: Any) -> None:
    created = create(make("Camera", {**CAMERA, "externalName": "SARES20-CAMS142-M5"}, "first")).body
    assert _found(server, "Camera", "status.phase=") == ["first"]
    assert server.request("PUT", f"{path('Camera')}/first/status", {**created, "status": {"phase": "Failed"}}).status == 200
    assert (_found(server, "Camera", "status.phase="), _found(server, "Camera", "status.phase=Failed")) == ([], ["first"])
    create(make("Camera", {**CAMERA, "worker": {"className": "big"}}, "second"))
    assert _found(server, "Camera", "spec.externalName=SARES20-CAMS142-M5") == ["first"]
    assert _found(server, "Camera", "spec.worker.className=big") == ["second"]
    create(make("Background", {"camera": {"name": "first"}}, "dark"))
    assert _found(server, "Background", "spec.camera.name=first") == ["dark"]
    create(make("Pipeline", PIPELINE, "fit"))
    # The way people ask, for all kinds at once.
    for phase, names in (("Failed", ["camera/first"]), ("", ["camera/second", "pipeline/fit", "background/dark"])):
        found = _kubectl(server, "get", "cam,cpl,cbg", f"--field-selector=status.phase={phase}", "--output=name").split()
        assert [name.replace(".camstream.dev", "") for name in found] == names


def test_kubectl_shows_what_people_look_for(server: ApiServer, create: Any) -> None:
    created = create(make("Camera", {**CAMERA, "externalName": "EXT"})).body
    status = {
        "phase": "Running",
        "conditions": [_ready("True")],
        "input": "simulation",
        "image": {"width": 1280, "height": 960, "size": "1280x960"},
        "clients": 2,
        "stream": {"address": "tcp://cam-demo:9999"},
    }
    server.request("PUT", f"{path('Camera')}/demo/status", {**created, "status": status})
    create(make("Pipeline", PIPELINE))
    create(make("Background", BACKGROUND))
    head, row = _kubectl(server, "get", "cam").splitlines()
    assert head.split() == ["NAME", "PHASE", "READY", "SOURCE", "SIZE", "CLIENTS", "AGE"]
    assert row.split()[:6] == ["demo", "Running", "True", "simulation", "1280x960", "2"]
    wide = _kubectl(server, "get", "cam", "-o", "wide")
    assert "tcp://cam-demo:9999" in wide
    assert "EXT" in wide
    assert _kubectl(server, "get", "cpl").split()[:6] == ["NAME", "PHASE", "READY", "INPUT", "SIZE", "CLIENTS"]
    assert _kubectl(server, "get", "cbg").split()[:3] == ["NAME", "PHASE", "CAMERA"]
    assert sorted(_kubectl(server, "get", "camstream", "-o", "name").split()) == [
        "background.camstream.dev/demo",
        "camera.camstream.dev/demo",
        "pipeline.camstream.dev/demo",
    ]


def test_kubectl_explains_a_field_and_how_it_may_change(server: ApiServer) -> None:
    text = _kubectl(server, "explain", "cameras.spec.source.simulation.frameRate")
    assert "Frames per second [Hz]" in text
    assert "(live)" in text


def test_every_sample_is_accepted_by_the_api_server(server: ApiServer) -> None:
    for folder in ("configs/demo", "configs/samples"):
        _kubectl(server, "create", "--dry-run=server", "--validate=strict", "-R", "-f", str(ROOT / folder))


def test_imported_configurations_are_accepted_by_the_api_server(server: ApiServer, tmp_path: Path) -> None:
    _kubectl(server, "create", "--dry-run=server", "--validate=strict", "-R", "-f", str(imported(tmp_path)))


def _ready(status: str) -> dict[str, Any]:
    return {"type": "Ready", "status": status, "reason": "Running", "message": "", "lastTransitionTime": "2026-11-21T07:00:00Z"}


def _found(server: ApiServer, kind: str, selector: str) -> list[str]:
    answer = server.request("GET", f"{path(kind)}?fieldSelector={selector}")
    return [item["metadata"]["name"] for item in answer.body["items"]]


def _kubectl(server: ApiServer, *arguments: str) -> str:
    command = [binary("kubectl"), f"--kubeconfig={server.kubeconfig}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
