"""What a door of the gateway answers, where only the status of HTTP is of interest."""

import urllib.error
import urllib.request


def status_of(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> int:
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def bearer(token: str) -> dict[str, str]:
    """Headers of somebody who has a token; of nobody where it is empty."""
    return {"Authorization": f"Bearer {token}"} if token else {}
