import re
import subprocess
import sys
from pathlib import Path

import pytest

from camstream import __version__
from camstream_cli.cluster.main import VERBS as PLUGIN_VERBS
from camstream_cli.cluster.main import main as plugin
from camstream_cli.main import VERBS, main


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"camstream {__version__}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb_says_what_it_is_for(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    assert f"usage: camstream {verb}" in capsys.readouterr().out


def test_help_teaches_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "camstream run configs/demo" in capsys.readouterr().out


def test_error_is_one_plain_line(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMSTREAM_STATE", str(tmp_path))
    assert main(["receive", "nothing"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "camstream: no stream named 'nothing' (nothing runs; start something with `camstream run`)\n"


def test_reader_that_closes_the_output_gets_no_complaint(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "camstream_cli.main", "status"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"CAMSTREAM_STATE": str(tmp_path)}) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 0


@pytest.mark.parametrize("verb", PLUGIN_VERBS)
def test_help_of_every_verb_of_the_plugin_says_what_it_is_for(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        plugin([verb, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert f"usage: kubectl camstream {verb}" in shown
    assert "--namespace" in shown


def test_page_of_the_plugin_explains_every_verb() -> None:
    page = (Path(__file__).parents[3] / "docs/how-to/kubectl.md").read_text(encoding="utf-8")
    assert {row.split()[0] for row in re.findall(r"^\| `([^`]+)` \|", page, re.M)} == set(PLUGIN_VERBS)


def test_plugin_without_kubectl_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECTL", "/no/such/kubectl")
    assert plugin(["status"]) == 1
    assert capsys.readouterr().err == "kubectl camstream: kubectl is not on the PATH: install it, or name it in the variable KUBECTL\n"
