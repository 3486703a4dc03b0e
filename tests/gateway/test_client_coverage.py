"""No method of the clients is forgotten: each is called by the tests beside this file."""

import ast
import inspect
from pathlib import Path

import pytest
from cam_server_client import CamClient, PipelineClient, ProxyClient

HERE = Path(__file__).parent
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
