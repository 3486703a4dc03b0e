"""The tutorial "Your first script", step by step, with the texts that it shows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from local_runs import local_run
from workers import reader

from camstream.spec.status import Phase

PAGE = Path(__file__).parents[2] / "docs" / "tutorials" / "first-script.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_tutorial_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spot, test = blocks("python")
    manifest, record = blocks("yaml")
    [told] = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("script 'spot': spot.py:")]
    files = {"spot.py": spot, "spot.yaml": manifest, "record.yaml": record, "test_spot.py": test}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    with local_run(tmp_path, "spot.yaml", "record.yaml", "--files", ".") as run:
        view = run.wait("spot", "frames", lambda view: view.phase == Phase.RUNNING and view.address)
        with reader(view.address or "") as client:
            area = client.message().values["area"]
            (tmp_path / "spot.yaml").write_text(manifest.replace("level: 0.5", "level: 0.8"))
            client.until(lambda message: message.values["area"] < 0.6 * area)
            (tmp_path / "spot.py").write_text(spot.replace('parameters["level"]', 'parameters["levle"]'))
            run.wait("spot", "the error", lambda view: view.message == told)
            # A terminal breaks the line.
            assert "KeyError: 'levle'" in run.camstream("status", "spot").stdout
            (tmp_path / "spot.py").write_text(spot.replace("return {", "return {'mended': 1,"))
            client.until(lambda message: "mended" in message.values)
        run.wait_for_phase("record", Phase.COMPLETED)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "test_spot.py"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout
    assert "1 passed" in result.stdout
