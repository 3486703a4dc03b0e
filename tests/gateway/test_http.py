"""What the gateway serves besides frames, and whom it refuses."""

import asyncio
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from gateways import Gateway, gateway, view
from ports import free_port
from workers import camera, simulation, worker

from camstream_gateway.page_files import page_files
from camstream_gateway.security import LOOPBACK, refuse


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Gateway]:
    with gateway(tmp_path, view("tcp://127.0.0.1:1", pid=4711, log_file="/secret/log", groups=["gun"], last_frame_at=0.0)) as found:
        yield found


def get(url: str, **headers: str) -> tuple[int, Any, bytes]:
    """Code, headers and body."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


PAGE = sorted(page_files())


@pytest.mark.parametrize("path", ["", "page/main.js", "page/style.css", "api/streams", "nothing", "page/nothing.js"])
def test_every_answer_confines_the_browser(served: Gateway, path: str) -> None:
    _, headers, _ = get(served.url + path)
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["form-action"] == policy["base-uri"] == "'none'"
    assert not re.search(r"unsafe|http:|https:|\*", headers["Content-Security-Policy"])
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")


@pytest.mark.parametrize("name", PAGE)
def test_file_of_the_page_is_served_with_its_type(served: Gateway, name: str) -> None:
    code, headers, body = get(f"{served.url}page/{name}")
    assert (code, headers["Content-Type"]) == (200, page_files()[name].content_type)
    assert body == resources.files("camstream_gateway").joinpath("page", name).read_bytes()


@pytest.mark.parametrize(
    "path",
    ["page/../app.py", "page/%2e%2e/app.py", "page/..%2fapp.py", "page//etc/passwd", "page/", "app.py", "page/main.js%00", "../app.py"],
)
def test_nothing_outside_of_the_page_is_served(served: Gateway, path: str) -> None:
    assert get(served.url + path)[0] in (400, 404)


@pytest.mark.parametrize("name", PAGE)
def test_page_names_no_other_host_and_has_nothing_inline(name: str) -> None:
    text = page_files()[name].body.decode()
    hosts = set(re.findall(r"(?:https?|wss?)://([\w.]+)", text)) - {"www.w3.org"}
    assert not hosts
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function", text)
    if name.endswith(".html"):
        assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)", text)


def test_list_tells_no_paths_and_no_processes(served: Gateway) -> None:
    _, _, body = get(f"{served.url}api/streams")
    (stream,) = json.loads(body)["streams"]
    assert (stream["name"], stream["groups"], stream["unit"]) == ("cam", ["gun"], "px")
    assert stream["ageSeconds"] > 1e9
    assert b"secret" not in body
    assert b"4711" not in body


def test_preview_is_the_picture_of_the_worker(tmp_path: Path) -> None:
    config = camera(simulation())
    with worker(tmp_path / "worker", config) as process:
        process.wait_for_status("frames", lambda status: status["frames"]["sent"] > 0)
        with gateway(tmp_path, view(config["streamAddress"], http_address=f"http://127.0.0.1:{config['httpPort']}")) as served:
            code, headers, body = get(f"{served.url}api/streams/camera/default/cam/preview.png")
    assert (code, headers["Content-Type"], body[:8]) == (200, "image/png", b"\x89PNG\r\n\x1a\n")
    assert int(headers["X-Pulse-Id"]) > 0


def test_preview_of_a_worker_that_does_not_answer_is_empty(tmp_path: Path) -> None:
    with gateway(tmp_path, view(None, http_address=f"http://127.0.0.1:{free_port()}")) as served:
        assert get(f"{served.url}api/streams/camera/default/cam/preview.png")[::2] == (204, b"")
        assert get(f"{served.url}api/streams/camera/default/other/preview.png")[0] == 404


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "127.0.0.1:8080", True),
        (None, "localhost:9", True),
        (None, "[::1]:8080", True),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", True),
        ("http://127.0.0.1:8081", "127.0.0.1:8080", False),
        ("http://evil.example", "127.0.0.1:8080", False),
        ("null", "127.0.0.1:8080", False),
        ("", "127.0.0.1:8080", False),
        ("http://evil.example:8080", "evil.example:8080", False),
        (None, "evil.example:8080", False),
        (None, "127.0.0.1.evil.example", False),
        (None, "", False),
    ],
)
def test_page_on_loopback_answers_itself_only(origin: str | None, host: str, allowed: bool) -> None:
    assert (refuse(origin, host, LOOPBACK) == "") is allowed


@pytest.mark.parametrize(("origin", "allowed"), [(None, True), ("http://gun:8080", True), ("http://evil.example", False)])
def test_page_on_the_network_answers_by_any_name_but_no_other_site(origin: str | None, allowed: bool) -> None:
    assert (refuse(origin, "gun:8080", None) == "") is allowed


@pytest.mark.parametrize("path", ["ws/streams", "ws/streams/camera/default/cam"])
def test_socket_of_another_site_is_refused(served: Gateway, path: str) -> None:
    async def test() -> None:
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(served.url + path, origin="http://evil.example")
            assert refused.value.status == 403

    asyncio.run(test())


def test_name_that_was_made_to_lead_here_is_refused(served: Gateway) -> None:
    code, _, body = get(served.url, Host="evil.example")
    assert code == 403
    assert b"not as 'evil.example'" in body


def test_only_reading_is_possible(served: Gateway) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        request = urllib.request.Request(f"{served.url}api/streams", method=method, data=b"{}")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        refused.value.close()
        assert refused.value.code == 405
