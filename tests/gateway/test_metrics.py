"""What Prometheus reads of the gateway."""

import urllib.error
import urllib.request
from pathlib import Path

from gateways import gateway, view
from metric_families import gateway_registry
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
        (("code", "200"), ("route", "/")): 1,
        (("code", "200"), ("route", "/page")): 2,
        (("code", "200"), ("route", "/api/streams")): 1,
        (("code", "404"), ("route", "other")): 2,
    }


def test_room_of_the_store_is_told_once_there_is_one(tmp_path: Path) -> None:
    store = tmp_path / "backgrounds"
    registry = gateway_registry(store)
    assert registry.get_sample_value("camstream_gateway_store_files") is None
    store.mkdir()
    (store / "a.npy").write_bytes(bytes(100))
    (store / "b.npy").write_bytes(bytes(50))
    (store / "folder").mkdir()
    assert registry.get_sample_value("camstream_gateway_store_files") == 2
    assert registry.get_sample_value("camstream_gateway_store_used_bytes") == 150
    free, size = (registry.get_sample_value(f"camstream_gateway_store_{name}_bytes") for name in ("free", "size"))
    assert free is not None
    assert size is not None
    assert 0 < free < size
