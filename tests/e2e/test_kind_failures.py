"""What goes wrong on a cluster, in the words of the status; and that it heals."""

from cluster_runs import MISSING, Workspace, camera, condition, manifest, pipeline

SILENT = "tcp://127.0.0.1:9"
"""Nobody sends here."""


def restarts(workspace: Workspace, thing: str) -> int:
    count: int = workspace.status(thing)["worker"]["restarts"]
    return count


def test_an_image_that_does_not_exist_is_named_and_a_corrected_worker_class_heals(workspace: Workspace) -> None:
    workspace.expected |= {"Failed", "BackOff", "ErrImagePull", "ImagePullBackOff", "InspectFailed"}
    workspace.apply(camera("good"), camera("missing", worker={"className": MISSING}))
    image = f"{workspace.installation.worker_image.repository}:does-not-exist"
    found = workspace.wait_for_condition("camera/missing", "Ready", "False", "ImagePullBackOff")
    assert f"image '{image}' cannot be pulled on node {workspace.pod('camera/missing')['spec']['nodeName']}" in found["message"]
    assert "correct it in the worker class" in found["message"]
    workspace.wait_until_ready("camera/good")
    life = workspace.life("camera/good")
    try:
        workspace.installation.install(missing_image=workspace.installation.worker_image.name)
        workspace.wait_until_ready("camera/missing")
        assert workspace.life("camera/good") == life
        workspace.kubectl("delete", "camera", "missing")
        workspace.wait_until_gone("camera/missing", "deployment/cam-missing")
    finally:
        workspace.installation.install()


def test_a_worker_that_ends_again_and_again_is_told_in_its_own_words_and_harms_nobody(workspace: Workspace) -> None:
    workspace.expected |= {"BackOff", "CrashLoopBackOff", "NoFrames", "Waiting", "SourceTimeout", "FrameError"}
    silent = manifest("Pipeline", "silent", input={"address": SILENT, "timeoutSeconds": 1}, failure={"abortOnTimeout": True})
    workspace.apply(camera(), pipeline(), silent)
    workspace.wait_until_ready("pipeline/pipe")
    life = workspace.life("pipeline/pipe")
    words = f"aborted, as failure.abortOnTimeout asks: nothing for 1 s from {SILENT}; is it running?"
    workspace.wait_for_condition("pipeline/silent", "Ready", "False", "CrashLoopBackOff", words)
    status = workspace.wait_for("restarts", "pipeline/silent", lambda status: status["worker"]["restarts"] >= 2)["status"]
    assert words in status["worker"]["lastExit"]["message"]
    assert status["worker"]["lastExit"]["exitCode"] != 0
    assert workspace.life("pipeline/pipe") == life
    workspace.edit("pipeline/silent", input={"address": workspace.address("camera/cam")})
    workspace.wait_until_ready("pipeline/silent")


def test_a_worker_that_needs_too_much_memory_is_told_so_with_its_limit(workspace: Workspace) -> None:
    workspace.expected |= {"BackOff", "OOMKilled", "CrashLoopBackOff"}
    limits = {"limits": {"memory": "128Mi"}, "requests": {"memory": "64Mi"}}
    workspace.apply(camera("large", width=6000, height=4000, rate_hz=1, worker=limits))
    found = workspace.wait_for_condition("camera/large", "Ready", "False", "OOMKilled")
    assert "it needed more memory than its limit of 128Mi; raise spec.worker.limits.memory" in found["message"]
    workspace.edit("camera/large", worker={"limits": {"memory": "2Gi"}})
    workspace.wait_until_ready("camera/large")


def test_a_worker_that_fits_no_node_is_told_so_in_the_words_of_the_scheduler(workspace: Workspace) -> None:
    workspace.expected |= {"FailedScheduling", "Unschedulable"}
    workspace.apply(camera("huge", worker={"requests": {"cpu": "1000"}}))
    found = workspace.wait_for_condition("camera/huge", "Ready", "False", "Unschedulable")
    assert "no node can take the worker: 0/" in found["message"]
    assert "Insufficient cpu" in found["message"]
    assert condition(workspace.status("camera/huge"), "Deployed")["status"] == "True"
    workspace.edit("camera/huge", worker={"requests": {"cpu": "10m"}})
    workspace.wait_until_ready("camera/huge")


def test_a_quota_is_named_and_raising_it_heals(workspace: Workspace) -> None:
    workspace.expected |= {"FailedCreate", "QuotaExceeded"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": {"pods": "1"}}}
    workspace.apply(quota)
    workspace.wait_for_quota("few")
    workspace.apply(camera("first"))
    workspace.wait_until_ready("camera/first")
    workspace.apply(camera("second"))
    workspace.wait_for_condition("camera/second", "Ready", "False", "QuotaExceeded", "the quota 'few' of the namespace has no room")
    quota["spec"] = {"hard": {"pods": "4"}}
    workspace.apply(quota)
    workspace.wait_until_ready("camera/second")
