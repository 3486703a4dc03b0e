"""What those who run the installation may write, and what they are told when it is wrong."""

from pathlib import Path
from textwrap import dedent

import pytest
from pydantic import ValidationError

from camstream.errors import ClassNotAllowed, SpecError
from camstream_operator.settings import Settings, WorkerClass, read_settings

FULL = """
    namespaces: [beamline]
    workerImage: registry.example.org/camstream-worker:0.1.0
    workerImagePullPolicy: Always
    leaseName: other
    workerClasses:
      - name: default
      - name: fast
        image: registry.example.org/camstream-worker:fast
        imagePullSecrets: [registry]
        nodeSelector: {camstream.dev/fast: "true"}
        tolerations: [{key: fast, operator: Exists}]
        priorityClassName: high
        runtimeClassName: runc
        hostNetwork: true
        resources: {requests: {cpu: 500m}, limits: {cpu: "2", memory: 4Gi}}
        env: [{name: EPICS_CA_ADDR_LIST, value: 10.0.0.1}]
        volumes: [{name: data, hostPath: {path: /data}}]
        volumeMounts: [{name: data, mountPath: /data}]
        filesFolder: /data
        namespaces: [beamline, test]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


def test_an_image_is_all_that_must_be_written(file: Path) -> None:
    file.write_text("workerImage: camstream-worker:0.1.0\n")
    settings = read_settings(file)
    assert (settings.namespaces, settings.worker_image_pull_policy, settings.lease_name) == ([], "IfNotPresent", "camstream-operator")
    assert settings.worker_classes == [WorkerClass(name="default")]
    resources = settings.worker_class("default", "anywhere").resources
    assert (resources.requests.cpu, resources.requests.memory, resources.limits.cpu, resources.limits.memory) == (
        "100m",
        "256Mi",
        None,
        "1Gi",
    )


def test_everything_that_can_be_written_is_read(file: Path) -> None:
    file.write_text(dedent(FULL))
    settings = read_settings(file)
    assert settings.namespaces == ["beamline"]
    assert (settings.worker_image_pull_policy, settings.lease_name) == ("Always", "other")
    fast = settings.worker_class("fast", "test")
    unset = {name for name in WorkerClass.model_fields if getattr(fast, name) == getattr(WorkerClass(name="x"), name)}
    assert unset == set()
    # What a class says of requests stands for all of them.
    assert (fast.resources.requests.cpu, fast.resources.requests.memory) == ("500m", None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "valid dictionary"),
        ("[]", "valid dictionary"),
        ("{}", "workerImage: Field required"),
        ("workerImage: ''", "workerImage: String should have at least 1 character"),
        ("workerImage: a\nworkerImag: b", "workerImag: Extra inputs are not permitted"),
        ("workerImage: a\nworkerImagePullPolicy: Sometimes", "workerImagePullPolicy: String should match"),
        ("workerImage: a\nworkerClasses: []", "none is named 'default', which objects use when they name none"),
        ("workerImage: a\nworkerClasses: [{name: fast}]", "none is named 'default'"),
        ("workerImage: a\nworkerClasses: [{name: default}, {name: a}, {name: a}]", "workerClasses: a is there twice"),
        ("workerImage: a\nworkerClasses: [{name: default, nodeSelectors: {}}]", "workerClasses.0.nodeSelectors: Extra inputs"),
        (
            "workerImage: a\nworkerClasses: [{name: default, resources: {limits: {memory: much}}}]",
            "workerClasses.0.resources.limits.memory",
        ),
        ("workerImage: a\nworkerClasses: [{name: default, env: [{name: A}]}]", "workerClasses.0.env.0.value: Field required"),
        ("workerImage: a\nworkerImage: b", "cannot read the settings"),
        ("workerImage: [", "cannot read the settings"),
    ],
)
def test_what_is_wrong_is_told_with_the_file_and_the_place(file: Path, text: str, told: str) -> None:
    file.write_text(text)
    with pytest.raises(SpecError) as error:
        read_settings(file)
    assert str(file) in str(error.value)
    assert told in str(error.value)


def test_all_that_is_wrong_is_told_at_once(file: Path) -> None:
    file.write_text("leaseNam: x\nnamespaces: 3\n")
    with pytest.raises(SpecError, match=r"workerImage.*leaseNam|leaseNam.*workerImage") as error:
        read_settings(file)
    assert "namespaces" in str(error.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_told(file: Path, content: bytes | None) -> None:
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SpecError, match="cannot read the settings"):
        read_settings(file)


SETTINGS = Settings.model_validate(
    {"workerImage": "a", "workerClasses": [{"name": "default"}, {"name": "fast", "namespaces": ["beamline", "test"]}]}
)


def test_a_class_without_namespaces_may_be_used_everywhere() -> None:
    assert SETTINGS.worker_class("default", "any").name == "default"


def test_a_class_with_namespaces_may_be_used_in_each_of_them() -> None:
    assert SETTINGS.worker_class("fast", "beamline") is SETTINGS.worker_class("fast", "test")


def test_a_class_is_refused_elsewhere_with_the_reason() -> None:
    with pytest.raises(ClassNotAllowed, match=r"'fast' may not be used in namespace 'home' \(only in: beamline, test\); choose another"):
        SETTINGS.worker_class("fast", "home")


def test_a_class_that_does_not_exist_is_told_with_those_that_do() -> None:
    with pytest.raises(ClassNotAllowed, match=r"spec.worker.className 'fats' does not exist \(there are: default, fast\); correct it"):
        SETTINGS.worker_class("fats", "beamline")


def test_settings_cannot_be_changed_while_they_are_in_use() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        SETTINGS.worker_image = "b"  # type: ignore[misc]
