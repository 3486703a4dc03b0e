"""Import names of cam_server for scripts that were written for it."""

import importlib.util
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path

NAME = "cam_server"
FOLDER = Path(__file__).parent / "cam_server_names"


class CamServerNames(MetaPathFinder):
    """Finds ``cam_server`` in :mod:`camstream_worker.scripts.cam_server_names`; Python then finds everything in it by itself.

    It is asked last: a cam_server that is installed, or lies in a library folder of the user, is taken instead, as a whole.
    """

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002 - the protocol's
        if fullname != NAME:
            return None
        return importlib.util.spec_from_file_location(NAME, FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)])


def offer_cam_server_names() -> None:
    """Make ``import cam_server`` work in this process. Nothing is imported yet."""
    if not any(isinstance(finder, CamServerNames) for finder in sys.meta_path):
        sys.meta_path.append(CamServerNames())
