"""The pages about conditions and troubles say what the code says: every reason has a row, and every text that is quoted exists."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from camstream.errors import BrokenReference, NeedsRestart, SpecError
from camstream.spec.status import ConditionType, Phase
from camstream_operator.decide.pods import CANNOT_START, OUT_OF_MEMORY

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/conditions.md").read_text(encoding="utf-8")
TROUBLES = (ROOT / "docs/how-to/troubleshooting.md").read_text(encoding="utf-8")

DECIDE = ROOT / "common/camstream/decide.py"
OPERATOR = ROOT / "operator/camstream_operator"
WORKER = ROOT / "worker/camstream_worker"
COLLECTOR = ROOT / "operator/camstream_gateway/collector.py"
LOCAL = ROOT / "common/camstream_cli/local"


EVENT_TYPES = {"Normal", "Warning"}


def kinds_of(error: type[Exception]) -> set[str]:
    """Names of an error and all below it."""
    return {error.__name__}.union(*map(kinds_of, error.__subclasses__()))


COMPUTED = {
    ("_accepted", "reason"): kinds_of(SpecError) - {SpecError.__name__, BrokenReference.__name__, NeedsRestart.__name__} | {"InvalidSpec"},
    # How a worker ended: the table of exits has these.
    ("_asleep", "reason"): set[str](),
    ("_asleep", "IDLE"): {Phase.IDLE.value},
    ("_config_applied", "asleep.reason if asleep else 'NotRunning'"): {"NotRunning"},
    ("_input_connected", "asleep.reason if asleep else 'NotRunning'"): {"NotRunning"},
    ("_background_loaded", "asleep.reason if asleep else 'NotRunning'"): {"NotRunning"},
    ("_script_runs", "asleep.reason if asleep else 'NotRunning'"): {"NotRunning"},
    ("_ready", "report.phase.value"): {Phase.STARTING.value, Phase.WAITING.value, Phase.FAILED.value, Phase.COMPLETED.value},
    # Of a pod that was ended: Kubernetes' own word, most often this one.
    ("obstacle_of_pod", "reason"): {"Evicted", "Failed"},
    ("obstacle_of_pod", "told['reason']"): set(CANNOT_START),
    ("_obstacle", "reason"): {OUT_OF_MEMORY, "CrashLoopBackOff"},
}
"""What the reason of a finding can be where it is no constant, by function and expression."""


def functions(*places: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.Module]:
    """Every function, and every file for what stands outside of functions."""
    files = [file for place in places for file in ([place] if place.is_file() else place.rglob("*.py"))]
    for file in files:
        module = ast.parse(file.read_text(encoding="utf-8"))
        inside = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        yield from inside
        yield ast.Module([node for node in module.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)], [])


def findings() -> Iterator[tuple[str, ast.expr]]:
    """Where a finding is made: name of the function, and the expression of the reason."""
    for function in functions(DECIDE, OPERATOR):
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
                yield getattr(function, "name", ""), node.args[1]


def text_of(node: ast.expr) -> str | None:
    """A text that stands in the source, where it is one."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def reasons_of_conditions() -> set[str]:
    found = set()
    for function, reason in findings():
        text = text_of(reason)
        found |= COMPUTED[function, ast.unparse(reason)] if text is None else {text}
    return found


def reasons_of_backgrounds() -> set[str]:
    """Of the condition Ready of a Background: where its status is made, and what these two functions choose from."""
    found = set()
    for function in functions(COLLECTOR):
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_status" and len(node.args) > 2:
                found.add(text_of(node.args[2]))
            elif getattr(function, "name", "") in ("_reason", "_late"):
                found.add(text_of(node) if isinstance(node, ast.Constant) else None)
    return {text for text in found if text and re.fullmatch(r"([A-Z][a-z]+)+", text)}


def reasons_of_exits() -> set[str]:
    """How a worker ends, where it is not the name of an error."""
    found = {OUT_OF_MEMORY}
    for function in functions(LOCAL, OPERATOR, WORKER):
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ExitStatus":
                words = [text_of(word.value) for word in node.keywords if word.arg == "reason"]
            else:
                words = [text_of(node)] if isinstance(node, ast.Constant) and getattr(function, "name", "") == "_meaning" else []
            found.update(filter(None, words))
    return found


def reasons_of_events() -> set[str]:
    """Events that are not the reason of a condition."""
    found = set()
    for function in functions(OPERATOR):
        for node in ast.walk(function):
            parts = node.elts if isinstance(node, ast.Tuple) else node.args if isinstance(node, ast.Call) else []
            for kind, reason in pairwise(parts):
                if text_of(kind) in EVENT_TYPES and (text := text_of(reason)):
                    found.add(text)
    return found - EVENT_TYPES


def sections(page: str) -> dict[str, str]:
    return {head.strip(): body for head, _, body in (part.partition("\n") for part in page.split("\n## ")[1:])}


def first_cells(text: str) -> list[str]:
    """What is in code quotes in the first column of the tables."""
    return [quoted for row in re.findall(r"^\| (.*?) \|", text, re.M) for quoted in re.findall(r"`([^`]+)`", row)]


SECTIONS = sections(PAGE)
CONDITIONS = {name: SECTIONS[name] for name in SECTIONS if name not in ("How a worker ended", "Events")}


def test_every_reason_whose_word_is_computed_is_known_here() -> None:
    computed = {(function, ast.unparse(reason)) for function, reason in findings() if text_of(reason) is None}
    assert computed == COMPUTED.keys(), "say in COMPUTED what the reason can be"


def test_every_reason_of_a_condition_has_a_row_on_the_page_and_no_other_has() -> None:
    documented = {reason for text in CONDITIONS.values() for reason in first_cells(text)} - {phase.value for phase in Phase}
    assert documented == (reasons_of_conditions() | reasons_of_backgrounds()) - {phase.value for phase in Phase}


def test_every_reason_that_is_also_a_phase_has_a_row_of_its_own() -> None:
    rows = {reason for name, text in CONDITIONS.items() if name != "Phase" for reason in first_cells(text)}
    assert rows & {phase.value for phase in Phase} == reasons_of_conditions() & {phase.value for phase in Phase}


def test_every_phase_has_a_row() -> None:
    assert first_cells(SECTIONS["Phase"]) == [phase.value for phase in Phase]


@pytest.mark.parametrize("kind", ConditionType)
def test_every_condition_has_a_section(kind: ConditionType) -> None:
    assert first_cells(SECTIONS[kind.value])


def test_every_way_in_which_a_worker_ends_has_a_row() -> None:
    assert set(first_cells(SECTIONS["How a worker ended"])) == reasons_of_exits()


def test_every_event_that_is_no_condition_has_a_row() -> None:
    assert set(first_cells(SECTIONS["Events"])) == reasons_of_events()


def texts() -> list[str]:
    """Every text in the sources; what is filled in is a sign that no text has."""
    found = []
    for root in ("common", "operator", "worker"):
        for file in (ROOT / root).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
    return found


def test_every_text_that_troubleshooting_quotes_is_one_that_is_written() -> None:
    known = texts()
    quoted = [text for text in first_cells(TROUBLES) if " " in text and not text.startswith("kubectl ")]
    pieces = [piece.strip() for text in quoted for piece in text.split("…") if piece.strip()]
    assert len(pieces) > 30
    assert [piece for piece in pieces if not any(piece in text for text in known)] == []
