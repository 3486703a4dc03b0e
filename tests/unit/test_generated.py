"""What is made from the models is committed as it would be made now."""

from pathlib import Path

import pytest

from camstream_cli.generate import generated, main

ROOT = Path(__file__).parents[2]
FILES = generated()


@pytest.mark.parametrize("path", FILES, ids=str)
def test_committed_file_is_up_to_date(path: Path) -> None:
    file = ROOT / path
    committed = file.read_text(encoding="utf-8") if file.exists() else ""
    assert committed == FILES[path], f"{path} is not what the models say: run `make generate`"


@pytest.mark.parametrize("folder", ["crds", "charts/camstream/templates/crds", "charts/camstream/files/dashboards", "docs/reference"])
def test_nothing_is_left_of_models_that_are_gone(folder: str) -> None:
    marked = {file.relative_to(ROOT) for file in (ROOT / folder).iterdir() if "Made by `make generate`" in file.read_text(encoding="utf-8")}
    assert marked == {path for path in FILES if path.parent == Path(folder)}, "delete what is no longer made"


def test_generate_writes_what_differs_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(tmp_path)
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()} == set(FILES)
    (tmp_path / "crds/cameras.yaml").write_text("old")
    capsys.readouterr()
    main(tmp_path)
    assert capsys.readouterr().out == "wrote crds/cameras.yaml\n"


def test_crds_fit_in_the_annotation_of_a_plain_kubectl_apply() -> None:
    # kubectl apply keeps the whole object in an annotation, and annotations hold 256 KiB.
    assert max(len(text) for path, text in FILES.items() if path.parent == Path("crds")) < 128 * 1024
