"""Manifests from files: what is right, and a plain sentence at the right place for everything that is wrong."""

import textwrap
from pathlib import Path

import pytest

from camstream_cli.manifests import Manifests, load

CAMERA = """\
apiVersion: camstream.dev/v1alpha1
kind: Camera
metadata:
  name: cam
spec:
  source:
    simulation: {}
"""


def loaded(folder: Path, **files: str) -> Manifests:
    """Load files of a folder; ``a_yaml="..."`` is the file ``a.yaml``."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return load([folder])


def problems(found: Manifests) -> list[str]:
    """Without the folder, which differs from run to run."""
    return [str(problem._replace(file=Path(problem.file.name))) for problem in found.problems]


def camera(spec: str, name: str = "cam") -> str:
    return CAMERA.replace("name: cam", f"name: {name}").partition("spec:\n")[0] + f"spec:\n{textwrap.indent(textwrap.dedent(spec), '  ')}"


def pipeline(spec: str, name: str = "pipe") -> str:
    return camera(spec, name).replace("kind: Camera", "kind: Pipeline")


def names(found: Manifests) -> list[tuple[str, str]]:
    return [(placed.kind, placed.object.name) for placed in found.objects]


def test_folders_are_read_with_all_folders_in_them_in_order(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        b_yaml=camera("source: {simulation: {}}", "b"),
        a_yml=camera("source: {simulation: {}}", "a"),
        c__d_json='{\n\t"apiVersion": "camstream.dev/v1alpha1", "kind": "Camera",\n\t"metadata": {"name": "d"}, '
        '"spec": {"source": {"simulation": {}}}\n}',
        notes_txt="no manifest",
    )
    assert names(found) == [("Camera", "a"), ("Camera", "b"), ("Camera", "d")]
    assert found.problems == []


def test_hidden_files_and_folders_are_not_read(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "a.yaml").write_text("broken: {")
    (tmp_path / ".b.yaml").write_text("broken: {")
    (tmp_path / "c.yaml").write_text(CAMERA)
    assert names(load([tmp_path])) == [("Camera", "cam")]
    assert load([tmp_path]).problems == []


def test_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(CAMERA)
    found = load([file, tmp_path, file])
    assert names(found) == [("Camera", "cam")]
    assert found.problems == []


def test_file_holds_several_objects_and_empty_documents(tmp_path: Path) -> None:
    found = loaded(tmp_path, a_yaml="---\n" + CAMERA + "---\n---\n# nothing\n---\n" + camera("source: {simulation: {}}", "two"))
    assert [(placed.object.name, placed.line) for placed in found.objects] == [("cam", 5), ("two", 16)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1, 2\nb: 3\n", "a.yaml:2:2: broken YAML: expected ',' or ']', but got ':'"),
        ("a: {\n", "a.yaml:2:1: broken YAML: "),
        ("a: 1\na: 2\n", 'a.yaml:2:1: broken YAML: found duplicate key "a"'),
        ("a: b: c\n", "a.yaml:1:5: broken YAML: mapping values are not allowed here"),
        ("a: !thing 1\nkind: x\n", "a.yaml:1:1: apiVersion: is missing"),
        ("- 1\n", "a.yaml:1:1: expected an object with apiVersion, kind, metadata and spec"),
        ("text\n", "a.yaml:1:1: expected an object"),
        ("kind: Camera\n", "a.yaml:1:1: apiVersion: is missing; expected a text"),
        ("apiVersion: camstream.dev/v1alpha1\n", "a.yaml:1:1: kind: is missing; expected a text"),
        ("apiVersion: camstream.dev/v1alpha1\nkind: 3\n", "a.yaml:2:1: kind: is missing; expected a text"),
        (
            "apiVersion: camstream.dev/v2\nkind: Camera\n",
            "a.yaml:1:1: apiVersion: 'camstream.dev/v2' is unknown; expected camstream.dev/v1alpha1",
        ),
        ("apiVersion: camstream.dev/v1alpha1\nkind: Camra\n", "a.yaml:2:1: kind: 'Camra' is unknown; did you mean Camera?"),
        (
            "apiVersion: camstream.dev/v1alpha1\nkind: Worker\n",
            "a.yaml:2:1: kind: 'Worker' is unknown; there are Camera, Pipeline, Background",
        ),
        (
            "apiVersion: camstream.dev/v1alpha1\nkind: Camera\n",
            "a.yaml:1:1: metadata: is missing; it is required: The part of Kubernetes' object metadata",
        ),
    ],
)
def test_what_is_no_object_of_ours_is_told(tmp_path: Path, text: str, expected: str) -> None:
    found = loaded(tmp_path, a_yaml=text)
    assert problems(found)[0].startswith(expected)
    assert found.objects == []


def test_documents_before_broken_yaml_count(tmp_path: Path) -> None:
    found = loaded(tmp_path, a_yaml=CAMERA + "---\na: {\n")
    assert names(found) == [("Camera", "cam")]
    assert len(found.problems) == 1


def test_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe4\xf6")
    (tmp_path / "empty").mkdir()
    found = load([tmp_path / "nowhere.yaml", tmp_path / "latin.yaml", tmp_path / "empty"])
    assert [problem.message for problem in found.problems] == [
        "there is no file *.yaml, *.yml, *.json in this folder",
        "is no text in UTF-8: invalid continuation byte at byte 6",
        "cannot be read: No such file or directory",
    ]


def test_objects_of_others_are_left_out_with_a_note(tmp_path: Path) -> None:
    found = loaded(tmp_path, a_yaml="apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n---\n" + CAMERA)
    assert found.problems == []
    assert [note.message for note in found.notes] == ["Secret of v1 is none of ours, and is left out"]
    assert names(found) == [("Camera", "cam")]


SCRIPTED = """\
apiVersion: camstream.dev/v1alpha1
kind: Pipeline
metadata: {name: scripted}
spec:
  input: {address: "tcp://sender:9999"}
  script:
    configMap: {name: CONFIG_MAP, key: KEY}
"""
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: scripts}\ndata: {beam.py: pass}\n"


@pytest.mark.parametrize(
    ("name", "key", "problem"),
    [
        ("scripts", "beam.py", None),
        ("script", "beam.py", "7:17: spec.script.configMap.name: ConfigMap 'script' is not among these files; did you mean scripts?"),
        ("scripts", "bean.py", "7:32: spec.script.configMap.key: ConfigMap 'scripts' has no entry 'bean.py'; did you mean beam.py?"),
    ],
)
def test_script_of_a_config_map_is_looked_for_in_it(tmp_path: Path, name: str, key: str, problem: str | None) -> None:
    found = loaded(tmp_path, a_yaml=SCRIPTED.replace("CONFIG_MAP", name).replace("KEY", key), b_yaml=CONFIG_MAP)
    assert [str(one).partition("a.yaml:")[2] for one in found.problems] == ([problem] if problem else [])
    assert found.config_maps == {("default", "scripts"): {"beam.py": "pass"}}


FIELDS: dict[str, tuple[str, str]] = {
    "unknown field": (
        "source:\n  simulation:\n    widht: 5",
        "8:7: spec.source.simulation.widht: there is no such field; did you mean width?",
    ),
    "field in another spelling": (
        "source:\n  simulation:\n    frame_rate: 5",
        "8:7: spec.source.simulation.frame_rate: there is no such field; did you mean frameRate?",
    ),
    "field that is like no other": (
        "source: {simulation: {}}\nlifecycle: {xyz: 1}",
        "7:15: spec.lifecycle.xyz: there is no such field; there are mode, idleTimeoutSeconds, deleteWhenIdle",
    ),
    "missing field": (
        "source:\n  hdf5:\n    path: /a.h5",
        "7:5: spec.source.hdf5.dataset: is missing; it is required: Path of the dataset inside the file.",
    ),
    "word that is none": (
        "source:\n  bsread: {address: 'tcp://a:1', mode: sub}",
        "7:36: spec.source.bsread.mode: 'sub' is not one of Sub, Pull",
    ),
    "number out of range": (
        "source:\n  simulation: {width: 0}",
        "7:18: spec.source.simulation.width: expected a whole number from 1 to 32768, found 0",
    ),
    "number at an open end": (
        "source:\n  simulation: {frameRate: 0}",
        "7:18: spec.source.simulation.frameRate: expected a number above 0 and of at most 100000, found 0",
    ),
    "number between open ends": (
        "source:\n  simulation: {noise: 1.5}",
        "7:18: spec.source.simulation.noise: expected a number from 0 to 1, found 1.5",
    ),
    "no whole number": (
        "source:\n  simulation: {width: 2.5}",
        "7:18: spec.source.simulation.width: expected a whole number from 1 to 32768, found 2.5",
    ),
    "text for a number": (
        "source:\n  simulation: {width: '5'}",
        "7:18: spec.source.simulation.width: expected a whole number from 1 to 32768, found '5'",
    ),
    "not a number": (
        "source: {simulation: {}}\ncalibration: {angleVertical: .nan}",
        "7:17: spec.calibration.angleVertical: expected a number, found nan",
    ),
    "number for a boolean": (
        "source:\n  simulation: {}\n  simulatePulseId: 1",
        "8:5: spec.source.simulatePulseId: expected true or false, found 1",
    ),
    "boolean for a text": (
        "source: {simulation: {}}\nexternalName: true",
        "7:3: spec.externalName: expected a text with no slash and no blank, found true; write yes, no, on, off, y and n in quotes",
    ),
    "bare word that kubectl takes for a boolean": (
        "source: {simulation: {}}\ngroups: [a, on, 'off']",
        "7:15: spec.groups[1]: expected a text with no slash and no blank, found true; write yes, no, on, off, y and n in quotes",
    ),
    "text for a mapping": ("source: simulation", "6:3: spec.source: expected a mapping, found 'simulation'"),
    "nothing for a mapping": ("source:", "6:3: spec.source: expected a mapping, found nothing"),
    "mapping for a list": (
        "source: {simulation: {}}\naliases: {a: b}",
        "7:3: spec.aliases: expected a list, found a mapping",
    ),
    "list for a text": (
        "source: {simulation: {}}\naliases:\n  - a\n  - [b]",
        "9:7: spec.aliases[1]: expected a text with no slash and no blank, found a list",
    ),
    "text in the wrong form": (
        "source: {bsread: {address: 'host:1'}}",
        "6:21: spec.source.bsread.address: expected a text with the form tcp://host:port or ipc://path, found 'host:1'",
    ),
    "text that is too long": (
        f"source: {{simulation: {{}}}}\nexternalName: {'a' * 129}",
        "7:3: spec.externalName: has 129 characters, and at most 128 are allowed",
    ),
    "empty text": ("source: {simulation: {}}\naliases: ['']", "7:13: spec.aliases[0]: must not be empty"),
    "list that is too long": (
        f"source: {{simulation: {{}}}}\ngroups: {['g'] * 33}",
        "7:3: spec.groups: has 33 entries, and at most 32 are allowed",
    ),
    "rule between fields": (
        "source:\n  timeoutSeconds: 3",
        "6:3: spec.source: set exactly one of simulation, bsread, epics, hdf5; found none",
    ),
    "place of a default": (
        "source: {simulation: {}}\nbackground: {name: a/b}",
        "7:3: spec.background: name must be a plain id, without a slash and without a dot in front",
    ),
}


@pytest.mark.parametrize(("spec", "expected"), FIELDS.values(), ids=FIELDS)
def test_wrong_field_is_told_at_its_line_in_plain_words(tmp_path: Path, spec: str, expected: str) -> None:
    # The spec of the manifest starts at line 6, column 3.
    assert problems(loaded(tmp_path, a_yaml=camera(spec))) == [f"a.yaml:{expected}"]


def test_everything_wrong_in_one_object_is_told_at_once(tmp_path: Path) -> None:
    found = loaded(tmp_path, a_yaml=camera("source:\n  simulation: {width: 0, height: 0}\nalias: a\n", "Cam"))
    assert [(problem.line, problem.path) for problem in found.problems] == [
        (4, "metadata.name"),
        (7, "spec.source.simulation.width"),
        (7, "spec.source.simulation.height"),
        (8, "spec.alias"),
    ]


def test_whole_number_may_be_written_with_a_point(tmp_path: Path) -> None:
    # As in Kubernetes, where 10.0 and 10 are the same JSON number.
    assert loaded(tmp_path, a_yaml=camera("source: {simulation: {width: 10.0}}")).problems == []


def test_boolean_may_be_a_bare_word_as_for_kubectl(tmp_path: Path) -> None:
    found = loaded(tmp_path, a_yaml=camera("source: {simulation: {}}\ngeometry: {mirror: {leftRight: yes}}"))
    assert found.problems == []
    assert found.objects[0].object.to_dict()["spec"]["geometry"] == {"mirror": {"leftRight": True}}


def test_anchors_and_merges_are_followed(tmp_path: Path) -> None:
    found = loaded(
        tmp_path, a_yaml=camera("source:\n  simulation: &s {width: 5}\ngeometry: {}\n") + "---\n" + CAMERA.replace("name: cam", "name: b")
    )
    assert found.problems == []


def test_metadata_of_kubernetes_is_kept_as_it_is(tmp_path: Path) -> None:
    text = CAMERA.replace("name: cam", 'name: cam\n  labels: {a: b}\n  creationTimestamp: 2026-11-21T07:00:00Z\n  resourceVersion: "5"')
    found = loaded(tmp_path, a_yaml=text)
    assert found.problems == []
    assert found.objects[0].object.metadata.labels == {"a": "b"}


def test_name_that_is_there_twice_is_told_with_both_places(tmp_path: Path) -> None:
    found = loaded(tmp_path, a_yaml=CAMERA, b_yaml=CAMERA)
    assert problems(found) == [
        f"b.yaml:4:3: metadata.name: Camera 'cam' is there twice, first at {tmp_path / 'a.yaml'}:4; give one of them another name"
    ]
    assert found.fine == []


def test_equal_names_of_other_kinds_and_namespaces_are_no_problem(tmp_path: Path) -> None:
    elsewhere = CAMERA.replace("name: cam", "name: cam\n  namespace: other")
    found = loaded(tmp_path, a_yaml=CAMERA, b_yaml=elsewhere, c_yaml=pipeline("input: {camera: {name: cam}}", "cam"))
    assert found.problems == []


def test_external_name_that_is_there_twice_is_told(tmp_path: Path) -> None:
    found = loaded(tmp_path, a_yaml=CAMERA, b_yaml=camera("source: {simulation: {}}\nexternalName: cam", "other"))
    assert problems(found)[0].startswith("b.yaml:7:3: spec.externalName: Camera 'cam' is there twice, first at ")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("camera", "a.yaml:15:14: spec.input.camera.name: Camera 'cat' is not among these files; did you mean cam?"),
        ("pipeline", "a.yaml:15:16: spec.input.pipeline.name: Pipeline 'cat' is not among these files; there are pipe"),
    ],
)
def test_object_that_is_not_there_is_told(tmp_path: Path, kind: str, expected: str) -> None:
    text = CAMERA + "---\n" + pipeline(f"input:\n  {kind}: {{name: cat}}")
    # Line 8 ends the first document.
    assert problems(loaded(tmp_path, a_yaml=text)) == [expected]


def test_background_of_a_camera_that_is_not_there_is_told(tmp_path: Path) -> None:
    text = camera("camera: {name: cam}").replace("kind: Camera", "kind: Background")
    assert problems(loaded(tmp_path, a_yaml=text)) == ["a.yaml:6:12: spec.camera.name: Camera 'cam' is not among these files"]


def test_camera_of_another_namespace_is_not_there(tmp_path: Path) -> None:
    found = loaded(
        tmp_path, a_yaml=CAMERA, b_yaml=pipeline("input: {camera: {name: cam}}").replace("name: pipe", "name: pipe\n  namespace: x")
    )
    assert problems(found) == ["b.yaml:7:20: spec.input.camera.name: Camera 'cam' is not among these files"]


def test_reader_of_a_broken_object_is_not_blamed(tmp_path: Path) -> None:
    found = loaded(tmp_path, a_yaml=camera("source: {}"), b_yaml=pipeline("input: {camera: {name: cam}}"))
    assert [problem.file.name for problem in found.problems] == ["a.yaml"]


def test_circle_of_pipelines_is_told_once(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        a_yaml=pipeline("input: {pipeline: {name: two}}", "one"),
        b_yaml=pipeline("input: {pipeline: {name: three}}", "two"),
        c_yaml=pipeline("input: {pipeline: {name: two}}", "three"),
    )
    assert problems(found) == [
        "b.yaml:6:11: spec.input.pipeline: pipelines in a circle: two -> three -> two; let one of them read a camera"
    ]


def test_pipeline_that_reads_itself_is_told(tmp_path: Path) -> None:
    found = loaded(tmp_path, a_yaml=pipeline("input: {pipeline: {name: pipe}}"))
    assert "pipelines in a circle: pipe -> pipe" in problems(found)[0]


def test_problems_are_told_in_the_order_of_files_and_lines(tmp_path: Path) -> None:
    twice = camera("source: {simulation: {}}\nb: 1\na: 1")
    found = loaded(tmp_path, b_yaml=twice, a_yaml=twice)
    assert [(problem.file.name, problem.line) for problem in found.problems] == [("a.yaml", 7), ("a.yaml", 8), ("b.yaml", 7), ("b.yaml", 8)]
