"""Write everything that is made from the models, and the dashboards: ``python -m camstream_cli.generate``, or ``make generate``."""

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from camstream.spec import crd, reference
from camstream_cli import dashboards

ROOT = Path(__file__).parents[2]
NOTE = "# Made by `make generate` from common/camstream/spec. Do not edit.\n"

CHART_HEAD = "{{- if .Values.crds.install }}\n"
CHART_KEEP = """\
  {{- if .Values.crds.keep }}
  annotations:
    helm.sh/resource-policy: keep
  {{- end }}
"""
CHART_TAIL = "{{- end }}\n"


def generated() -> dict[Path, str]:
    """The content of every generated file, by its path in the repository."""
    files = {}
    for plural, definition in crd.definitions().items():
        text = _yaml(definition)
        files[Path(f"crds/{plural}.yaml")] = NOTE + text
        files[Path(f"charts/camstream/templates/crds/{plural}.yaml")] = NOTE + _template(text, definition["metadata"]["name"])
    pages = {Path("docs/reference") / name: text for name, text in reference.pages().items()}
    return files | pages | dashboards.files()


def main(root: Path = ROOT) -> None:
    """Write the files that are not yet as they should be."""
    for path, text in generated().items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")
            print(f"wrote {path}")


def _template(text: str, name: str) -> str:
    """A CRD as part of a chart: it can be left out, and stays when the chart is removed."""
    line = f"  name: {name}\n"
    head, found, rest = text.partition(line)
    assert found  # noqa: S101
    return f"{CHART_HEAD}{head}{line}{CHART_KEEP}{rest}{CHART_TAIL}"


def _yaml(document: Any) -> str:
    writer = YAML()
    writer.width = 140
    stream = io.StringIO()
    writer.dump(document, stream)
    return stream.getvalue()


if __name__ == "__main__":
    main()
