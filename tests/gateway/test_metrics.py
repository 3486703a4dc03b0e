"""What Prometheus reads of the gateway."""

import urllib.error
import urllib.request
from pathlib import Path

from gateways import gateway, view
from local_runs import local_run, small_camera, write
from prometheus_client.parser import text_string_to_metric_families


def read(url: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Series by name and labels."""
    with urllib.request.urlopen(f"{url}metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_are_counted_by_route_and_a_path_that_is_made_up_makes_no_series(tmp_path: Path) -> None:
    with gateway(tmp_path, view("cam", "tcp://127.0.0.1:1")) as served:
        for path in ("", "page/main.js", "page/style.css", "api/streams", "no/such/thing", "secret"):
            try:
                urllib.request.urlopen(served.url + path, timeout=10).close()
            except urllib.error.HTTPError as error:
                error.close()
        found = {labels: count for (name, labels), count in read(served.url).items() if name == "camstream_gateway_requests_total"}
    assert found == {
        (("code", "200"), ("door", "page"), ("route", "/")): 1,
        (("code", "200"), ("door", "page"), ("route", "/page")): 2,
        (("code", "200"), ("door", "page"), ("route", "/api/streams")): 1,
        (("code", "404"), ("door", "page"), ("route", "other")): 2,
    }


def test_every_door_is_counted_and_names_of_objects_are_in_no_series(tmp_path: Path) -> None:
    objects = write(tmp_path / "objects.yaml", small_camera("secret-name", lifecycle={"mode": "OnDemand"}))
    with local_run(tmp_path, str(objects), page=True, rest=True) as run:
        page, (cameras, pipelines) = run.page(), run.rest()
        for url in (
            f"{page}api/v1/cameras",
            f"{page}api/v1/cameras/default/secret-name",
            f"{page}api/v1/cameras/default/secret-name/backgrounds",
            f"{page}api/v1/cameras/default/nobody",
            f"{page}api/openapi.json",
            f"{cameras}api/v1/cam",
            f"{cameras}api/v1/cam/secret-name/config",
            f"{cameras}no/such/thing",
            f"{pipelines}api/v1/pipeline",
            f"{pipelines}api/v1/pipeline/secret-name/config",
        ):
            try:
                urllib.request.urlopen(url, timeout=10).close()
            except urllib.error.HTTPError as error:
                error.close()
        series = read(page)
    found = {labels: count for (name, labels), count in series.items() if name == "camstream_gateway_requests_total"}
    assert found == {
        (("code", "200"), ("door", "page"), ("route", "/api/v1/cameras")): 2,
        (("code", "404"), ("door", "page"), ("route", "/api/v1/cameras")): 1,
        (("code", "200"), ("door", "page"), ("route", "/api/v1/cameras/backgrounds")): 1,
        (("code", "200"), ("door", "page"), ("route", "/api/openapi.json")): 1,
        (("code", "200"), ("door", "cameras"), ("route", "/api/v1/cam")): 1,
        (("code", "200"), ("door", "cameras"), ("route", "/api/v1/cam/config")): 1,
        (("code", "404"), ("door", "cameras"), ("route", "other")): 1,
        (("code", "200"), ("door", "pipelines"), ("route", "/api/v1/pipeline")): 1,
        (("code", "200"), ("door", "pipelines"), ("route", "/api/v1/pipeline/config")): 1,
    }
    assert not [labels for _, labels in series if "secret-name" in str(labels)]
    waits = {dict(labels)["door"] for name, labels in series if name == "camstream_gateway_request_seconds_count"}
    assert waits == {"page", "cameras", "pipelines"}


def of_the_store(url: str) -> dict[str, float]:
    """What is told of its disk."""
    prefix = "camstream_gateway_store_"
    found = {name.removeprefix(prefix): value for (name, _), value in read(url).items() if name.startswith(prefix)}
    return {name: value for name, value in found.items() if not name.startswith("writes")}


def test_room_of_the_store_is_told_of_all_namespaces(tmp_path: Path) -> None:
    store = tmp_path / "backgrounds"
    for namespace, count in (("gun", 2), ("linac", 1)):
        (store / namespace).mkdir(parents=True)
        for i in range(count):
            (store / namespace / f"{i}.npy").write_bytes(bytes(100))
    (store / "gun" / "readme").write_bytes(bytes(7))
    with gateway(tmp_path, view("cam", "tcp://127.0.0.1:1"), options=("--backgrounds", str(store))) as served:
        found = of_the_store(served.url)
    assert (found["answers"], found["files"], found["used_bytes"]) == (1, 3, 300)
    assert 0 < found["free_bytes"] < found["size_bytes"]


def test_metrics_are_told_without_the_room_of_a_store_that_is_not_there_or_ill(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for folder, answers in ((tmp_path / "not-yet", 1), (file / "backgrounds", 0)):
        with gateway(tmp_path, view("cam", "tcp://127.0.0.1:1"), options=("--backgrounds", str(folder))) as served:
            assert of_the_store(served.url) == {"answers": answers}
