"""Graphs and users' scripts on a cluster: work that is shared out and gathered again, and code that is broken, mended, or greedy."""

import json

from cluster_runs import Workspace, camera, condition, manifest, pipeline

GREEDY = """
kept = []
def process_image(image, *others):
    kept.append(bytearray(64 * 2**20))
    return {"kept": len(kept)}
"""


def graph(replicas: int) -> list[dict[str, object]]:
    """A camera, a FanOut, workers that take its frames in turn, and a FanIn that puts their results in order."""
    shared = {"pipeline": {"name": "out"}, "mode": "Pull", "backlog": "All"}
    return [
        camera(),
        pipeline("out", type="FanOut", output={"mode": "Push"}),
        manifest("Pipeline", "share", replicas=replicas, input=shared, output={"mode": "Push", "pipeline": {"name": "all"}}),
        manifest("Pipeline", "all", type="FanIn", reorder=10, selection={"requireIncreasingPulseId": True}),
    ]


def sent_by_each(workspace: Workspace, thing: str) -> list[int]:
    """Messages that each worker of an object has sent."""
    path = "/api/v1/namespaces/{}/pods/{}:8080/proxy/status"
    names = [pod["metadata"]["name"] for pod in workspace.pods(thing)]
    reports = [json.loads(workspace.cluster.kubectl("get", "--raw", path.format(workspace.namespace, name))) for name in names]
    return [report["frames"]["sent"] for report in reports]


def test_graph_of_five_pods_loses_nothing_and_keeps_the_order_also_when_it_is_scaled(workspace: Workspace) -> None:
    # A stage may be there before what it sends to.
    workspace.expected.add("PipelineNotFound")
    workspace.apply(*graph(2))
    workspace.wait_until_ready("camera/cam", "pipeline/out", "pipeline/share", "pipeline/all")
    things = ("camera/cam", "pipeline/out", "pipeline/share", "pipeline/all")
    assert [len(workspace.pods(thing)) for thing in things] == [1, 1, 2, 1]
    skipped = workspace.skipped("camera/cam")
    with workspace.reader("pipeline/all", ["width", "x_fit_mean"]) as reader:
        reader.wait_for("fifty frames", lambda found: len(found) >= 50)
        workspace.kubectl("scale", "pipelines.camstream.dev/share", "--replicas=3")
        workspace.wait_for("three workers", "pipeline/share", lambda status: status.get("replicas") == 3)
        workspace.wait_until_ready("pipeline/share")
        readings = reader.wait_for_next(100)
        shares = sent_by_each(workspace, "pipeline/share")
    pulses = [reading.pulse_id for reading in readings]
    assert pulses == sorted(set(pulses))
    assert workspace.lost(readings, skipped) == 0
    assert len(shares) == 3
    assert min(shares) > 0


def test_an_error_of_a_script_is_told_with_its_line_and_mended_in_the_same_pod(workspace: Workspace) -> None:
    # All frames of the broken script fail.
    workspace.expected |= {"ScriptError", "Waiting"}
    right = "def process_image(image, *others):\n    return {'sum': int(image.sum())}\n"
    workspace.apply(camera(), pipeline(script={"source": right}))
    workspace.wait_until_ready("pipeline/pipe")
    life = workspace.life("pipeline/pipe")
    workspace.wait_for_condition("pipeline/pipe", "ScriptRuns", "True", "Runs")
    workspace.edit("pipeline/pipe", script={"source": right.replace("image.sum", "imagine.sum")})
    found = workspace.wait_for_condition("pipeline/pipe", "ScriptRuns", "False", "ScriptError")
    assert "<script pipe>:2: NameError: name 'imagine' is not defined" in found["message"]
    events = workspace.cluster.get("events", "--namespace", workspace.namespace, "--field-selector=reason=ScriptError")["items"]
    assert any("<script pipe>:2: NameError" in event["message"] for event in events)
    workspace.edit("pipeline/pipe", script={"source": right})
    workspace.wait_for_condition("pipeline/pipe", "ScriptRuns", "True", "Runs")
    workspace.wait_until_ready("pipeline/pipe")
    assert workspace.life("pipeline/pipe") == life


def test_a_script_in_a_config_map_is_waited_for_and_its_edit_taken_over(workspace: Workspace) -> None:
    workspace.expected |= {"ScriptError", "Waiting"}
    workspace.apply(camera(), pipeline(script={"configMap": {"name": "scripts", "key": "mine.py"}}))
    found = workspace.wait_for_condition("pipeline/pipe", "ScriptRuns", "False", "ScriptError")
    assert "is not there, or has no entry 'mine.py'" in found["message"]
    text = "def process_image(image, *others):\n    return {{'version': {}}}\n"

    def config_map(version: int) -> dict[str, object]:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "scripts"}, "data": {"mine.py": text.format(version)}}

    workspace.apply(config_map(1))
    # The kubelet looks at ConfigMaps about once a minute.
    workspace.wait_until_ready("pipeline/pipe", timeout_s=180)
    life = workspace.life("pipeline/pipe")
    with workspace.reader("pipeline/pipe", ["version"]) as reader:
        reader.wait_for("the first version", lambda found: any(reading.channels["version"] == 1 for reading in found))
        workspace.apply(config_map(2))
        reader.wait_for("the second version", lambda found: found[-1].channels["version"] == 2, timeout_s=180)
    assert workspace.life("pipeline/pipe") == life


def test_a_script_that_needs_too_much_memory_harms_its_own_worker_only(workspace: Workspace) -> None:
    workspace.expected |= {"OOMKilled", "CrashLoopBackOff", "BackOff", "NoFrames", "Waiting"}
    limits = {"limits": {"memory": "400Mi"}}
    workspace.apply(camera(), pipeline("other"), pipeline("greedy", script={"source": GREEDY}, worker=limits))
    workspace.wait_until_ready("camera/cam", "pipeline/other")
    lives = [workspace.life(thing) for thing in ("camera/cam", "pipeline/other")]

    def told(status: dict[str, object]) -> bool:
        worker = status.get("worker") or {}
        assert isinstance(worker, dict)
        return "or see what its script keeps" in (worker.get("lastExit") or {}).get("message", "")

    found = workspace.wait_for("the end for want of memory", "pipeline/greedy", told)
    assert found["status"]["worker"]["lastExit"]["reason"] == "OOMKilled"
    assert condition(workspace.status("pipeline/other"), "Ready")["status"] == "True"
    assert [workspace.life(thing) for thing in ("camera/cam", "pipeline/other")] == lives
    workspace.kubectl("delete", "pipeline/greedy")
