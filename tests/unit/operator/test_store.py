"""What the operator knows of the cluster, and whom it looks at when something there changes."""

from typing import Any

import pytest
from pydantic import ValidationError

from camstream.names import KIND_LABEL, NAME_LABEL
from camstream.spec import Camera, Pipeline
from camstream.spec.key import Key
from camstream_operator.store import GONE, Store

GUN = Key("Camera", "default", "gun")
FIT = Key("Pipeline", "default", "fit")
SECOND = Key("Pipeline", "default", "second")
THIRD = Key("Pipeline", "default", "third")

Body = dict[str, Any]


def seen(key: Key, version: int, spec: Any = None, generation: int = 1, **metadata: Any) -> Body:
    """One of our own objects, as the API server shows it."""
    plain = {"source": {"simulation": {}}} if key.kind == "Camera" else {"input": {"camera": {"name": "gun"}}}
    return {
        "apiVersion": "camstream.dev/v1alpha1",
        "kind": key.kind,
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "uid": f"uid-of-{key.name}",
            "resourceVersion": str(version),
            "generation": generation,
            "creationTimestamp": "2026-08-21T12:00:00Z",
            **metadata,
        },
        "spec": plain if spec is None else spec,
    }


def child(name: str, version: int, owner: Key | None = GUN, **more: Any) -> Body:
    labels = {KIND_LABEL: owner.kind, NAME_LABEL: owner.name} if owner else {}
    metadata = {"name": name, "namespace": "default", "uid": f"uid-of-{name}", "resourceVersion": str(version), "labels": labels}
    return {"metadata": metadata, **more}


def _with_uid(body: Body, uid: str) -> Body:
    return body | {"metadata": body["metadata"] | {"uid": uid}}


def reads(kind: str, name: str) -> Body:
    return {"input": {kind: {"name": name}}}


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def chain(store: Store) -> Store:
    """second reads fit, which reads gun."""
    store.put("Camera", seen(GUN, 1))
    store.put("Pipeline", seen(FIT, 2))
    store.put("Pipeline", seen(SECOND, 3, reads("pipeline", "fit")))
    return store


# ---------------------------------------------------------------------- what is news


def test_a_new_object_has_to_be_looked_at(store: Store) -> None:
    assert store.put("Camera", seen(GUN, 1)) == {GUN}


@pytest.mark.parametrize("version", [6, 7])
def test_what_is_known_or_older_is_no_news(store: Store, version: int) -> None:
    store.put("Camera", seen(GUN, 7, {"source": {"simulation": {"seed": 2}}}, generation=2))
    assert store.put("Camera", seen(GUN, version, {"source": {"simulation": {"seed": 1}}})) == set()
    assert store.objects[GUN].spec.to_dict() == {"source": {"simulation": {"seed": 2}}}


def test_versions_are_compared_as_numbers(store: Store) -> None:
    store.put("Camera", seen(GUN, 9))
    assert store.put("Camera", seen(GUN, 10, generation=2)) == {GUN}


def test_a_new_version_without_a_difference_is_no_news_but_is_known(store: Store) -> None:
    store.put("Camera", seen(GUN, 1, managedFields=[{"manager": "kubectl"}]))
    assert store.put("Camera", seen(GUN, 5, managedFields=[{"manager": "helm"}])) == set()
    assert store.versions("Camera") == {GUN: (5, "uid-of-gun")}
    assert store.put("Camera", seen(GUN, 4, generation=2)) == set()


def test_a_late_word_about_an_object_that_was_made_anew_since_is_no_news(store: Store) -> None:
    store.put("Camera", seen(GUN, 20, uid="new"))
    assert store.put("Camera", seen(GUN, 10, uid="old")) == set()
    assert store.versions("Camera") == {GUN: (20, "new")}


def test_another_object_of_the_same_name_is_news_although_it_is_equal(chain: Store) -> None:
    assert chain.put("Camera", seen(GUN, 10, uid="another")) == {GUN, FIT, SECOND}


def test_objects_of_one_name_in_other_namespaces_and_kinds_are_told_apart(store: Store) -> None:
    store.put("Camera", seen(GUN, 1))
    elsewhere, other = Key("Camera", "beamline", "gun"), Key("Pipeline", "default", "gun")
    assert store.put("Camera", seen(elsewhere, 2)) == {elsewhere}
    assert store.put("Pipeline", seen(other, 3)) == {other}
    assert sorted(store.streaming()) == sorted([GUN, elsewhere, other])


# ---------------------------------------------------------------------- who reads whom


def test_an_edit_concerns_everybody_who_reads_it_in_the_end(chain: Store) -> None:
    assert chain.put("Camera", seen(GUN, 10, generation=2)) == {GUN, FIT, SECOND}
    assert chain.put("Pipeline", seen(FIT, 11, generation=2)) == {FIT, SECOND}
    assert chain.put("Pipeline", seen(SECOND, 12, reads("pipeline", "fit"), generation=2)) == {SECOND}


def test_a_new_status_or_label_concerns_nobody_else(chain: Store) -> None:
    assert chain.put("Camera", seen(GUN, 10, labels={"new": "label"})) == {GUN}
    assert chain.put("Camera", seen(GUN, 11) | {"status": {"phase": "Running"}}) == {GUN}


def test_what_is_read_may_come_later(store: Store) -> None:
    assert store.put("Pipeline", seen(SECOND, 1, reads("pipeline", "fit"))) == {SECOND}
    assert store.put("Pipeline", seen(FIT, 2)) == {FIT, SECOND}
    assert store.put("Camera", seen(GUN, 3)) == {GUN, FIT, SECOND}


def test_a_removal_concerns_those_who_read_it(chain: Store) -> None:
    assert chain.remove("Camera", "default", "gun", "uid-of-gun", 9) == {GUN, FIT, SECOND}
    assert chain.find(*GUN) is None
    assert chain.put("Camera", seen(GUN, 10)) == {GUN, FIT, SECOND}


def test_a_pipeline_that_reads_something_else_now_is_not_concerned_any_more(chain: Store) -> None:
    chain.put("Pipeline", seen(FIT, 10, {"input": {"address": "tcp://a:1"}}, generation=2))
    assert chain.put("Camera", seen(GUN, 11, generation=2)) == {GUN}
    chain.put("Pipeline", seen(SECOND, 12, reads("camera", "gun"), generation=2))
    assert chain.put("Camera", seen(GUN, 13, generation=3)) == {GUN, SECOND}
    assert chain.put("Pipeline", seen(FIT, 14, generation=3)) == {FIT}


def test_a_circle_has_an_end(store: Store) -> None:
    for version, (one, other) in enumerate([(FIT, "second"), (SECOND, "third"), (THIRD, "fit")], 1):
        store.put("Pipeline", seen(one, version, reads("pipeline", other)))
    assert store.put("Pipeline", seen(SECOND, 10, reads("pipeline", "third"), generation=2)) == {FIT, SECOND, THIRD}
    assert store.put("Pipeline", seen(SECOND, 11, reads("camera", "gun"), generation=3)) == {FIT, SECOND, THIRD}


def test_a_camera_is_not_taken_for_a_pipeline_of_its_name(store: Store) -> None:
    store.put("Pipeline", seen(FIT, 1, reads("camera", "second")))
    assert store.put("Pipeline", seen(SECOND, 2)) == {SECOND}


def test_nobody_reads_across_namespaces(chain: Store) -> None:
    elsewhere = Key("Camera", "beamline", "gun")
    assert chain.put("Camera", seen(elsewhere, 10)) == {elsewhere}


# ---------------------------------------------------------------------- external names


def test_the_oldest_of_those_that_claim_an_external_name_has_it(store: Store) -> None:
    old, young = Key("Camera", "default", "z-old"), Key("Camera", "default", "a-young")
    spec = {"source": {"simulation": {}}, "externalName": "SAT-CM-01"}
    store.put("Camera", seen(young, 1, spec, creationTimestamp="2026-08-21T12:00:01Z"))
    assert store.first_of_name(young) == young
    assert store.put("Camera", seen(old, 2, spec, creationTimestamp="2026-08-21T12:00:00Z")) == {old, young}
    assert store.first_of_name(young) == store.first_of_name(old) == old


def test_of_two_from_the_same_second_the_first_by_name_has_the_external_name(store: Store) -> None:
    spec = {"source": {"simulation": {}}, "externalName": "SAT-CM-01"}
    keys = [Key("Camera", "default", name) for name in ("b", "a")]
    for version, key in enumerate(keys, 1):
        store.put("Camera", seen(key, version, spec))
    assert {store.first_of_name(key) for key in keys} == {keys[1]}


def test_an_object_without_an_external_name_claims_its_own(store: Store) -> None:
    other = Key("Camera", "default", "other")
    store.put("Camera", seen(GUN, 1))
    claims = seen(other, 2, {"source": {"simulation": {}}, "externalName": "gun"}, creationTimestamp="2026-08-21T13:00:00Z")
    assert store.put("Camera", claims) == {other, GUN}
    assert store.first_of_name(other) == GUN


def test_a_new_status_does_not_concern_who_waits_for_the_external_name(store: Store) -> None:
    spec = {"source": {"simulation": {}}, "externalName": "SAT-CM-01"}
    for version, name in enumerate(("gun", "other"), 1):
        store.put("Camera", seen(Key("Camera", "default", name), version, spec))
    assert store.put("Camera", seen(GUN, 3, spec) | {"status": {"phase": "Running"}}) == {GUN}


def test_who_waits_for_an_external_name_is_looked_at_when_it_is_free(store: Store) -> None:
    spec = {"source": {"simulation": {}}, "externalName": "SAT-CM-01"}
    other = Key("Camera", "default", "other")
    store.put("Camera", seen(GUN, 1, spec))
    store.put("Camera", seen(other, 2, spec, creationTimestamp="2026-08-21T13:00:00Z"))
    assert store.remove("Camera", "default", "gun", "uid-of-gun", 9) == {GUN, other}
    assert store.first_of_name(other) == other


def test_who_waits_for_an_external_name_is_looked_at_when_its_owner_was_made_anew_with_another(store: Store) -> None:
    spec = {"source": {"simulation": {}}, "externalName": "SAT-CM-01"}
    other = Key("Camera", "default", "other")
    store.put("Camera", seen(GUN, 1, spec))
    store.put("Camera", seen(other, 2, spec, creationTimestamp="2026-08-21T13:00:00Z"))
    assert store.put("Camera", seen(GUN, 3, uid="another")) == {GUN, other}
    assert store.first_of_name(other) == other


def test_cameras_pipelines_and_namespaces_do_not_share_external_names(store: Store) -> None:
    spec = {"source": {"simulation": {}}, "externalName": "X"}
    keys = [GUN, Key("Camera", "beamline", "gun"), FIT]
    store.put("Camera", seen(keys[0], 1, spec))
    store.put("Camera", seen(keys[1], 2, spec))
    store.put("Pipeline", seen(keys[2], 3, {**reads("camera", "gun"), "externalName": "X"}))
    assert [store.first_of_name(key) for key in keys] == keys


# ---------------------------------------------------------------------- removal


def test_what_is_not_known_cannot_be_removed(store: Store) -> None:
    assert store.remove("Camera", "default", "gun", "any", 9) == set()


def test_the_end_of_one_object_does_not_remove_the_next_of_its_name(store: Store) -> None:
    store.put("Camera", seen(GUN, 5, uid="new"))
    assert store.remove("Camera", "default", "gun", "old", 9) == set()
    assert GUN in store.objects
    assert store.remove("Camera", "default", "gun", "new", 9) == {GUN}
    assert GUN not in store.objects


def test_an_answer_that_comes_after_the_news_of_a_deletion_brings_nothing_back(store: Store) -> None:
    store.put("Camera", seen(GUN, 5))
    store.remove("Camera", "default", "gun", "uid-of-gun", 7)
    assert store.put("Camera", seen(GUN, 6)) == set()
    # Nor does that of a child that was never seen.
    store.remove("Service", "default", "cam-gun", "uid-of-cam-gun", 9)
    assert store.put("Service", child("cam-gun", 8)) == set()
    assert store.find("Service", "default", "cam-gun") is None
    assert store.put("Camera", seen(GUN, 8, uid="next")) == {GUN}


def test_a_child_that_left_the_watch_and_came_back_is_there(store: Store) -> None:
    """As when its label is taken away and given back: that is told as a deletion."""
    store.put("Service", child("cam-gun", 5))
    assert store.remove("Service", "default", "cam-gun", "uid-of-cam-gun", 6) == {GUN}
    assert store.put("Service", child("cam-gun", 6)) == {GUN}
    store.put("Service", child("cam-gun", 8))
    assert store.remove("Service", "default", "cam-gun", "uid-of-cam-gun", 7) == set()


def test_only_the_newest_deletions_are_remembered(store: Store) -> None:
    for number in range(GONE + 1):
        store.remove("Pod", "default", "a", f"uid-{number}", 9)
    assert store.put("Pod", _with_uid(child("first", 5), "uid-0")) == {GUN}
    assert store.put("Pod", _with_uid(child("last", 5), f"uid-{GONE}")) == set()


# ---------------------------------------------------------------------- children and pods


@pytest.mark.parametrize("kind", ["Deployment", "Service", "ConfigMap", "Pod"])
def test_a_child_concerns_its_owner_when_it_comes_changes_and_goes(store: Store, kind: str) -> None:
    assert store.put(kind, child("cam-gun", 1)) == {GUN}
    assert store.put(kind, child("cam-gun", 2)) == set()
    assert store.put(kind, child("cam-gun", 3, status={"phase": "Running"})) == {GUN}
    assert store.remove(kind, "default", "cam-gun", "uid-of-cam-gun", 9) == {GUN}
    assert store.find(kind, "default", "cam-gun") is None


def test_a_child_that_lost_its_labels_concerns_its_owner(store: Store) -> None:
    store.put("Deployment", child("cam-gun", 1))
    assert store.put("Deployment", child("cam-gun", 2, owner=None)) == {GUN}


def test_a_child_that_changes_hands_concerns_both(store: Store) -> None:
    store.put("Pod", child("pod", 1, owner=GUN))
    assert store.put("Pod", child("pod", 2, owner=FIT)) == {GUN, FIT}
    assert (store.pods(GUN), len(store.pods(FIT))) == ([], 1)


def test_what_belongs_to_nobody_concerns_nobody(store: Store) -> None:
    assert store.put("ConfigMap", child("theirs", 1, owner=None)) == set()
    assert store.put("ConfigMap", child("strange", 1, owner=Key("Background", "default", "dark"))) == set()
    assert store.find("ConfigMap", "default", "theirs") is not None


def test_pods_are_found_by_whom_they_work_for(store: Store) -> None:
    for name, owner in (("b", GUN), ("a", GUN), ("c", FIT)):
        store.put("Pod", child(name, 1, owner))
    store.put("Deployment", child("cam-gun", 2))
    assert [pod["metadata"]["name"] for pod in store.pods(GUN)] == ["a", "b"]
    store.remove("Pod", "default", "a", "uid-of-a", 9)
    assert [pod["metadata"]["name"] for pod in store.pods(GUN)] == ["b"]
    assert store.pods(Key("Camera", "beamline", "gun")) == []


def test_what_nobody_asks_about_a_pod_is_neither_kept_nor_news(store: Store) -> None:
    def pod(version: int, probed: str) -> Body:
        conditions = [{"type": "Ready", "status": "True", "lastProbeTime": probed}]
        return child("pod", version, spec={"nodeName": "n1", "containers": []}, status={"phase": "Running", "conditions": conditions})

    store.put("Pod", pod(1, "12:00"))
    assert store.put("Pod", pod(2, "12:01")) == set()
    assert store.pods(GUN)[0]["status"]["conditions"] == []


# ---------------------------------------------------------------------- what is kept


def test_what_kubectl_and_the_api_server_keep_for_themselves_is_not_kept(store: Store) -> None:
    noted = {"kubectl.kubernetes.io/last-applied-configuration": "{...}", "mine": "kept"}
    store.put("Camera", seen(GUN, 1, annotations=noted, managedFields=[{"manager": "kubectl"}]))
    raw = store.find(*GUN)
    assert raw is not None
    assert raw["metadata"]["annotations"] == {"mine": "kept"}
    assert {"managedFields", "resourceVersion"} & set(raw["metadata"]) == set()
    assert raw["kind"] == "Camera"


def test_what_was_put_in_is_left_as_it_is(store: Store) -> None:
    body = seen(GUN, 1, annotations={"kubectl.kubernetes.io/last-applied-configuration": "{...}"})
    store.put("Camera", body)
    assert body == seen(GUN, 1, annotations={"kubectl.kubernetes.io/last-applied-configuration": "{...}"})


def test_objects_are_models_and_only_those_with_a_stream(chain: Store) -> None:
    chain.put("Deployment", child("cam-gun", 10))
    chain.put("Background", seen(Key("Background", "default", "dark"), 11, {"camera": {"name": "gun"}}))
    assert set(chain.objects) == set(chain.streaming()) == {GUN, FIT, SECOND}
    assert len(chain.objects) == 3
    assert isinstance(chain.objects[GUN], Camera)
    assert isinstance(chain.objects[FIT], Pipeline)
    assert chain.objects[GUN].metadata.uid == "uid-of-gun"
    assert Key("Background", "default", "dark") not in chain.objects
    with pytest.raises(KeyError):
        chain.objects[Key("Background", "default", "dark")]
    with pytest.raises(KeyError):
        chain.objects[Key("Camera", "default", "nobody")]


def test_an_object_that_is_not_valid_is_kept_and_says_so_when_it_is_asked_for(store: Store) -> None:
    assert store.put("Pipeline", seen(FIT, 1, {"input": {"camera": {"name": "gun"}}, "threads": 0})) == {FIT}
    assert FIT in store.objects
    with pytest.raises(ValidationError, match="threads"):
        store.objects[FIT]
    assert store.put("Camera", seen(GUN, 2)) == {GUN, FIT}


@pytest.mark.parametrize(
    "spec",
    [
        "text",
        {"externalName": {}, "input": []},
        {"input": {"camera": {"name": 1}}},
        {},
        {"input": {}},
        {"input": {"camera": {}}},
        {"input": {"camera": None}},
        {"input": None},
    ],
)
def test_an_object_with_hardly_a_spec_does_no_harm(store: Store, spec: Body) -> None:
    assert store.put("Pipeline", seen(FIT, 1, spec)) == {FIT}
    assert store.remove("Pipeline", "default", "fit", "uid-of-fit", 9) == {FIT}


@pytest.mark.parametrize(
    ("status", "unattended"),
    [(None, True), ({}, True), ({"observedGeneration": 1}, True), ({"observedGeneration": 2}, False)],
)
def test_an_object_is_unattended_until_its_status_is_about_its_newest_spec(store: Store, status: Body | None, unattended: bool) -> None:
    store.put("Camera", seen(GUN, 1, generation=2) | ({"status": status} if status is not None else {}))
    assert store.unattended(GUN) is unattended


def test_versions_are_told_by_kind(chain: Store) -> None:
    chain.put("Pod", child("pod", 10))
    assert chain.versions("Pipeline") == {FIT: (2, "uid-of-fit"), SECOND: (3, "uid-of-second")}
    assert chain.versions("Pod") == {Key("Pod", "default", "pod"): (10, "uid-of-pod")}
    assert chain.versions("Service") == {}
