"""The page of each kind of pipeline shows a manifest that is one of the samples, which are run for real."""

import re
from pathlib import Path

import pytest

from camstream.spec import Pipeline
from camstream.spec.pipeline import PipelineType
from camstream_cli.manifests import load

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "docs" / "how-to" / "kinds").glob("*.md"))
SAMPLES = ROOT / "configs" / "samples"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_manifest_of_a_page_is_a_sample_as_it_is(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    [manifest] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    [sample] = set(re.findall(r"configs/samples/([a-z-]+\.yaml)", text))
    lines = (SAMPLES / sample).read_text(encoding="utf-8").splitlines(keepends=True)
    assert manifest == "".join(line for line in lines if not line.startswith("#") or line.startswith("# The same"))


def test_there_is_a_page_for_every_type() -> None:
    kinds = set()
    for page in PAGES:
        [sample] = set(re.findall(r"configs/samples/([a-z-]+\.yaml)", page.read_text(encoding="utf-8")))
        kinds |= {placed.object.spec.type for placed in load([SAMPLES / sample]).objects if isinstance(placed.object, Pipeline)}
    assert kinds == set(PipelineType)


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "docs/how-to/scripts.md", ROOT / "docs/tutorials/first-script.md"], ids=lambda page: page.stem
)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
