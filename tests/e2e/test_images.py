"""The images as a node runs them: another user, a root that cannot be written to, no network but their own."""

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cluster_runs import figure
from kind import USER, Cluster, Image, Images, docker

RATE_HZ = 20


def camera_config() -> dict[str, object]:
    return {
        "kind": "Camera",
        "name": "simulated",
        "externalName": "simulated",
        "camera": {"source": {"simulation": {"width": 320, "height": 240, "frameRate": RATE_HZ}}},
        "streamAddress": "tcp://0.0.0.0:9999",
        "httpHost": "0.0.0.0",
        "httpPort": 8080,
    }


def pipeline_config() -> dict[str, object]:
    """Of the camera above, in the same network; with steps that have kernels of their own."""
    processing = {"binning": {"sizeX": 2, "sizeY": 2}, "rotation": {"angle": 3}, "threshold": 1}
    return {
        "kind": "Pipeline",
        "name": "analysed",
        "externalName": "analysed",
        "pipeline": {"input": {"camera": {"name": "simulated"}}, "processing": processing},
        "inputAddress": "tcp://127.0.0.1:9999",
        "streamAddress": "tcp://127.0.0.1:10000",
        "httpPort": 8081,
    }


def in_container(image: Image, *command: str) -> str:
    """What a command writes in a container of its own."""
    options = ["run", "--rm", "--read-only", "--tmpfs", "/tmp", "--network", "none", "--entrypoint", command[0]]
    return run(*options, image.name, *command[1:])


def run(*arguments: str) -> str:
    done = subprocess.run([docker(), *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def running(image: Image, folder: Path, config: dict[str, object], network: str) -> Iterator[str]:
    """A worker in a container; yields the container's name."""
    name = f"camstream-test-{secrets.token_hex(4)}"
    path = folder / f"{config['name']}.json"
    path.write_text(json.dumps(config))
    mount = f"{path}:/etc/camstream/config.json:ro"
    run("run", "--detach", "--name", name, "--read-only", "--tmpfs", "/tmp", "--network", network, "--volume", mount, image.name)
    try:
        yield name
    finally:
        run("rm", "--force", name)


@pytest.mark.parametrize("which", ["operator", "worker"])
def test_an_image_runs_as_a_user_without_rights(built_images: Images, which: str) -> None:
    image: Image = getattr(built_images, which)
    assert run("image", "inspect", "--format", "{{.Config.User}}", image.name).strip() == f"{USER}:{USER}"
    assert in_container(image, "id", "-u").strip() == str(USER)


@pytest.mark.parametrize("which", ["operator", "worker"])
def test_an_image_holds_neither_tests_nor_what_builds_packages(built_images: Images, which: str) -> None:
    image: Image = getattr(built_images, which)
    packages = in_container(image, "sh", "-c", "ls -d /opt/camstream/lib/python3*/site-packages/*").split()
    assert "camstream" in {Path(package).name for package in packages}
    assert not {Path(package).name.lower() for package in packages} & {"pip", "setuptools", "cython", "pytest", "hatchling"}
    assert in_container(image, "find", "/opt/camstream", "-name", "tests", "-o", "-name", ".cache") == ""


@pytest.mark.parametrize(("which", "most_mb"), [("operator", 300), ("worker", 600)])
def test_an_image_adds_no_more_to_its_base_than_it_needs(built_images: Images, which: str, most_mb: int) -> None:
    """What is installed; llvmlite and scipy are half of the worker's, and Kubernetes' client is a third of the operator's."""
    image: Image = getattr(built_images, which)
    size_mb = int(in_container(image, "du", "-s", "--block-size=MB", "/opt/camstream").partition("MB")[0])
    figure(f"size of what the {which} image adds to its base", size_mb, "MB")
    assert size_mb <= most_mb


def test_the_operator_image_has_no_numerics_of_workers(built_images: Images) -> None:
    code = (
        "import importlib.util as u; print([name for name in ('numba', 'scipy', 'h5py', 'epics', 'camstream_worker') if u.find_spec(name)])"
    )
    assert in_container(built_images.operator, "python", "-c", code).strip() == "[]"


def test_the_operator_image_loads_the_operator_and_the_gateway(built_images: Images) -> None:
    assert "usage: camstream-operator" in in_container(built_images.operator, "camstream-operator", "--help")
    assert "usage:" in in_container(built_images.operator, "python", "-m", "camstream_gateway.app", "--help")


def test_the_worker_image_has_all_kernels_and_compiles_none(built_images: Images, tmp_path: Path) -> None:
    with (
        running(built_images.worker, tmp_path, camera_config(), "none") as camera,
        running(built_images.worker, tmp_path, pipeline_config(), f"container:{camera}") as pipeline,
    ):
        shown = run(
            "exec", pipeline, "camstream", "receive", "tcp://127.0.0.1:10000", "--count", "3", "--output", "json", "--timeout", "60"
        )
        baked, used = (
            run("exec", pipeline, "sh", "-c", f"cd {where} && find . -name '*.nbc' | sort").splitlines()
            for where in ("/opt/camstream/kernels", "/tmp/camstream-kernels-*")
        )
    assert len(shown.splitlines()) == 3
    assert json.loads(shown.splitlines()[-1])["channels"]["x_fit_converged"]
    assert baked
    assert used == baked


def test_a_worker_ends_of_itself_when_it_is_told_to(built_images: Images, tmp_path: Path) -> None:
    with running(built_images.worker, tmp_path, camera_config(), "none") as camera:
        run("exec", camera, "camstream", "receive", "tcp://127.0.0.1:9999", "--count", "1", "--timeout", "60")
        run("stop", "--time", "60", camera)
        assert run("inspect", "--format", "{{.State.ExitCode}}", camera).strip() == "0"


@pytest.fixture
def camera_service(cluster: Cluster, images: Images, namespace: str) -> str:
    """Address of a camera that nobody but this test manages."""
    labels = {"app": "camera"}
    cluster.apply(
        namespace,
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "camera"}, "data": {"config.json": json.dumps(camera_config())}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "camera"},
            "spec": {"selector": labels, "ports": [{"name": "stream", "port": 9999}]},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "camera", "labels": labels},
            "spec": {
                "automountServiceAccountToken": False,
                "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [
                    {
                        "name": "worker",
                        "image": images.worker.name,
                        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 1},
                        "volumeMounts": [{"name": "config", "mountPath": "/etc/camstream"}, {"name": "tmp", "mountPath": "/tmp"}],
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }
                ],
                "volumes": [{"name": "config", "configMap": {"name": "camera"}}, {"name": "tmp", "emptyDir": {}}],
            },
        },
    )
    cluster.wait(namespace, "pod/camera", "condition=Ready")
    return f"tcp://camera.{namespace}.svc:9999"


def test_a_pod_reads_frames_of_another_through_its_service(cluster: Cluster, namespace: str, camera_service: str) -> None:
    first, second = cluster.read_frames(namespace, camera_service, count=2, channels=["image"])
    assert second.pulse_id > first.pulse_id
    assert first.channels["image"]["shape"] == [240, 320]


def test_frames_reach_pods_of_every_node_in_their_order(cluster: Cluster, namespace: str, camera_service: str) -> None:
    for node in cluster.nodes():
        with cluster.reader(namespace, camera_service, node=node) as reader:
            readings = reader.wait_for("two seconds of frames", lambda found: len(found) > 2 * RATE_HZ)
        pulses = [reading.pulse_id for reading in readings]
        assert pulses == sorted(set(pulses))
