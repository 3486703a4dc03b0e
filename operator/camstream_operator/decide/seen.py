"""What is seen of one object on the cluster, in the words that `camstream.decide` understands."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from camstream.decide import FALSE, TRUE, Finding, Seen, ended_for_good, stopped
from camstream.errors import SpecError
from camstream.names import PAUSE
from camstream.spec.key import Key
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.output import ServiceType
from camstream.spec.report import WorkerReport
from camstream.spec.status import CameraStatus, ConditionType, ExitStatus, PipelineStatus, WorkerStatus
from camstream.spec.worker import WorkerConfig
from camstream_operator.build.names import host, selector, status_url, stream_address
from camstream_operator.decide.pods import (
    OUT_OF_MEMORY,
    answers,
    exit_of_pod,
    obstacle_of_deployment,
    obstacle_of_pod,
    restarts,
    runs,
    worker_pod,
)

Body = dict[str, Any]

DEPLOYED: Final = Finding(TRUE, "Applied")
NOT_DEPLOYED: Final = Finding(FALSE, "NotAccepted")
NEEDS_NO_WORKER: Final = frozenset({ConditionType.ACCEPTED, ConditionType.DEPLOYED, ConditionType.RECONCILIATION_PAUSED})
"""What is known without a word of the worker."""
OF_ITS_CONFIG: Final = frozenset({ConditionType.CONFIG_APPLIED, ConditionType.BACKGROUND_LOADED, ConditionType.SCRIPT_RUNS})
"""What a worker has said of one configuration, and does not hold for another one."""
PAUSED: Final = Finding(FALSE, "Paused", f"nothing is made while the annotation {PAUSE} is set")


def see(
    thing: Camera | Pipeline,
    config: WorkerConfig | SpecError,
    pods: list[Body],
    deployment: Body | None,
    service: Body | None,
    report_of: Callable[[str], WorkerReport | None],
    silent: Callable[[str], bool],
    failed: Finding | None,
    paused: bool,
    idle: bool,
) -> Seen:
    """
    :param report_of: what the worker of a pod (by uid) said last
    :param silent: whether the worker of a pod (by uid) should answer, and has not done so for too long
    :param failed: why children could not be made as they should be, where that is so
    :param idle: whether nobody wants a worker now
    """
    if idle or stopped(thing):
        pods = []
    pod, wanted = worker_pod(pods, config.identity() if isinstance(config, WorkerConfig) else None)
    # A new worker may be on its way, and the one before goes on until then.
    reporter = next((one for one in (pod, *pods) if one and runs(one) and report_of(one["metadata"]["uid"])), None)
    report = report_of(reporter["metadata"]["uid"]) if reporter else None
    ended = exit_of_pod(pod) if pod else None
    if ended is not None and ended.reason == OUT_OF_MEMORY and isinstance(thing, Pipeline) and thing.spec.script is not None:
        ended = ended.model_copy(update={"message": f"{ended.message}; or see what its script keeps"})
    obstacle = _obstacle(pod if pod is not reporter else None, deployment, ended, silent)
    seen = Seen(
        report=report,
        exit=ended,
        obstacle=obstacle if report is None else None,
        # While a worker goes on, this is where it shows that the next one cannot.
        deployed=failed or (obstacle if report else None) or (DEPLOYED if deployment else PAUSED if paused else NOT_DEPLOYED),
        paused=paused,
        idle=idle,
        replaced=pod is not None and (reporter not in (pod, None) or not wanted),
        worker=WorkerStatus(
            pod_name=pod["metadata"]["name"] if pod else None,
            node_name=pod["spec"]["nodeName"] if pod else None,
            restarts=restarts(pod) if pod else 0,
        ),
        address=stream_address(thing) if thing.spec.output.is_listening or thing.spec.output.connect else None,
        external_address=_external_address(thing, service, reporter or pod),
        replicas=((deployment or {}).get("status") or {}).get("replicas", 0) if isinstance(thing, Pipeline) else None,
        selector=",".join(f"{name}={value}" for name, value in selector(Key.of(thing)).items()) if isinstance(thing, Pipeline) else None,
    )
    if isinstance(config, WorkerConfig) and ended_for_good(thing, config, thing.status):
        return replace(seen, report=None, obstacle=None, exit=thing.status.worker.last_exit, final=True)
    if report is not None and report.exit is not None:
        # With another configuration it would be taken for the end of one that never ran.
        done = isinstance(config, WorkerConfig) and report.config.applied_hash == config.digest()
        return replace(seen, report=None, exit=report.exit if done else None, final=done)
    return seen


def until_heard(status: CameraStatus | PipelineStatus, previous: CameraStatus | PipelineStatus) -> CameraStatus | PipelineStatus:
    """What to tell of a worker that ran when it was last heard, which was not by this process: what is seen, and else what was told before.

    :param status: what would be told of a worker that has not said anything yet
    """
    same = status.config.desired_hash == previous.config.desired_hash
    seen = NEEDS_NO_WORKER if same else NEEDS_NO_WORKER | OF_ITS_CONFIG
    before = {one.type: one for one in previous.conditions}
    told = {name: getattr(previous, name) for name in ("phase", "clients", "worker", "background", "script") if hasattr(previous, name)}
    return status.model_copy(
        update=told
        | {
            "conditions": [one if one.type in seen else before.get(one.type, one) for one in status.conditions],
            "config": status.config.model_copy(update={"applied_hash": previous.config.applied_hash}),
            "stream": status.stream.model_copy(update={"external_address": previous.stream.external_address}),
        }
    )


def _obstacle(pod: Body | None, deployment: Body | None, ended: ExitStatus | None, silent: Callable[[str], bool]) -> Finding | None:
    if pod is None:
        return obstacle_of_deployment(deployment)
    if found := obstacle_of_pod(pod):
        return found
    if ended is not None:
        reason = OUT_OF_MEMORY if ended.reason == OUT_OF_MEMORY else "CrashLoopBackOff"
        return Finding(FALSE, reason, f"the worker ends again and again: {ended.message}")
    if silent(pod["metadata"]["uid"]) and (address := answers(pod)):
        where = status_url(address)
        return Finding(FALSE, "NoAnswer", f"the worker runs but does not answer at {where}; see its log, its node and network policies")
    return None


def _external_address(thing: Camera | Pipeline, service: Body | None, pod: Body | None) -> str | None:
    wanted = thing.spec.output.service.type
    if not thing.spec.output.is_listening or service is None or wanted is ServiceType.CLUSTER_IP:
        return None
    port: Mapping[str, Any] = next((p for p in service["spec"].get("ports") or [] if p.get("name") == "stream"), {})
    if wanted is ServiceType.NODE_PORT:
        # Any node would do; that of the worker spares a hop.
        place, number = pod["status"]["hostIP"] if pod else None, port.get("nodePort")
    else:
        given = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
        place, number = given[0].get("ip") or given[0].get("hostname"), port.get("port")
    return f"tcp://{host(place)}:{number}" if place and number else None
