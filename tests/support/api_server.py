"""A real kube-apiserver with its etcd, and nothing else of Kubernetes, on free loopback ports."""

import base64
import json
import os
import secrets
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ports import free_port
from waiting import wait_for

TOKEN = secrets.token_hex(16)


@dataclass(frozen=True)
class Answer:
    """What the API server said."""

    status: int
    body: dict[str, Any]

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))


@dataclass(frozen=True)
class ApiServer:
    """A running API server, where everything is allowed to the one user that there is."""

    url: str
    certificate: Path
    kubeconfig: Path

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Answer:
        """Send one request; an HTTP error is an answer like any other."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        context.check_hostname = False
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": content_type, "Accept": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, context=context, timeout=30) as response:
                return Answer(response.status, json.loads(response.read()))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, json.loads(error.read()))


def binary(name: str) -> str:
    """Path of a Kubernetes binary: from ``$CLUSTER_CACHE/bin``, or else from the path.

    Without it the test is skipped, and in CI it fails.
    """
    cache = Path(os.environ.get("CLUSTER_CACHE", "/var/cache/kind-offline")) / "bin"
    found = shutil.which(name, path=os.pathsep.join([str(cache), os.environ.get("PATH", "")]))
    if found is None:
        reason = f"{name} is neither in {cache} nor in PATH: THIS TIER OF TESTS DOES NOT RUN"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@contextmanager
def running_api_server(folder: Path) -> Iterator[ApiServer]:
    """Start etcd and kube-apiserver, and stop both at the end.

    :param folder: for their data and logs; empty
    """
    etcd, api_server, kubectl = binary("etcd"), binary("kube-apiserver"), binary("kubectl")
    etcd_url, peer_url = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    port = free_port()
    url = f"https://127.0.0.1:{port}"
    server = ApiServer(url, folder / "apiserver.crt", folder / "kubeconfig")
    _write_keys(folder)
    with ExitStack() as stack:
        stack.enter_context(
            _process(
                [
                    etcd,
                    f"--data-dir={folder / 'etcd'}",
                    f"--listen-client-urls={etcd_url}",
                    f"--advertise-client-urls={etcd_url}",
                    f"--listen-peer-urls={peer_url}",
                    f"--initial-advertise-peer-urls={peer_url}",
                    f"--initial-cluster=default={peer_url}",
                    "--unsafe-no-fsync",
                ],
                folder / "etcd.log",
            )
        )
        process = stack.enter_context(
            _process(
                [
                    api_server,
                    f"--etcd-servers={etcd_url}",
                    "--bind-address=127.0.0.1",
                    "--advertise-address=127.0.0.1",
                    f"--secure-port={port}",
                    f"--cert-dir={folder}",
                    f"--token-auth-file={folder / 'tokens.csv'}",
                    "--authorization-mode=AlwaysAllow",
                    "--service-account-issuer=https://kubernetes.default.svc",
                    f"--service-account-key-file={folder / 'accounts.key'}",
                    f"--service-account-signing-key-file={folder / 'accounts.key'}",
                    "--service-cluster-ip-range=10.0.0.0/24",
                    "--disable-admission-plugins=ServiceAccount",
                ],
                folder / "kube-apiserver.log",
            )
        )
        wait_for("kube-apiserver is ready", lambda: _ready(server, process, folder), timeout_s=90)
        _write_kubeconfig(kubectl, server)
        yield server


@contextmanager
def _process(command: list[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)


def _ready(server: ApiServer, process: "subprocess.Popen[bytes]", folder: Path) -> bool:
    if process.poll() is not None:
        raise AssertionError(f"kube-apiserver ended with {process.returncode}:\n{(folder / 'kube-apiserver.log').read_text()[-4000:]}")
    if not server.certificate.exists():
        return False
    try:
        # readyz answers in plain text; a list that comes at all says as much
        return server.request("GET", "/api/v1/namespaces/default").status == 200
    except OSError:
        return False


def _write_keys(folder: Path) -> None:
    (folder / "tokens.csv").write_text(f'{TOKEN},tester,tester,"system:masters"\n')
    # The shortest private key that there is: 32 random bytes on the curve P-256, as SEC 1 says.
    der = bytes.fromhex("30310201010420") + secrets.token_bytes(32) + bytes.fromhex("a00a06082a8648ce3d030107")
    body = base64.b64encode(der).decode()
    (folder / "accounts.key").write_text(f"-----BEGIN EC PRIVATE KEY-----\n{body}\n-----END EC PRIVATE KEY-----\n")


def _write_kubeconfig(kubectl: str, server: ApiServer) -> None:
    def configure(*arguments: str) -> None:
        subprocess.run([kubectl, f"--kubeconfig={server.kubeconfig}", "config", *arguments], check=True, stdout=subprocess.DEVNULL)

    configure("set-cluster", "test", f"--server={server.url}", f"--certificate-authority={server.certificate}")
    configure("set-credentials", "tester", f"--token={TOKEN}")
    configure("set-context", "test", "--cluster=test", "--user=tester")
    configure("use-context", "test")
