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


@pytest.mark.parametrize(
    ("client", "file", "variables"),
    [
        (CamClient, "test_cam_client.py", {"cam"}),
        (PipelineClient, "test_pipeline_client.py", {"pipe"}),
        (ProxyClient, "test_proxy_client.py", {"proxy"}),
    ],
)
def test_every_method_is_called(client: type, file: str, variables: set[str]) -> None:
    methods = {name for name, _ in inspect.getmembers(client, inspect.isfunction) if not name.startswith("_")}
    tree = ast.parse((HERE / file).read_text())
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value).split(".")[-1] in variables}
    assert methods - HELPERS - used == set()


def test_every_behaviour_of_the_table_is_tried_and_every_scenario_is_in_it() -> None:
    named = set(re.findall(r"`([a-z]+(?:_[a-z0-9]+){3,})`", (HERE / "README.md").read_text(encoding="utf-8"))) - METHODS
    sources = [*HERE.glob("test_*.py"), HERE.parent / "support" / "client_scenarios.py"]
    functions = {node.name for file in sources for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)}
    assert named - functions == set()
    assert {scenario.__name__ for scenario in SCENARIOS} - named == set()
