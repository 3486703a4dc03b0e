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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ports import free_port
from ruamel.yaml import YAML
from waiting import wait_for

ROOT = Path(__file__).parents[2]
TOKEN = secrets.token_hex(16)
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


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
    """A running API server, where everything is allowed to the user of ``kubeconfig``."""

    url: str
    certificate: Path
    kubeconfig: Path
    process: "Process"
    """The kube-apiserver, which may be stopped and started again: what is stored stays."""

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Answer:
        """Send one request; an HTTP error is an answer like any other."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": content_type, "Accept": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, context=self.context(), timeout=30) as response:
                return Answer(response.status, json.loads(response.read()))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, json.loads(error.read()))

    def context(self) -> ssl.SSLContext:
        """For connections to it."""
        found = ssl.create_default_context(cafile=str(self.certificate))
        found.check_hostname = False
        return found

    def start(self) -> None:
        """Start it, also once more, and wait until it answers."""
        self.process.start()
        wait_for("kube-apiserver is ready", lambda: _ready(self), timeout_s=90)

    def kubeconfig_of(self, user: str) -> Path:
        """For one of the ``users`` that it was started with."""
        found = self.kubeconfig.with_name(f"kubeconfig-{user.replace(':', '-')}")
        write_kubeconfig(found, self.url, self.certificate, token_of(user))
        return found


class Process:
    """A program that can be started more than once, with one log."""

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        self._command, self.log = list(command), log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as file:
            self._process = subprocess.Popen(self._command, stdout=file, stderr=file, stdin=subprocess.DEVNULL)

    def ended(self) -> int | None:
        """Its exit code, once it has ended."""
        return self._process.poll() if self._process else None

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)


def token_of(user: str | None = None) -> str:
    return f"{TOKEN}-{user}" if user else TOKEN


def write_kubeconfig(file: Path, url: str, certificate: Path | None, token: str) -> None:
    """:param certificate: None for a server that speaks plain HTTP"""
    cluster = {"server": url} | ({"certificate-authority": str(certificate)} if certificate else {})
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "tester", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "tester"}}],
        "current-context": "test",
    }
    file.write_text(json.dumps(content))


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


def install_crds(server: ApiServer) -> None:
    """Our kinds; they are served when this returns."""
    for file in sorted((ROOT / "crds").glob("*.yaml")):
        answer = server.request("POST", CRDS, YAML(typ="safe").load(file))
        assert answer.status == 201, answer.message
        path = f"{CRDS}/{answer.body['metadata']['name']}"
        wait_for(f"{path} is established", lambda: _established(server.request("GET", path)), 60)  # noqa: B023


def _established(crd: Answer) -> bool:
    conditions = crd.body.get("status", {}).get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


@contextmanager
def running_api_server(
    folder: Path, *arguments: str, users: Mapping[str, Sequence[str]] | None = None, authorization: str = "AlwaysAllow"
) -> Iterator[ApiServer]:
    """Start etcd and kube-apiserver, and stop both at the end.

    :param folder: for their data and logs; empty
    :param arguments: more of them for kube-apiserver
    :param users: names of more users, with their groups
    """
    etcd, api_server = binary("etcd"), binary("kube-apiserver")
    etcd_url, peer_url = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    port = free_port()
    _write_keys(folder, users or {})
    database = Process(
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
    process = Process(
        [
            api_server,
            f"--etcd-servers={etcd_url}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={port}",
            f"--cert-dir={folder}",
            f"--token-auth-file={folder / 'tokens.csv'}",
            f"--authorization-mode={authorization}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={folder / 'accounts.key'}",
            f"--service-account-signing-key-file={folder / 'accounts.key'}",
            "--service-cluster-ip-range=10.0.0.0/16",
            "--disable-admission-plugins=ServiceAccount",
            *arguments,
        ],
        folder / "kube-apiserver.log",
    )
    server = ApiServer(f"https://127.0.0.1:{port}", folder / "apiserver.crt", folder / "kubeconfig", process)
    write_kubeconfig(server.kubeconfig, server.url, server.certificate, TOKEN)
    with ExitStack() as stack:
        stack.callback(database.stop)
        database.start()
        stack.callback(process.stop)
        server.start()
        yield server


def _ready(server: ApiServer) -> bool:
    if (code := server.process.ended()) is not None:
        raise AssertionError(f"kube-apiserver ended with {code}:\n{server.process.log.read_text()[-4000:]}")
    if not server.certificate.exists():
        return False
    try:
        # readyz answers in plain text; a list that comes at all says as much
        return server.request("GET", "/api/v1/namespaces/default").status == 200
    except OSError:
        return False


def _write_keys(folder: Path, users: Mapping[str, Sequence[str]]) -> None:
    others = "".join(f'{token_of(user)},{user},{user},"{",".join(groups)}"\n' for user, groups in users.items())
    (folder / "tokens.csv").write_text(f'{TOKEN},tester,tester,"system:masters"\n{others}')
    # The shortest private key that there is: 32 random bytes on the curve P-256, as SEC 1 says.
    der = bytes.fromhex("30310201010420") + secrets.token_bytes(32) + bytes.fromhex("a00a06082a8648ce3d030107")
    body = base64.b64encode(der).decode()
    (folder / "accounts.key").write_text(f"-----BEGIN EC PRIVATE KEY-----\n{body}\n-----END EC PRIVATE KEY-----\n")
