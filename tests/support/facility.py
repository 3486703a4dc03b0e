"""A configuration folder of cam_server, as a facility would have it, and how it is imported."""

from pathlib import Path

from camstream_cli.main import main

FACILITY = Path(__file__).parents[1] / "data" / "cam_server"


def imported(folder: Path) -> Path:
    """The manifests, in a folder of their own."""
    manifests = folder / "imported"
    assert main(["import", str(FACILITY), "--output", str(manifests)]) == 0
    return manifests
