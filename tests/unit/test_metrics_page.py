"""The reference page has a row for every metric, and says of every label which values it can have."""

import re
from pathlib import Path

import pytest
from metric_families import PROCESSES, Family, families

from camstream.spec.status import ConditionType, Phase
from camstream_gateway.disk import WRITES
from camstream_gateway.memory import USES
from camstream_gateway.metrics import DOORS
from camstream_operator.cluster.api import RESOURCES
from camstream_operator.metrics import CAUSES, REASONS, RESOURCE_NAMES, RESULTS
from camstream_worker.counters import APPLIES, FITS, HOPS
from camstream_worker.sources.merge import NAMES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
WORKER = ROOT / "worker" / "camstream_worker"

PLURALS = {"worker": "Of a worker", "operator": "Of the operator", "gateway": "Of the gateway"}


def section(title: str) -> str:
    """A part of the page."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    assert found, f"the page has no section {title!r}"
    return found[1]


def row(family: Family) -> str:
    labels = ", ".join(f"`{label}`" for label in family.labels)
    return f"| `{family.name}` | {family.type} | {labels} | {family.meaning} |"


@pytest.mark.parametrize("process", PROCESSES)
def test_page_has_a_row_for_every_metric_and_no_other(process: str, tmp_path: Path) -> None:
    wanted = [row(family) for family in families(process, tmp_path)]
    found = re.findall(r"^\| `camstream_.*$", section(PLURALS[process]), re.M)
    assert found == wanted, "the rows must be:\n" + "\n".join(wanted)


def test_names_of_different_processes_do_not_collide(tmp_path: Path) -> None:
    names = [family.name for process in PROCESSES for family in families(process, tmp_path)]
    assert len(names) == len(set(names))


def values(label: str) -> set[str]:
    """What the page says about a label."""
    found = re.search(rf"^\| `{label}` \| (.*) \|$", section("Labels"), re.M)
    assert found, f"the page does not say what the label {label!r} is"
    return set(re.findall(r"`([^`]+)`", found[1]))


def test_every_label_is_explained_and_no_other(tmp_path: Path) -> None:
    used = {label for process in PROCESSES for family in families(process, tmp_path) for label in family.labels}
    assert set(re.findall(r"^\| `(\w+)` \|", section("Labels"), re.M)) == used


@pytest.mark.parametrize(
    ("label", "wanted"),
    [
        ("hop", set(HOPS)),
        ("fit", set(FITS)),
        ("phase", {phase.value for phase in Phase}),
        ("condition", {condition.value for condition in ConditionType}),
        ("kind", set(RESOURCES)),
        ("result", {*RESULTS, *WRITES, *APPLIES}),
        ("reason", set(REASONS)),
        ("what", set(USES)),
        ("cause", set(CAUSES)),
        ("door", set(DOORS)),
        ("resource", {*RESOURCE_NAMES, "other"}),
    ],
)
def test_values_of_a_label_are_those_that_there_are(label: str, wanted: set[str]) -> None:
    assert values(label) == wanted


def test_every_reason_of_a_drop_is_on_the_page() -> None:
    rows = dict(re.findall(r"^\| (source|input|selection|output) \| (.*) \|$", section("Drops"), re.M))
    assert {hop: tuple(re.findall(r"`(\w+)`", reasons)) for hop, reasons in rows.items()} == dict(HOPS)


def test_every_reason_that_the_worker_counts_begins_at_zero() -> None:
    """Otherwise its first drop would not be seen as an increase."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in WORKER.rglob("*.py"))
    counted = set(re.findall(r'(source|input|selection|output)_drops\["(\w+)"', text))
    counted |= {("selection", reason) for reason in re.findall(r'return "(\w+)"', (WORKER / "runtime/selection.py").read_text())}
    counted |= {("source", f"{name}_{rest}") for name in NAMES for rest in re.findall(r'source_drops\[f"\{[^}]*\}_(\w+)"', text)}
    assert len(counted) > 20
    assert {(hop, reason) for hop, reason in counted if reason not in HOPS[hop]} == set(), "add them to HOPS in counters.py"
