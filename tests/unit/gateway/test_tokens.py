"""Who may ask."""

import asyncio
import base64
from pathlib import Path

import pytest

from camstream.errors import CamstreamError
from camstream_gateway.security import Holders, read_tokens, token_of

TOKEN, OTHER = "a-token-of-some-length", "another-token-of-some-length"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "tokens"
    found.write_text(f"# of the control room\n{TOKEN}\n\n  {OTHER}  \n")
    found.chmod(0o600)
    return found


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


def has_token(header: str, tokens: frozenset[bytes]) -> bool:
    return asyncio.run(Holders(tokens).person(token_of(header))) is not None


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {OTHER}", basic(TOKEN)])
def test_token_is_taken_as_bearer_and_as_password(file: Path, header: str) -> None:
    assert has_token(header, read_tokens(file))


@pytest.mark.parametrize(
    "header", ["", TOKEN, "Bearer", "Bearer ", f"Bearer {TOKEN}x", "Bearer # of the control room", basic(""), "Basic !", f"Digest {TOKEN}"]
)
def test_nothing_else_is(file: Path, header: str) -> None:
    assert not has_token(header, read_tokens(file))


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o777])
def test_file_that_others_may_read_or_write_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(CamstreamError, match="others may read it, or its group may write it; `chmod 600"):
        read_tokens(file)


def test_file_of_a_secret_is_read(file: Path) -> None:
    # In a pod it belongs to root, and to the group of the process.
    file.chmod(0o440)
    assert len(read_tokens(file)) == 2


@pytest.mark.parametrize("content", ["", "# nothing\n", "short\n", f"{TOKEN}\nshort\n"])
def test_file_without_good_tokens_is_refused(file: Path, content: str) -> None:
    file.write_text(content)
    with pytest.raises(CamstreamError, match="expected at least one token of 16 characters"):
        read_tokens(file)


def test_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CamstreamError, match="cannot be read"):
        read_tokens(tmp_path / "nothing")
