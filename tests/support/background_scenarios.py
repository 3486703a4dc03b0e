"""What Backgrounds do by HTTP: the same in `camstream run` and on a cluster."""

import hashlib
import urllib.request
from typing import Any, Final

from native_api import NativeApi
from waiting import wait_for

from camstream.names import API_VERSION

PATH: Final = "/api/v1/backgrounds"

Body = dict[str, Any]


def background(name: str, **spec: Any) -> Body:
    """``spec`` in camelCase."""
    return {"apiVersion": API_VERSION, "kind": "Background", "metadata": {"name": name}, "spec": spec}


def reason(status: Body) -> str:
    """Why a Background is ready, or is not."""
    return next(str(one["reason"]) for one in status["conditions"] if one["type"] == "Ready")


def ended(api: NativeApi, namespace: str, name: str) -> Body:
    """The status of a Background that has come to its end."""

    def look() -> Body | None:
        status: Body = api.ask("GET", f"{PATH}/{namespace}/{name}").body.get("status") or {}
        return status if status.get("phase") in ("Completed", "Failed") else None

    return wait_for(f"background {name} comes to its end", look) or {}


def names(api: NativeApi, namespace: str) -> set[str]:
    return {found["metadata"]["name"] for found in api.ask("GET", f"{PATH}?namespace={namespace}").body["items"]}


def make_read_and_delete(api: NativeApi, namespace: str, camera: str, external_name: str) -> None:
    """The whole life of a Background of a camera that sends."""
    wanted = background("by-http", camera={"name": camera}, frames=3)
    wanted["metadata"]["namespace"] = namespace
    one = f"{PATH}/{namespace}/by-http"
    made = api.ask("POST", PATH, wanted)
    assert (made.status, made.headers["Location"], made.body["spec"]) == (201, one, wanted["spec"])
    again = api.ask("POST", PATH, wanted)
    assert (again.status, again.code) == (409, "Conflict")
    first = ended(api, namespace, "by-http")
    assert (first["phase"], reason(first), first["frames"], first["image"]["size"]) == ("Completed", "Stored", 3, "64x48")
    assert first["name"].startswith(f"{external_name}_")
    assert "by-http" in names(api, namespace)
    assert "by-http" not in names(api, "nobody")
    # Its file, for who knows the hash; nothing of a Background can be edited.
    url = f"{api.url.rstrip('/')}{PATH}/{namespace}/{first['name']}?sha256={first['sha256']}"
    with urllib.request.urlopen(url, timeout=5) as answer:
        assert hashlib.sha256(answer.read()).hexdigest() == first["sha256"]
    assert api.ask("PATCH", one, {"spec": {"frames": 4}}).status == 405
    assert api.ask("DELETE", one).status == 204
    assert api.ask("DELETE", one).status == api.ask("GET", one).status == 404
    # Made anew it is another one; the first stays in the store.
    assert api.ask("POST", PATH, wanted).status == 201
    second = ended(api, namespace, "by-http")
    ids = api.ask("GET", f"/api/v1/cameras/{namespace}/{camera}/backgrounds").body["items"]
    assert ids[-2:] == [first["name"], second["name"]]
    assert api.ask("DELETE", one).status == 204


def fail_with_their_reasons(api: NativeApi, namespace: str, camera: str) -> None:
    """Backgrounds that cannot be collected."""
    specs: dict[str, Body] = {
        "nobody": {"camera": {"name": "nobody"}, "timeoutSeconds": 1},
        "slow": {"camera": {"name": camera}, "frames": 100_000, "timeoutSeconds": 2},
        "gone": {"stored": "gone"},
    }
    for name, spec in specs.items():
        wanted = background(name, **spec)
        wanted["metadata"]["namespace"] = namespace
        assert api.ask("POST", PATH, wanted).status == 201
    found = {name: ended(api, namespace, name) for name in specs}
    assert {name: (status["phase"], reason(status)) for name, status in found.items()} == {
        "nobody": ("Failed", "CameraNotFound"),
        "slow": ("Failed", "TooFewFrames"),
        "gone": ("Failed", "NotFound"),
    }
    assert "did not send 100000 frames within 2 s" in found["slow"]["conditions"][0]["message"]
