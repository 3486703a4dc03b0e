"""The page for those who run an installation lists every metric as it describes itself."""

import re
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from camstream_operator.metrics import PREFIX, Metrics
from camstream_operator.queue import WorkQueue

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/how-to/operate.md").read_text(encoding="utf-8")
WORKER = (ROOT / "worker/camstream_worker/service/metrics.py").read_text(encoding="utf-8")


@dataclass
class Figures:
    dropped: int = 0
    round_trip_s: float | None = 0.1


def test_every_metric_of_the_operator_has_its_row_on_the_page() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.watch(WorkQueue(), Figures(), Figures())
    families = metrics.registry.collect()
    wanted = [f"| `{family.name}{'_total' if family.type == 'counter' else ''}` | {family.documentation} |" for family in families]
    assert re.findall(rf"^\| `{PREFIX}_\w+` \|.*$", PAGE, re.M) == wanted


def test_every_metric_that_the_page_names_exists() -> None:
    named = {name for name in re.findall(r"\bcamstream_[a-z_]+", PAGE) if not name.startswith(PREFIX)}
    assert named
    assert {name for name in named if f'"{name.removesuffix("_total")}"' not in WORKER} == set()
