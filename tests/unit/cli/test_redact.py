"""What is taken out of a report before anybody else sees it, and what stays."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camstream_cli.cluster.redact import REMOVED, redact, redact_text

SECRET = "hunter2-very-secret"


@pytest.mark.parametrize(
    "value",
    [
        {"password": SECRET},
        {"dbPassword": SECRET},
        {"spec": {"parameters": {"api_key": SECRET}}},
        {"parameters": {"token": [SECRET]}},
        {"credentials": {"user": SECRET}},
        {"env": [{"name": "ANYTHING", "value": SECRET}]},
        {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": SECRET}}},
        {"data": {"config.json": json.dumps({"parameters": {"private_key": SECRET}})}},
        {"address": f"https://me:{SECRET}@archive:80/x"},
        {"message": f"Authorization: Bearer {SECRET}"},
        {"dbPwd": SECRET},
        {"passphrase": SECRET},
        {"parameters": {"db_pass": SECRET, "pass": SECRET}},
        {"env": [{"name": "CAMSTREAM_TOKEN", "value": SECRET}]},
        {"args": ["--password", SECRET]},
        {"command": ["archiver", f"--db-passphrase={SECRET}", "-token", SECRET]},
        {"spec": {"script": {"source": f"connect('me', '{SECRET}')"}}},
        {"data": {"config.json": json.dumps({"script": {"source": f"connect('me', '{SECRET}')"}})}},
        {"text": f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----"},
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_secret_is_removed(value: Any) -> None:
    assert SECRET not in json.dumps(redact(value))


@pytest.mark.parametrize(
    "line",
    [
        f"logging in with password={SECRET}",
        f'"apiKey": "{SECRET}"',
        f"ACCESS_KEY: '{SECRET}'",
        f"curl -H 'authorization: Bearer {SECRET}' x",
        f"reading ftp://me:{SECRET}@host/file",
        f"DB_PASSWD = {SECRET}; next",
        f"pwd: {SECRET}",
        f"passphrase={SECRET}",
        f"archiver --password {SECRET} --host x",
        f"authorization = '{SECRET}'",
        "eyJhbGciOiJSUzI1NiIs.eyJzdWIiOiJteSJ9.c2lnbmF0dXJl",
    ],
)
def test_secret_in_a_log_is_removed_and_the_line_stays(line: str) -> None:
    found = redact_text(f"before\n{line}\nafter\n")
    assert SECRET not in found
    assert "eyJ" not in found
    assert REMOVED in found
    assert found.splitlines()[0] == "before"
    assert found.splitlines()[-1] == "after"


@pytest.mark.parametrize(
    "value",
    [
        {"spec": {"source": {"bsread": {"address": "tcp://sender:9999", "channel": "CAM:FPICTURE"}}}},
        {"env": [{"name": "EPICS_CA_ADDR_LIST", "value": "172.16.0.255"}]},
        {"secretName": "archive"},
        {"automountServiceAccountToken": False},
        {"imagePullSecrets": [{"name": "registry"}]},
        {"count": 3, "ratio": 0.5, "nothing": None},
        {"args": ["--page-port", "8080", "--tokens"]},
        {"message": "12 frames passed, bypass: 3, encompasses = 4"},
        {"source": {"simulation": {"width": 3}}},
        {"script": {"configMap": {"name": "mine", "key": "script.py"}}},
        {"message": "frame 17 at pulse 4711 took 3.5 s"},
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_what_helps_to_find_a_fault_stays(value: Any) -> None:
    assert redact(value) == value


def test_program_that_is_removed_can_be_recognised() -> None:
    text = "import os\nprint(1)\n"
    found = redact({"script": {"source": text}})["script"]["source"]
    assert found == f"{REMOVED}: 2 lines, SHA-256 {hashlib.sha256(text.encode()).hexdigest()}"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda part: st.lists(part) | st.dictionaries(st.text(), part)))
def test_anything_can_be_redacted_and_nothing_is_found_at_the_second_time(value: Any) -> None:
    once = redact(value)
    assert redact(once) == once
