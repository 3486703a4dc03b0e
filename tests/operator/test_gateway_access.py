"""Who may do what at a gateway that asks a real API server: tokens of ServiceAccounts, rights of RBAC, and an API server that is away."""

import asyncio
import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from api_server import ApiServer, install_crds, running_api_server
from background_scenarios import background
from browsers import running_browser
from cam_server_client import CamClient, PipelineClient
from charts import NAMESPACE, rendered
from chromium import Tab
from gateway_processes import running_gateway
from http_status import bearer, status_of
from native_api import NativeApi
from operators import SIMULATION, Cluster, reads
from waiting import wait_for

from camstream.names import WAKE
from camstream_gateway.reviews import PERSON_S, RIGHT_S

GATEWAY = f"system:serviceaccount:{NAMESPACE}:camstream-gateway"
GROUPS = ["system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}"]
RBAC = "/apis/rbac.authorization.k8s.io/v1"
CAMERA = {"apiVersion": "camstream.dev/v1alpha1", "kind": "Camera", "spec": SIMULATION}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Where the gateway has the rights that the chart gives it, and two namespaces with a camera and a pipeline each."""
    with running_api_server(tmp_path_factory.mktemp("api-server"), users={GATEWAY: GROUPS}, authorization="RBAC") as server:
        install_crds(server)
        found = Cluster(server)
        for namespace in (NAMESPACE, "other"):
            found.make_namespace(namespace)
            found.create("Camera", namespace, "gun", SIMULATION)
            found.create("Pipeline", namespace, "fit", reads("gun"))
            found.create("Background", namespace, "old", {"stored": "old"})
        for name, thing in rendered("gateway.enabled=true", 'gateway.auth="TokenReview"').items():
            if name.kind in ("ClusterRole", "ClusterRoleBinding"):
                assert server.request("POST", f"{RBAC}/{name.kind.lower()}s", thing).status == 201
        yield found


@pytest.fixture(scope="module")
def doors(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    kubeconfig = cluster.server.kubeconfig_of(GATEWAY)
    with running_gateway(kubeconfig, tmp_path_factory.mktemp("gateway"), "--home", NAMESPACE, "--token-review") as found:
        yield found


def account(server: ApiServer, name: str, *rules: dict[str, Any], namespace: str | None = NAMESPACE) -> str:
    """Token of a new ServiceAccount that may do what the rules say.

    :param namespace: where it may; None: everywhere
    """
    place = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    assert server.request("POST", place, {"metadata": {"name": name}}).status == 201
    kind, where = ("Role", f"{RBAC}/namespaces/{namespace}") if namespace else ("ClusterRole", RBAC)
    role = {"metadata": {"name": name}, "rules": list(rules)}
    assert server.request("POST", f"{where}/{kind.lower()}s", role).status == 201
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}],
    }
    assert server.request("POST", f"{where}/{kind.lower()}bindings", binding).status == 201
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    answer = server.request("POST", f"{place}/{name}/token", request)
    assert answer.status == 201, answer.message
    rule = rules[0]
    right = {"group": rule["apiGroups"][0], "resource": rule["resources"][0], "verb": rule["verbs"][0], "namespace": namespace or ""}
    wait_for("the API server knows the role", lambda: is_allowed(server, f"system:serviceaccount:{NAMESPACE}:{name}", right))
    return str(answer.body["status"]["token"])


def is_allowed(server: ApiServer, user: str, right: dict[str, str]) -> bool:
    """Whether the API server lets somebody do something: it learns of a role a moment after it is made."""
    spec = {"user": user, "groups": GROUPS, "resourceAttributes": right}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    return bool(server.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body).body["status"]["allowed"])


ASKS = {"group": "authentication.k8s.io", "resource": "tokenreviews", "verb": "create"}


def may(verbs: list[str], *plurals: str) -> dict[str, Any]:
    return {"apiGroups": ["camstream.dev"], "resources": list(plurals or ("cameras", "pipelines", "backgrounds")), "verbs": verbs}


def basic(token: str) -> dict[str, str]:
    """As a program sends it that knows nothing but a name and a password."""
    return {"Authorization": f"Basic {base64.b64encode(f'anybody:{token}'.encode()).decode()}"}


def test_without_a_token_of_the_cluster_nothing_is_told_but_that_it_lives(doors: dict[str, str]) -> None:
    for token in ("", "a-token-of-nobody", "é"):
        for url in (
            doors["page"],
            f"{doors['page']}api/v1/cameras",
            f"{doors['cameras']}api/v1/cam",
            f"{doors['pipelines']}api/v1/pipeline",
        ):
            assert status_of(url, **(basic(token) if token == "é" else bearer(token))) == 401
    assert status_of(f"{doors['page']}healthz") == 200
    assert status_of(f"{doors['page']}metrics") == 200


def test_who_may_read_one_namespace_reads_there_only(cluster: Cluster, doors: dict[str, str]) -> None:
    token = account(cluster.server, "reader", may(["get", "list"]))
    page, api = doors["page"], NativeApi(doors["page"], token)
    for path, status in (
        (f"/api/v1/cameras?namespace={NAMESPACE}", 200),
        (f"/api/v1/cameras/{NAMESPACE}/gun", 200),
        (f"/api/v1/pipelines/{NAMESPACE}/fit", 200),
        (f"/api/v1/cameras/{NAMESPACE}/gun/backgrounds", 200),
        (f"/api/v1/backgrounds?namespace={NAMESPACE}", 200),
        (f"/api/v1/backgrounds/{NAMESPACE}/old", 200),
        ("/api/openapi.json", 200),
        ("/api/v1/cameras", 403),
        ("/api/v1/cameras?namespace=other", 403),
        ("/api/v1/cameras/other/gun", 403),
        ("/api/v1/cameras/other/nobody", 403),
        ("/api/v1/cameras/other/gun/backgrounds", 403),
        ("/api/v1/backgrounds", 403),
        ("/api/v1/backgrounds/other/old", 403),
    ):
        assert api.ask("GET", path).status == status, path
    for path, status in (
        ("", 200),
        ("page/main.js", 200),
        ("api/streams", 403),
        ("ws/streams", 403),
        (f"api/streams/camera/{NAMESPACE}/gun/preview.png", 204),
        ("api/streams/camera/other/gun/preview.png", 403),
        ("ws/streams/camera/other/gun", 403),
    ):
        assert status_of(page + path, **bearer(token)) == status, path
        assert status_of(page + path, **basic(token)) == status, path
    refused = api.ask("PATCH", f"/api/v1/cameras/{NAMESPACE}/gun", {"spec": {"groups": ["x"]}})
    assert (refused.status, refused.code) == (403, "Forbidden")
    wanted = f"system:serviceaccount:{NAMESPACE}:reader may not patch cameras 'gun' in the namespace '{NAMESPACE}'"
    assert refused.message.startswith(wanted)
    everywhere = account(cluster.server, "everywhere", may(["get", "list"]), namespace=None)
    assert status_of(f"{page}api/streams", **bearer(everywhere)) == 200
    assert status_of(f"{page}api/v1/cameras", **bearer(everywhere)) == 200


@pytest.mark.parametrize(
    ("verb", "method", "path", "body", "status"),
    [
        ("create", "POST", "/api/v1/cameras", CAMERA | {"metadata": {"name": "new"}}, 201),
        ("update", "PUT", f"/api/v1/cameras/{NAMESPACE}/gun", {"spec": SIMULATION}, 200),
        ("patch", "PATCH", f"/api/v1/cameras/{NAMESPACE}/gun", {"spec": {"groups": ["x"]}}, 200),
        ("get", "POST", f"/api/v1/cameras/{NAMESPACE}/gun/wake", {}, 202),
        ("delete", "DELETE", f"/api/v1/pipelines/{NAMESPACE}/fit", None, 204),
        ("create", "POST", "/api/v1/backgrounds", background("new", stored="new"), 201),
        ("delete", "DELETE", f"/api/v1/backgrounds/{NAMESPACE}/old", None, 204),
    ],
)
def test_each_change_takes_its_verb_and_no_other(
    cluster: Cluster, doors: dict[str, str], verb: str, method: str, path: str, body: Any, status: int
) -> None:
    others = [one for one in ("get", "list", "create", "update", "patch", "delete") if one != verb]
    name = f"{method.lower()}-{path.split('/')[3]}-{status}"
    refused = NativeApi(doors["page"], account(cluster.server, f"all-but-{name}", may(others))).ask(method, path, body)
    assert (refused.status, refused.code) == (403, "Forbidden")
    api = NativeApi(doors["page"], account(cluster.server, f"only-{name}", may([verb])))
    elsewhere = body | {"metadata": body["metadata"] | {"namespace": "other"}} if method == "POST" and "metadata" in body else body
    assert api.ask(method, path.replace(NAMESPACE, "other"), elsewhere).status == 403, "another namespace"
    assert api.ask(method, path, body).status == status


def test_clients_of_cam_server_have_the_rights_of_the_home_namespace(cluster: Cluster, doors: dict[str, str]) -> None:
    cameras, pipelines = f"{doors['cameras']}api/v1/cam", f"{doors['pipelines']}api/v1/pipeline"
    config = b'{"source": "NEW", "source_type": "simulation"}'
    reader = account(cluster.server, "cam-reader", may(["get", "list"], "cameras"))
    assert status_of(cameras, **bearer(reader)) == 200
    assert status_of(cameras, **bearer(account(cluster.server, "elsewhere", may(["get", "list"]), namespace="other"))) == 403
    assert status_of(pipelines, **bearer(reader)) == 403
    assert status_of(f"{cameras}/NEW/config", "POST", config, **bearer(reader)) == 403
    creator = account(cluster.server, "cam-creator", may(["create"], "cameras"))
    assert status_of(f"{cameras}/NEW/config", "POST", config, **bearer(creator)) == 403, "it could replace one, too"
    writer = account(cluster.server, "cam-writer", may(["get", "create", "update"], "cameras"))
    assert status_of(f"{cameras}/NEW/config", "POST", config, **bearer(writer)) == 200
    assert status_of(f"{cameras}/NEW/config", "DELETE", **bearer(writer)) == 403
    # A script runs in the workers of pipelines, by whichever door it comes.
    assert status_of(f"{cameras}/script/a.py/script_bytes", "PUT", b"", **bearer(writer)) == 403
    assert status_of(f"{doors['pipelines']}api/v1/pipeline/background", "POST", b"{}", **bearer(writer)) == 403


def test_client_of_cam_server_is_told_which_right_is_missing(
    cluster: Cluster, doors: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = account(cluster.server, "cam-lister", may(["list"], "cameras"))
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {token}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    who = f"system:serviceaccount:{NAMESPACE}:cam-lister"
    with pytest.raises(ValueError, match=f"^{who} may not get cameras in the namespace '{NAMESPACE}'; ask who administers it"):
        CamClient(doors["cameras"]).get_cameras()
    with pytest.raises(ValueError, match=f"^{who} may not create pipelines in the namespace '{NAMESPACE}'"):
        PipelineClient(doors["pipelines"]).create_instance_from_config({"camera_name": "GUN"})


def test_gateway_without_the_right_to_ask_lets_nobody_in_and_says_why(cluster: Cluster, doors: dict[str, str]) -> None:
    token = account(cluster.server, "late", may(["get"]))
    binding = f"{RBAC}/clusterrolebindings/camstream-gateway-reviews"
    kept = cluster.server.request("GET", binding).body
    assert cluster.server.request("DELETE", binding).status == 200
    try:
        wait_for("the API server knows it", lambda: not is_allowed(cluster.server, GATEWAY, ASKS))
        refused = NativeApi(doors["page"], token).ask("GET", f"/api/v1/cameras/{NAMESPACE}/gun")
        assert (refused.status, refused.code) == (503, "Unavailable")
        assert "does not answer the TokenReview of this gateway" in refused.message
        assert "let its account create them" in refused.message
        assert status_of(f"{doors['cameras']}api/v1/cam", **bearer(token)) == 503
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(urllib.request.Request(f"{doors['cameras']}api/v1/cam", headers=bearer(token)), timeout=30)
        with error.value as answer:
            told = json.load(answer)
        assert (told["state"], told["status"].startswith("it is not known who may do this: ")) == ("error", True)
    finally:
        fresh = {key: kept[key] for key in ("roleRef", "subjects")} | {"metadata": {"name": kept["metadata"]["name"]}}
        assert cluster.server.request("POST", f"{RBAC}/clusterrolebindings", fresh).status == 201
        wait_for("the API server knows it", lambda: is_allowed(cluster.server, GATEWAY, ASKS))


async def closed(socket: aiohttp.ClientWebSocketResponse, timeout_s: float) -> tuple[int, str]:
    """How a WebSocket is closed, after whatever it says until then."""
    async with asyncio.timeout(timeout_s):
        while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
    assert message.type is aiohttp.WSMsgType.CLOSE, message
    return message.data, message.extra


LONGEST_S = PERSON_S + 2 * RIGHT_S + 30
"""What is remembered is forgotten by then, also by the API server, and has been asked about again."""


async def looks(tab: Tab, page: str, token: str, name: str = "gun") -> None:
    """Open the stream of a camera in a browser that has the token as its password."""
    # It keeps the password that it was given, and sends it to that place from then on.
    await tab.call("Page.navigate", url=page.replace("//", f"//anybody:{quote(token)}@"))
    await tab.wait_for_module()
    await tab.open(f"{page}#/camera/{NAMESPACE}/{name}")
    await tab.wait("it looks", "return view.status !== null")


async def says(tab: Tab, words: str) -> None:
    """Until the page says something, and does not mean to ask again."""
    shown = f"return !view.connection.timer && view.words.textContent.startsWith({words!r})"
    await tab.wait(words, shown, LONGEST_S)
    assert await tab.view(f"return !view.banner.hidden && view.banner.textContent.startsWith({words!r});")


def test_who_may_only_look_starts_a_stream_by_opening_it_and_changes_nothing(cluster: Cluster, doors: dict[str, str]) -> None:
    cluster.create("Camera", NAMESPACE, "sleeps", SIMULATION | {"lifecycle": {"mode": "OnDemand"}})
    cluster.edit("Camera", NAMESPACE, "sleeps", {"status": {"phase": "Idle"}}, subresource="status")
    token = account(cluster.server, "looks-only", may(["get"]))

    def asked() -> str:
        return str(cluster.get("Camera", NAMESPACE, "sleeps")["metadata"].get("annotations", {}).get(WAKE, ""))

    async def test(tab: Tab) -> None:
        await looks(tab, doors["page"], token, "sleeps")
        await tab.wait("it is asked for", "return view.words.textContent === 'Asked for; it starts'")

    with running_browser() as browser:
        # Before it is given the password, the browser tells of the answer that asks for one.
        browser.run(test, complaints=True)
    assert asked() > "20"
    api, before = NativeApi(doors["page"], token), asked()
    path = f"/api/v1/cameras/{NAMESPACE}/sleeps"
    assert api.ask("PATCH", path, {"metadata": {"annotations": {WAKE: "no"}}}).status == 403
    assert api.ask("PATCH", path, {"spec": {"groups": ["x"]}}).status == 403
    assert asked() == before


@pytest.mark.timeout(240)
def test_who_looks_is_sent_away_when_the_token_is_revoked_or_the_right_is_taken_away(cluster: Cluster, doors: dict[str, str]) -> None:
    server, one, all_of_them = cluster.server, f"{doors['page']}ws/streams/camera/{NAMESPACE}/gun", f"{doors['page']}ws/streams"
    get, list_all = may(["get"]), may(["list"])
    tokens = {name: account(server, name, get) for name in ("stays", "revoked", "refused")}
    tokens["lister"] = account(server, "lister", list_all, namespace=None)

    async def test(tab: Tab) -> None:
        await looks(tab, doors["page"], tokens["revoked"])
        async with aiohttp.ClientSession() as http:
            sockets = {
                name: await http.ws_connect(all_of_them if name == "lister" else one, headers=bearer(token))
                for name, token in tokens.items()
            }
            for path in (
                f"{RBAC}/namespaces/{NAMESPACE}/rolebindings/refused",
                f"{RBAC}/clusterrolebindings/lister",
                f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/revoked",
            ):
                assert (await asyncio.to_thread(server.request, "DELETE", path)).status == 200
            found = await asyncio.gather(*(closed(sockets[name], LONGEST_S) for name in ("revoked", "refused", "lister")))
            assert found == [
                (4401, "the token is no longer valid"),
                (4403, f"you may no longer get cameras in the namespace '{NAMESPACE}'"),
                (4403, "you may no longer list cameras in all namespaces"),
            ]
            # It was asked about as often, and goes on.
            assert (await sockets["stays"].receive(10)).type is aiohttp.WSMsgType.TEXT
            await sockets["stays"].close()
        await says(tab, "You must sign in again: the token is no longer valid. Reload this page to do so")

    with running_browser() as browser:
        # Chromium tells of every answer that is an error.
        browser.run(test, complaints=True, timeout_s=2 * LONGEST_S)


def test_page_says_which_right_is_missing_and_shows_the_stream_again_when_it_is_back(cluster: Cluster, doors: dict[str, str]) -> None:
    server, bindings = cluster.server, f"{RBAC}/namespaces/{NAMESPACE}/rolebindings"
    token = account(server, "comes-back", may(["get"]))
    kept = server.request("GET", f"{bindings}/comes-back").body
    fresh = {key: kept[key] for key in ("roleRef", "subjects")} | {"metadata": {"name": "comes-back"}}
    preview = f"{doors['page']}api/streams/camera/{NAMESPACE}/gun/preview.png"

    async def test(tab: Tab) -> None:
        await looks(tab, doors["page"], token)
        assert (await asyncio.to_thread(server.request, "DELETE", f"{bindings}/comes-back")).status == 200
        await says(tab, f"You are not let in: you may no longer get cameras in the namespace '{NAMESPACE}'. Reload this page when")
        await tab.call("Page.reload")
        await tab.wait_for_module()
        # It is not let in at all, and knows why.
        await says(tab, f"You are not let in: system:serviceaccount:{NAMESPACE}:comes-back may not get cameras 'gun'")
        assert (await asyncio.to_thread(server.request, "POST", bindings, fresh)).status == 201
        await asyncio.to_thread(wait_for, "the gateway knows it", lambda: status_of(preview, **bearer(token)) == 204, LONGEST_S, 0.2)
        await tab.call("Page.reload")
        await tab.wait_for_module()
        await tab.wait("it looks", "return view.status !== null")

    with running_browser() as browser:
        browser.run(test, complaints=True)


def test_api_server_that_is_away_lets_nobody_in_and_sends_nobody_away(
    cluster: Cluster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    token, newcomer = (account(cluster.server, name, may(["get"])) for name in ("patient", "newcomer"))
    said: list[str] = []

    def asked_in_vain() -> bool:
        said.append(capfd.readouterr().err)
        return "patient may still look is asked again" in "".join(said)

    async def look(url: str) -> None:
        async with aiohttp.ClientSession() as http, http.ws_connect(url, headers=bearer(token)) as socket:
            assert (await socket.receive(10)).type is aiohttp.WSMsgType.TEXT
            await asyncio.to_thread(refuses)
            seen = asyncio.create_task(asyncio.to_thread(wait_for, "it asks in vain", asked_in_vain, LONGEST_S, 0.1))
            while not seen.done():
                assert (await socket.receive(10)).type is aiohttp.WSMsgType.TEXT
            await seen
            assert (await socket.receive(10)).type is aiohttp.WSMsgType.TEXT

    def refuses() -> None:
        cluster.server.process.stop()
        refused = api.ask("GET", "/api/openapi.json")
        assert (refused.status, refused.code) == (503, "Unavailable")
        assert "the API server did not answer" in refused.message

    with running_gateway(cluster.server.kubeconfig_of(GATEWAY), tmp_path, "--home", NAMESPACE, "--token-review") as doors:
        api = NativeApi(doors["page"], newcomer)
        try:
            asyncio.run(look(f"{doors['page']}ws/streams/camera/{NAMESPACE}/gun"))
        finally:
            cluster.server.start()
        wait_for("it asks again", lambda: api.ask("GET", "/api/openapi.json").status == 200)
