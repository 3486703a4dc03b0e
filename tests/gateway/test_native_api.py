"""The gateway's own API by hand, against a real `camstream run`: every operation, versions, errors, limits, other sites."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from background_scenarios import PATH as BACKGROUNDS
from background_scenarios import background, fail_with_their_reasons, make_read_and_delete
from cam_server_client import PipelineClient
from local_runs import LocalRun, local_run, small_camera, small_pipeline, write
from native_api import NativeApi, Reply
from open_api import matches
from waiting import wait_for

from camstream.names import READ_ONLY, WAKE

CAMERAS = "/api/v1/cameras"
PIPELINES = "/api/v1/pipelines"
TOKEN = "a-token-of-some-length"
ON_DEMAND = {"mode": "OnDemand", "idleTimeoutSeconds": 3600}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    folder = tmp_path_factory.mktemp("native")
    objects = write(folder / "objects.yaml", small_camera(), small_pipeline(), small_camera("idle", lifecycle=ON_DEMAND))
    with local_run(folder, "--backgrounds", str(folder / "backgrounds"), str(objects), page=True, rest=True) as found:
        found.wait_for_phase("pipe", "Running")
        yield found


@pytest.fixture(scope="module")
def api(run: LocalRun) -> NativeApi:
    return NativeApi(run.page())


@pytest.fixture(scope="module")
def document(api: NativeApi) -> dict[str, Any]:
    found: dict[str, Any] = api.ask("GET", "/api/openapi.json").body
    return found


@pytest.fixture
def made(api: NativeApi, request: pytest.FixtureRequest) -> Iterator[str]:
    """Path of a stopped camera for one test."""
    name = f"made-{abs(hash(request.node.name)) % 10**9}"
    assert api.ask("POST", CAMERAS, small_camera(name, lifecycle={"mode": "Stopped"})).status == 201
    path = f"{CAMERAS}/default/{name}"
    yield path
    api.ask("DELETE", path)


def test_every_operation_of_the_document_does_what_it_says(run: LocalRun, api: NativeApi, document: dict[str, Any]) -> None:
    """Each is asked once, in an order that makes sense, and its answer has the form that the document tells."""
    wanted = {(method, path) for path, methods in document["paths"].items() for method in methods}
    done: set[tuple[str, str]] = set()

    def ask(method: str, path: str, status: int, body: Any = None, name: str = "") -> Reply:
        done.add((method.lower(), path))
        reply = api.ask(method, path.replace("{namespace}", "default").replace("{name}", name), body)
        assert reply.status == status, reply
        told = document["paths"][path][method.lower()]["responses"][str(status)]
        if "content" in told:
            matches(reply.body, told["content"]["application/json"]["schema"], document)
        else:
            assert reply.body is None
        if "headers" in told:
            assert reply.tag
        return reply

    ask("GET", "/api/openapi.json", 200)
    pipeline = small_pipeline("one", lifecycle=ON_DEMAND)
    pipeline["metadata"]["annotations"] = {READ_ONLY: "false"}
    for every, thing in ((CAMERAS, small_camera("one", lifecycle=ON_DEMAND)), (PIPELINES, pipeline)):
        one = every + "/{namespace}/{name}"
        assert ask("POST", every, 201, thing).headers["Location"] == f"{every}/default/one"
        assert "one" in [item["metadata"]["name"] for item in ask("GET", every, 200).body["items"]]
        found = ask("GET", one, 200, name="one").body
        assert (found["apiVersion"], found["kind"]) == ("camstream.dev/v1alpha1", thing["kind"])
        assert found["spec"] == thing["spec"]
        replaced = ask("PUT", one, 200, found | {"spec": thing["spec"] | {"groups": ["b"]}}, "one")
        assert replaced.body["spec"]["groups"] == ["b"]
        patched = ask("PATCH", one, 200, {"spec": {"groups": None}, "metadata": {"labels": {"team": "laser"}}}, "one").body
        assert "groups" not in patched["spec"]
        assert patched["metadata"]["labels"] == {"team": "laser"}
        assert WAKE in ask("POST", one + "/wake", 202, {}, "one").body["metadata"]["annotations"]
        run.wait_for_phase("one", "Running")
        ask("DELETE", one, 204, name="one")
        run.wait_until_gone("one")
        assert api.ask("GET", one.replace("{namespace}/{name}", "default/one")).code == "NotFound"
    assert ask("POST", BACKGROUNDS, 201, background("one", stored="nothing")).headers["Location"] == f"{BACKGROUNDS}/default/one"
    assert "one" in [item["metadata"]["name"] for item in ask("GET", BACKGROUNDS, 200).body["items"]]
    assert ask("GET", BACKGROUNDS + "/{namespace}/{name}", 200, name="one").body["spec"] == {"stored": "nothing"}
    ask("DELETE", BACKGROUNDS + "/{namespace}/{name}", 204, name="one")
    backgrounds = CAMERAS + "/{namespace}/{name}/backgrounds"
    ids = [ask("POST", backgrounds, 201, {"frames": 3, "timeoutSeconds": 60}, "cam").body["name"] for _ in range(2)]
    assert ask("GET", backgrounds, 200, name="cam").body["items"] == ids
    assert done == wanted


def test_background_is_made_read_and_deleted(run: LocalRun, api: NativeApi) -> None:
    make_read_and_delete(api, "default", "cam", "cam")
    run.wait_until_gone("by-http")


def test_background_that_cannot_be_collected_says_why(api: NativeApi) -> None:
    fail_with_their_reasons(api, "default", "cam")


def test_edit_reaches_the_worker(run: LocalRun, api: NativeApi) -> None:
    assert api.ask("PATCH", f"{CAMERAS}/default/cam", {"spec": {"source": {"simulation": {"width": 96}}}}).status == 200
    view = run.wait("cam", "is wider", lambda view: view.image.width == 96)
    assert view.image.height == 48
    found = wait_for(
        "status tells it", lambda: (f := api.ask("GET", f"{CAMERAS}/default/cam").body)["status"]["image"]["width"] == 96 and f
    )
    assert found["spec"]["source"]["simulation"] == {"width": 96, "height": 48, "frameRate": 20.0}


def test_lists_are_narrowed_down_to_a_namespace(api: NativeApi) -> None:
    other = small_camera("far", lifecycle={"mode": "Stopped"})
    other["metadata"]["namespace"] = "other"
    assert api.ask("POST", CAMERAS, other).status == 201
    for query, names in (("?namespace=other", ["far"]), ("?namespace=nobody", []), ("?namespace=default", ["cam", "idle"])):
        found = [item["metadata"]["name"] for item in api.ask("GET", CAMERAS + query).body["items"]]
        assert [name for name in found if not name.startswith("made")] == names
    assert api.ask("DELETE", f"{CAMERAS}/other/far").status == 204


def test_version_changes_with_every_edit_and_not_with_the_status(run: LocalRun, api: NativeApi) -> None:
    path = f"{CAMERAS}/default/idle"
    first = api.ask("GET", path).tag
    for change in ({"spec": {"groups": ["a"]}}, {"metadata": {"annotations": {"a": "b"}}}, {"metadata": {"labels": {"a": "b"}}}):
        before = api.ask("GET", path).tag
        assert api.ask("PATCH", path, change).tag != before
        # The same once more changes nothing.
        assert api.ask("PATCH", path, change).tag == api.ask("GET", path).tag
    back = {"spec": {"groups": None}, "metadata": {"annotations": None, "labels": None}}
    assert api.ask("PATCH", path, back).tag == first
    awake = api.ask("POST", f"{path}/wake", {}).tag
    run.wait_for_phase("idle", "Running")
    wait_for("status tells it", lambda: api.ask("GET", path).body["status"]["phase"] == "Running")
    assert api.ask("GET", path).tag == awake


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_edit_of_an_old_version_is_refused_and_changes_nothing(api: NativeApi, made: str, method: str) -> None:
    old = api.ask("GET", made)
    mine = old.body | {"spec": old.body["spec"] | {"groups": ["mine"]}} if method == "PUT" else {"spec": {"groups": ["mine"]}}
    theirs = api.ask("PATCH", made, {"spec": {"groups": ["theirs"]}}, If_Match=old.tag)
    assert theirs.status == 200
    for tag in (old.tag, f"W/{theirs.tag}", theirs.tag.strip('"')):
        refused = api.ask(method, made, mine, If_Match=tag)
        assert (refused.status, refused.code) == (412, "PreconditionFailed")
        assert theirs.tag in refused.message
    assert api.ask("GET", made).body["spec"]["groups"] == ["theirs"]
    for tag in (f'"0", {theirs.tag}', "*"):
        assert api.ask(method, made, mine, If_Match=tag).status == 200
    assert api.ask("GET", made).body["spec"]["groups"] == ["mine"]


def test_edits_of_many_at_once_are_all_kept(api: NativeApi, made: str) -> None:
    names = [f"n{number}" for number in range(4)]
    with ThreadPoolExecutor(len(names)) as pool:
        replies = list(pool.map(lambda name: api.ask("PATCH", made, {"metadata": {"annotations": {name: name}}}), names))
    assert [reply.status for reply in replies] == [200] * len(names)
    assert api.ask("GET", made).body["metadata"]["annotations"].keys() == set(names)


def test_replacement_keeps_labels_and_annotations_that_it_does_not_give(api: NativeApi, made: str) -> None:
    api.ask("PATCH", made, {"metadata": {"labels": {"a": "1"}, "annotations": {"b": "2"}}})
    spec = api.ask("GET", made).body["spec"]
    metadata = api.ask("PUT", made, {"spec": spec | {"groups": ["x"]}}).body["metadata"]
    assert (metadata["labels"], metadata["annotations"]) == ({"a": "1"}, {"b": "2"})
    metadata = api.ask("PUT", made, {"spec": spec, "metadata": {"labels": {}}}).body["metadata"]
    assert (metadata["labels"], metadata["annotations"]) == ({}, {"b": "2"})


def test_read_only_object_keeps_its_spec_until_it_is_unmarked(api: NativeApi, made: str) -> None:
    assert api.ask("PATCH", made, {"metadata": {"annotations": {READ_ONLY: "true"}}}).status == 200
    spec = api.ask("GET", made).body["spec"]
    for method, body in (("PUT", {"spec": spec | {"groups": ["x"]}}), ("PATCH", {"spec": {"groups": ["x"]}})):
        refused = api.ask(method, made, body)
        assert (refused.status, refused.code) == (403, "ReadOnly")
    # Nor in one step with the mark.
    both = {"spec": {"groups": ["x"]}, "metadata": {"annotations": None}}
    assert api.ask("PATCH", made, both).code == "ReadOnly"
    assert api.ask("PATCH", made, {"metadata": {"annotations": {READ_ONLY: None}}}).status == 200
    assert api.ask("PATCH", made, {"spec": {"groups": ["x"]}}).status == 200


def test_pipeline_that_many_share_is_read_only_at_every_door(run: LocalRun, api: NativeApi) -> None:
    """One that is saved and runs on demand, as cam_server's clients know it, until it says otherwise."""
    pipe = PipelineClient(run.rest()[1])
    assert api.ask("POST", PIPELINES, small_pipeline("many", lifecycle=ON_DEMAND)).status == 201
    path, change = f"{PIPELINES}/default/many", {"spec": {"processing": {"threshold": 5}}}
    pipe.get_instance_stream("many")
    assert api.ask("GET", path).headers["Camstream-Read-Only"] == "true"
    refused = api.ask("PATCH", path, change)
    assert (refused.status, refused.code) == (403, "ReadOnly")
    assert 'camstream.dev/read-only: "false"' in refused.message
    with pytest.raises(ValueError, match=r"Cannot set config on a read only instance\."):
        pipe.set_instance_config("many", {"image_threshold": 5})
    opened = api.ask("PATCH", path, {"metadata": {"annotations": {READ_ONLY: "false"}}})
    assert "Camstream-Read-Only" not in opened.headers
    assert api.ask("PATCH", path, change).status == 200
    assert pipe.set_instance_config("many", {"image_threshold": 6})["image_threshold"] == 6
    assert pipe.get_instance_info("many")["read_only"] is False
    # What is marked is not changed under its name either.
    api.ask("PATCH", path, {"metadata": {"annotations": {READ_ONLY: "true"}}})
    config = pipe.get_pipeline_config("many")
    with pytest.raises(ValueError, match="'many' is shared and read-only"):
        pipe.save_pipeline_config("many", config | {"image_threshold": 7})
    assert api.ask("GET", path).body["spec"]["processing"] == {"threshold": 6}
    assert api.ask("DELETE", path).status == 204


IMMUTABLE = small_camera("cam", externalName="ANOTHER")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "words"),
    [
        ("GET", f"{CAMERAS}/default/nobody", None, 404, "NotFound", "there is no camera/nobody"),
        ("GET", f"{CAMERAS}/other/cam", None, 404, "NotFound", "there is no other/camera/cam"),
        ("GET", f"{CAMERAS}/..%2F..%2Fapi/cam", None, 404, "NotFound", "expected names of lower-case letters"),
        ("GET", f"{CAMERAS}/default/Cam", None, 404, "NotFound", "expected names of lower-case letters"),
        ("GET", "/api/v1/nothing", None, 404, "NotFound", "/api/openapi.json tells"),
        ("PUT", CAMERAS, {}, 405, "MethodNotAllowed", "expected one of GET, HEAD, POST"),
        ("DELETE", f"{PIPELINES}/default/cam", None, 404, "NotFound", "there is no pipeline/cam"),
        ("PUT", f"{CAMERAS}/default/nobody", small_camera("nobody"), 404, "NotFound", "there is no camera/nobody"),
        ("PATCH", f"{CAMERAS}/default/nobody", {}, 404, "NotFound", "there is no camera/nobody"),
        ("POST", f"{CAMERAS}/default/nobody/wake", {}, 404, "NotFound", "there is no camera/nobody"),
        ("POST", CAMERAS, small_camera("cam"), 409, "Conflict", "camera/cam is there already"),
        ("POST", CAMERAS, b"{", 400, "BadRequest", "expected JSON"),
        ("POST", CAMERAS, b"[]", 400, "BadRequest", "expected a JSON object, found list"),
        ("POST", CAMERAS, b" " * (1 << 20) + b"{}", 400, "BadRequest", "more than 1048576 bytes"),
        ("POST", CAMERAS, {}, 422, "Invalid", "metadata.name: Field required"),
        ("POST", CAMERAS, small_pipeline("x"), 422, "Invalid", "kind: Input should be 'Camera'"),
        ("POST", BACKGROUNDS, background("x"), 422, "Invalid", "exactly one of"),
        ("POST", BACKGROUNDS, small_camera("x"), 422, "Invalid", "kind: Input should be 'Background'"),
        ("PUT", f"{BACKGROUNDS}/default/x", {}, 405, "MethodNotAllowed", "expected one of DELETE, GET"),
        ("POST", CAMERAS, small_camera("x", colour="red"), 422, "Invalid", "spec.colour"),
        ("POST", CAMERAS, small_camera("x") | {"more": 1}, 422, "Invalid", "found more"),
        ("POST", CAMERAS, small_camera("x") | {"metadata": "x"}, 422, "Invalid", "metadata: expected an object, found str"),
        ("POST", CAMERAS, {"metadata": {"name": "x", "namespace": "../.."}}, 422, "Invalid", "metadata.namespace"),
        ("PUT", f"{CAMERAS}/default/cam", small_camera("other"), 422, "Invalid", "expected the name 'cam' as in the path, found 'other'"),
        ("PUT", f"{CAMERAS}/default/cam", {"metadata": {"name": "cam"}}, 422, "Invalid", "use PATCH"),
        ("PUT", f"{CAMERAS}/default/cam", IMMUTABLE, 422, "Invalid", "externalName"),
        ("PATCH", f"{CAMERAS}/default/cam", {"status": {}}, 422, "Invalid", "expected metadata, spec and nothing else, found status"),
        ("PATCH", f"{CAMERAS}/default/cam", {"metadata": {"name": "x"}}, 422, "Invalid", "found name"),
        ("PATCH", f"{CAMERAS}/default/cam", {"spec": None}, 422, "Invalid", "cannot be taken away"),
        ("PATCH", f"{CAMERAS}/default/cam", {"spec": {"source": None}}, 422, "Invalid", "spec.source"),
        ("PATCH", f"{CAMERAS}/default/cam", {"metadata": {"labels": [1]}}, 422, "Invalid", "metadata.labels"),
        ("POST", f"{CAMERAS}/default/cam/backgrounds", {"frames": 0}, 422, "Invalid", "frames"),
        ("POST", f"{CAMERAS}/default/cam/backgrounds", {"frames": 9999, "timeoutSeconds": 0.5}, 504, "Timeout", "of 9999 images within"),
        ("POST", f"{PIPELINES}/default/pipe/backgrounds", {}, 404, "NotFound", "/api/openapi.json tells"),
    ],
)  # fmt: skip
def test_error_has_its_status_and_says_what_is_wrong(
    api: NativeApi, document: dict[str, Any], method: str, path: str, body: Any, status: int, code: str, words: str
) -> None:
    reply = api.ask(method, path, body)
    assert (reply.status, reply.code) == (status, code)
    assert words in reply.message
    matches(reply.body, {"$ref": "#/components/schemas/ErrorReply"}, document)


def test_camera_that_is_stopped_or_pushes_is_told_at_once(api: NativeApi, made: str) -> None:
    for path in ("wake", "backgrounds"):
        reply = api.ask("POST", f"{made}/{path}", {})
        assert (reply.status, reply.code) == (409, "Conflict")
        assert "set spec.lifecycle.mode" in reply.message
    assert api.ask("PATCH", made, {"spec": {"lifecycle": None, "output": {"mode": "Push"}}}).status == 200
    reply = api.ask("POST", f"{made}/backgrounds", {})
    assert (reply.status, reply.code) == (409, "Conflict")
    assert "pushes each image to one reader" in reply.message


def test_port_scan_keeps_no_stream_alive(run: LocalRun, api: NativeApi) -> None:
    lifecycle = {"mode": "OnDemand", "idleTimeoutSeconds": 2}
    assert api.ask("POST", CAMERAS, small_camera("scanned", lifecycle=lifecycle)).status == 201
    assert api.ask("POST", f"{CAMERAS}/default/scanned/wake", {}).status == 202
    address = run.wait_for_phase("scanned", "Running").address
    assert address is not None
    port = urlsplit(address).port
    stop, reached = threading.Event(), []

    def scan() -> None:
        with socket.create_connection(("127.0.0.1", port), 5):  # one that stays, and says nothing
            while not stop.wait(0.05):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
                    reached.append(port)

    with ThreadPoolExecutor(1) as pool:
        scanning = pool.submit(scan)
        try:
            wait_for("it is scanned", lambda: reached)
            run.wait_for_phase("scanned", "Idle")
        finally:
            stop.set()
        scanning.result(10)
    assert api.ask("DELETE", f"{CAMERAS}/default/scanned").status == 204


@pytest.mark.parametrize("form", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_forms_of_other_sites_are_not_read(api: NativeApi, made: str, form: str) -> None:
    for method, path in (("POST", CAMERAS), ("PUT", made), ("PATCH", made), ("POST", f"{made}/wake"), ("POST", f"{made}/backgrounds")):
        reply = api.ask(method, path, None if not form else b"{}", Content_Type=form)
        assert (reply.status, reply.code) == (415, "UnsupportedMediaType")
    assert api.ask("PATCH", made, {}, Content_Type="application/json").status == 415


def test_pages_of_other_sites_are_refused(api: NativeApi, made: str) -> None:
    for headers in ({"Origin": "http://elsewhere.example"}, {"Host": "elsewhere.example"}):
        for method in ("GET", "DELETE"):
            reply = api.ask(method, made, **headers)
            assert (reply.status, reply.code) == (403, "Forbidden")
    assert api.ask("GET", made, Origin=api.url.rstrip("/")).status == 200


def test_without_rest_it_only_reads(tmp_path: Path) -> None:
    objects = write(tmp_path / "objects.yaml", small_camera(lifecycle=ON_DEMAND))
    with local_run(tmp_path, str(objects), page=True) as run:
        api = NativeApi(run.page())
        path = f"{CAMERAS}/default/cam"
        assert api.ask("GET", path).status == 200
        for method, where, body in (
            ("POST", CAMERAS, small_camera("x")),
            ("PUT", path, small_camera()),
            ("PATCH", path, {"spec": {"groups": ["x"]}}),
            ("POST", f"{path}/backgrounds", {}),
            ("POST", BACKGROUNDS, background("x", stored="x")),
            ("DELETE", path, None),
        ):
            reply = api.ask(method, where, body)
            assert (reply.status, reply.code) == (403, "ReadOnlyServer")
        assert [item["metadata"]["name"] for item in api.ask("GET", CAMERAS).body["items"]] == ["cam"]
        # To look at a stream it may be asked for.
        assert api.ask("POST", f"{path}/wake", {}).status == 202
        run.wait_for_phase("cam", "Running")
        assert "no authentication" not in run.text()


def test_tokens_are_asked_for(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKEN)
    tokens.chmod(0o600)
    objects = write(tmp_path / "objects.yaml", small_camera(lifecycle=ON_DEMAND))
    with local_run(tmp_path, "--tokens", str(tokens), str(objects), page=True, rest=True) as run:
        for token in ("", "another-token-of-some-length"):
            reply = NativeApi(run.page(), token).ask("GET", CAMERAS)
            assert (reply.status, reply.code) == (401, "Unauthorized")
            assert reply.headers["WWW-Authenticate"].startswith("Basic")
        # The file of a background is for who knows its hash; what there is, for who has a token.
        assert NativeApi(run.page()).ask("GET", f"{BACKGROUNDS}/default/x?sha256=x").status == 404
        assert NativeApi(run.page()).ask("GET", f"{BACKGROUNDS}/default/x").status == 401
        assert NativeApi(run.page()).ask("DELETE", f"{BACKGROUNDS}/default/x?sha256=x").status == 401
        api = NativeApi(run.page(), TOKEN)
        assert api.ask("GET", f"{BACKGROUNDS}/default/x").status == 404
        assert api.ask("DELETE", f"{CAMERAS}/default/cam").status == 204
        run.wait_until_gone("cam")
