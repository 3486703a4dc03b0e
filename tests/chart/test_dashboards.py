"""The dashboards: what Grafana reads, every expression of them, and the metrics that these use."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from charts import CHART, Name, rendered
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from metric_families import PROCESSES, TARGET_LABELS, families
from prometheus_tools import METRIC, dashboards, expressions, promtool, without_variables, write_rules

ALL = dashboards()
by_name = pytest.mark.parametrize("name", ALL)


def test_there_is_a_dashboard_for_everybody() -> None:
    assert set(ALL) == {"fleet", "camera", "pipeline", "operator", "store"}


@by_name
def test_every_expression_is_parsed_by_prometheus(name: str, tmp_path: Path) -> None:
    rules = [{"record": f"expression:{i}", "expr": text} for i, text in enumerate(expressions(ALL[name]).values())]
    assert len(rules) > 5
    promtool("check", "rules", str(write_rules(tmp_path / "rules.yaml", [{"name": name, "rules": rules}])))


@by_name
def test_every_metric_that_is_shown_exists(name: str, tmp_path: Path) -> None:
    exist = {series for process in PROCESSES for family in families(process, tmp_path) for series in family.series}
    assert {metric for text in expressions(ALL[name]).values() for metric in METRIC.findall(text)} - exist == set()


@by_name
def test_every_label_that_is_used_exists(name: str, tmp_path: Path) -> None:
    labels = {label for process in PROCESSES for family in families(process, tmp_path) for label in family.labels} | TARGET_LABELS | {"le"}
    for place, text in expressions(ALL[name]).items():
        used = {label.strip() for group in re.findall(r"\bby \(([^)]*)\)", text) for label in group.split(",")}
        used |= set(re.findall(r"[{,]\s*(\w+)\s*(?:=~|!=|=|!~)", text))
        assert used <= labels, place


@by_name
def test_legend_names_labels_that_the_expression_keeps(name: str) -> None:
    for panel in ALL[name]["panels"]:
        for target in panel["targets"]:
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            kept = {label.strip() for group in re.findall(r"\bby \(([^)]*)\)", target["expr"]) for label in group.split(",")}
            assert named <= kept, panel["title"]


@by_name
def test_variables_that_are_used_are_there_and_the_others_are_not(name: str) -> None:
    document = ALL[name]
    there = {variable["name"] for variable in document["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(document))) - {"__rate_interval"}
    assert used == there


@by_name
def test_choices_are_taken_from_a_metric_that_exists(name: str, tmp_path: Path) -> None:
    choices = [variable["query"]["query"] for variable in ALL[name]["templating"]["list"] if variable["type"] == "query"]
    found = [re.fullmatch(r"label_values\((.*), (\w+)\)", choice) for choice in choices]
    rules = [{"record": f"choice:{i}", "expr": without_variables(match[1])} for i, match in enumerate(found) if match]
    assert len(rules) == len(choices)
    assert {match[2] for match in found if match} <= {"namespace", "name"}
    promtool("check", "rules", str(write_rules(tmp_path / "rules.yaml", [{"name": name, "rules": rules}])))


def lost(given: Any, kept: Any, place: str = "") -> list[str]:
    """What one of two documents says and the other one does not."""
    if isinstance(given, dict) and isinstance(kept, dict):
        missing = [f"{place}.{key}" for key in given.keys() - kept.keys() if given[key] not in (None, "", False, [], {})]
        return missing + [line for key in given.keys() & kept.keys() for line in lost(given[key], kept[key], f"{place}.{key}")]
    if isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        return [line for i, pair in enumerate(zip(given, kept, strict=True)) for line in lost(*pair, f"{place}[{i}]")]
    return [] if given == kept else [f"{place}: {given!r} became {kept!r}"]


@by_name
def test_grafanas_own_models_know_every_field(name: str) -> None:
    register_default_plugins()
    read = Dashboard.from_json(ALL[name])
    assert lost(ALL[name], json.loads(json.dumps(read, cls=JSONEncoder))) == []


def test_a_field_that_grafana_does_not_know_would_be_found() -> None:
    register_default_plugins()
    document = json.loads(json.dumps(ALL["fleet"]))
    document["panels"][0]["heigth"] = 3
    document["panels"][0]["options"]["colour"] = "red"
    read = json.loads(json.dumps(Dashboard.from_json(document), cls=JSONEncoder))
    assert {line.rpartition(".")[2] for line in lost(document, read)} == {"heigth", "colour"}


@by_name
def test_panels_fill_the_page_and_do_not_overlap(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    numbers = [panel["id"] for panel in ALL[name]["panels"]]
    assert len(numbers) == len(set(numbers))
    for panel in ALL[name]["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_chart_makes_a_config_map_of_each_that_grafana_finds_by_its_label() -> None:
    objects = rendered("monitoring.dashboards.enabled=true", 'monitoring.dashboards.annotations={"grafana_folder": "camstream"}')
    made = {name.name: thing for name, thing in objects.items() if "-dashboard-" in name.name}
    assert set(made) == {f"camstream-dashboard-{name}" for name in ALL}
    for name, document in ALL.items():
        thing = made[f"camstream-dashboard-{name}"]
        assert json.loads(thing["data"][f"camstream-{name}.json"]) == document
        assert thing["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert thing["metadata"]["annotations"] == {"grafana_folder": "camstream"}
    assert not [name for name in rendered() if isinstance(name, Name) and "-dashboard-" in name.name]
    assert len({document["uid"] for document in ALL.values()}) == len(ALL)
    assert (CHART / "files" / "dashboards").is_dir()
