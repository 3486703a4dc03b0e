"""Requests to the gateway's own API by hand."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from typing import Any, Final

MERGE_PATCH: Final = "application/merge-patch+json"


@dataclass(frozen=True)
class Reply:
    """What the gateway said."""

    status: int
    headers: Message
    body: Any

    @property
    def tag(self) -> str:
        return str(self.headers["ETag"])

    @property
    def code(self) -> str:
        """Of an error."""
        return str(self.body["error"]["code"])

    @property
    def message(self) -> str:
        """Of an error."""
        return str(self.body["error"]["message"])


@dataclass(frozen=True)
class NativeApi:
    """The API of one gateway."""

    url: str
    """Of the page."""
    token: str = ""

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """
        :param body: JSON, or bytes as they are; PATCH sends it as a merge patch
        :param headers: with ``_`` for ``-``; an empty one is left out
        """
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        form = MERGE_PATCH if method == "PATCH" else "application/json"
        sent = {"Content-Type": form} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in sent.items() if value}
        request = urllib.request.Request(self.url.rstrip("/") + path, data, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                return Reply(answer.status, answer.headers, json.loads(answer.read() or b"null"))
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, error.headers, json.loads(error.read()))
