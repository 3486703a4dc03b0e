"""No method of the clients is forgotten: each is called by the tests beside this file."""

import ast
import inspect
import re
from pathlib import Path

import pytest
from cam_server_client import CamClient, PipelineClient, ProxyClient
from client_scenarios import SCENARIOS

HERE = Path(__file__).parent
METHODS = {name for client in (CamClient, PipelineClient, ProxyClient) for name in dir(client)}
HELPERS = {"validate_response"}
"""Public by their names, and of use to the clients themselves only."""


SCENARIO_FILE = HERE.parent / "support" / "client_scenarios.py"
"""What also runs on a cluster."""


@pytest.mark.parametrize(
    ("client", "file", "variables"),
    [
        (CamClient, HERE / "test_cam_client.py", {"cam"}),
        (PipelineClient, HERE / "test_pipeline_client.py", {"pipe"}),
        (ProxyClient, HERE / "test_proxy_client.py", {"proxy"}),
        (CamClient, SCENARIO_FILE, {"cam", "client"}),
        (PipelineClient, SCENARIO_FILE, {"pipe", "client"}),
        (ProxyClient, SCENARIO_FILE, {"proxy", "cam_proxy", "pipe_proxy"}),
    ],
    ids=lambda value: value.stem if isinstance(value, Path) else None,
)
def test_every_method_is_called(client: type, file: Path, variables: set[str]) -> None:
    methods = {name for name, _ in inspect.getmembers(client, inspect.isfunction) if not name.startswith("_")}
    tree = ast.parse(file.read_text())
    if file == SCENARIO_FILE:
        # What no scenario of the table does is not done on a cluster.
        names = {scenario.__name__ for scenario in SCENARIOS}
        tree.body = [node for node in tree.body if not isinstance(node, ast.FunctionDef) or node.name in names]
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value).split(".")[-1] in variables}
    assert methods - HELPERS - used == set()


def test_every_behaviour_of_the_table_is_tried_and_every_scenario_is_in_it() -> None:
    named = set(re.findall(r"`([a-z]+(?:_[a-z0-9]+){3,})`", (HERE / "README.md").read_text(encoding="utf-8"))) - METHODS
    sources = [*HERE.glob("test_*.py"), SCENARIO_FILE]
    functions = {node.name for file in sources for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)}
    assert named - functions == set()
    assert {scenario.__name__ for scenario in SCENARIOS} - named == set()
