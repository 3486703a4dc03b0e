"""Brings one object to what it should be, from whatever state: build, apply what differs, decide, write the status if it is news.

Nothing in here remembers anything: killed at any await and started again, it comes to the same end.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from pydantic import ValidationError

from camstream.decide import FALSE, IDLE, TRUE, UNKNOWN, Finding, decide_invalid, decide_status, ended_for_good, stopped, wanted_background
from camstream.errors import NameConflict, SpecError
from camstream.idling import Activity, awake
from camstream.names import API_VERSION, MANAGED_BY, OPERATOR, PAUSE, name_of_object
from camstream.resolve import Addresses, camera_name, resolve
from camstream.spec.base import problems
from camstream.spec.key import Key
from camstream.spec.objects import KINDS, Camera, Pipeline
from camstream.spec.output import LifecycleMode
from camstream.spec.status import CameraStatus, ConditionType, PipelineStatus
from camstream.spec.worker import StoredBackground, WorkerConfig
from camstream_operator.build.children import build_children, place_of
from camstream_operator.build.names import CONFIG, CONFIG_FILE, HASH, IDENTITY, child_name, gather_address, status_url, stream_address
from camstream_operator.cluster.api import RESOURCES, Api, ApiError
from camstream_operator.cluster.recorder import Recorder
from camstream_operator.cluster.reports import Reports
from camstream_operator.decide.drift import difference, is_earlier, owner_uid
from camstream_operator.decide.news import news
from camstream_operator.decide.pods import answers, refusal, started
from camstream_operator.decide.seen import see, until_heard
from camstream_operator.metrics import Metrics
from camstream_operator.settings import Settings
from camstream_operator.store import Store, Stored

log = logging.getLogger(__name__)

Body = dict[str, Any]
Status = CameraStatus | PipelineStatus

RETRY_S: Final = 30.0
"""[s] After a refusal that only people can end, and that nobody announces the end of."""

IDLE_LOOK_S: Final = 5.0
"""[s] How often an object that runs on demand is asked whether it still has to."""

FIRST_READER_S: Final = 10.0
"""[s] How long a worker that has just begun runs at least, whatever its time-out: who asked for it has yet to be told its address, and the
nodes where it leads to. It counts from when the status says that the worker is active."""

TOUCHES_S: Final = (0.0, 1.0, 4.0)
"""[s] When a pod is touched, after the first time that its worker is seen without its newest configuration, and until it has it: a kubelet
that has not heard of the new file yet renews the old one."""

NO_VERSION: Final = "1"
"""A ``resourceVersion`` that no object has: the first write to a new cluster is number 2."""


class Conflict(Exception):  # noqa: N818
    """A child's name is taken by an object that is not ours."""


class Earlier(Exception):  # noqa: N818
    """A child belongs to an earlier object of the same kind and name, and goes with it."""


class Reconciler:
    """Has everything that one step needs; each step is :meth:`reconcile`."""

    def __init__(
        self,
        store: Store,
        api: Api,
        settings: Settings,
        reports: Reports,
        recorder: Recorder,
        metrics: Metrics,
        now: Callable[[], datetime],
        concern: Callable[[set[Key]], None],
    ) -> None:
        """:param concern: called with those who have to be looked at after what an answer of the API server has told"""
        self._store, self._api, self._settings, self._reports = store, api, settings, reports
        self._recorder, self._metrics, self._now, self._concern = recorder, metrics, now, concern

    async def reconcile(self, key: Key) -> float | None:
        """
        :returns: after how many seconds to look again, where nothing will announce a change
        :raises ApiError: if the API server cannot be reached, or asks to come again
        """
        raw = self._store.find(*key)
        if raw is None or "deletionTimestamp" in raw["metadata"]:
            # Its children go with it, by their owner references.
            self._reports.keep_only(key, set())
            return None
        try:
            thing = self._store.objects[key]
        except ValidationError as error:
            await self._tell_invalid(key, raw, error)
            return None
        config = await self._config(key, thing)
        paused = thing.metadata.annotations.get(PAUSE) == "true"
        idle = self._idle(key, thing)
        if idle and thing.spec.lifecycle.delete_when_idle and not paused:
            await self._delete(key, thing.metadata.uid or "")
            return None
        failed = touch_s = None
        if isinstance(config, WorkerConfig) and not paused:
            try:
                failed = await self._apply_children(key, thing, config, idle)
            except SpecError as error:
                config = error
            else:
                touch_s = None if failed else await self._refresh(key, config)
        if isinstance(config, SpecError) and not paused and (idle or stopped(thing)):
            failed = await self._let_end(key, thing)
        status = await self._tell(key, thing, config, failed, paused, idle)
        if status.config.ended_hash not in (None, thing.status.config.ended_hash):
            return 0.0  # its worker is not needed any more, and our own write is news to nobody
        # That time goes by without a reader is news to nobody.
        idle_s = IDLE_LOOK_S if thing.spec.lifecycle.mode is LifecycleMode.ON_DEMAND and not idle else None
        looks = (touch_s, idle_s, RETRY_S if failed else None)
        return min((seconds for seconds in looks if seconds is not None), default=None)

    # ------------------------------------------------------------------ what is wanted

    def _idle(self, key: Key, thing: Camera | Pipeline) -> bool:
        # Of the others it is known without looking further.
        if thing.spec.lifecycle.mode is not LifecycleMode.ON_DEMAND:
            return False
        objects = {}
        for one in self._store.related(key):
            with suppress(ValidationError):
                objects[one] = self._store.objects[one]
        now = self._now()
        activities = {one: self._activity(one, other, now) for one, other in objects.items()}
        return key not in awake(objects, activities, now, FIRST_READER_S)

    def _activity(self, key: Key, thing: Camera | Pipeline, now: datetime) -> Activity:
        pods = [pod["metadata"] | {"answers": answers(pod)} for pod in self._store.pods(key) if "deletionTimestamp" not in pod["metadata"]]
        # Of a worker that only stays to tell how it ended, it is no news that nobody reads it: who made it is given time to learn of that.
        reports = (self._reports.of(pod["uid"]) for pod in pods)
        report = next((one for one in reports if one is not None and one.exit is None), None)
        heard = [
            now - timedelta(seconds=self._reports.waited_s(pod["uid"]))
            if pod["answers"]
            else datetime.fromisoformat(pod["creationTimestamp"])
            for pod in pods
        ]
        active = next((one for one in thing.status.conditions if one.type == ConditionType.ACTIVE), None)
        since = datetime.fromisoformat(active.last_transition_time) if active else None
        if since is not None and thing.status.config.ended_hash is not None:
            heard.append(since)
        return Activity(
            report,
            max(heard, default=None),
            # Not yet: this very look is about to say it.
            answered_at=since if active and active.status is TRUE else now,
            slept_at=since if active and active.reason == IDLE else None,
        )

    async def _delete(self, key: Key, uid: str) -> None:
        log.info("%s: nobody reads it, and it is deleted, as lifecycle.deleteWhenIdle asks", key)
        try:
            await self._api.delete(RESOURCES[key.kind].path(key.namespace, key.name), uid, self._store.version(key))
        except ApiError as error:
            # It is gone.
            if error.status != 404:
                raise

    async def _config(self, key: Key, thing: Camera | Pipeline) -> WorkerConfig | SpecError:
        """:raises ApiError: if the API server does not say whether there is a background"""
        first = self._store.first_of_name(key)
        if first != key:
            return NameConflict(
                f"{key} has the external name {thing.external_name!r}, which {first} had first; "
                f"delete one of them, and create it with another spec.externalName"
            )
        try:
            addresses = Addresses(stream=lambda other: stream_address(self._store.objects[other]), gather=gather_address)
            background = await self._background(key, thing)
            return resolve(thing, self._store.objects, place_of(thing, self._settings), addresses, background)
        except SpecError as error:
            return error
        except ValidationError as error:
            return SpecError(f"{key} reads an object that is not valid itself: {problems(error)[0]}; see its status")

    async def _background(self, key: Key, thing: Camera | Pipeline) -> StoredBackground | None:
        wanted, place = wanted_background(thing), self._settings.backgrounds_url
        if wanted is None:
            return None
        found = self._used(key, thing)
        if place is None:
            return found  # there is no gateway any more: its worker has it
        there: Stored | None
        if found is not None and wanted.name in (None, found.name):
            there = Stored(found.name, found.sha256)
        else:
            there = self._store.background(key.namespace, wanted.name, camera_name(thing, self._store.objects))
            if there is None and wanted.name is not None:
                there = await self._unseen_background(key, wanted.name)
        if there is None:
            return None
        # A worker has no token: who knows the hash may have the file.
        url = f"{place}/{quote(key.namespace)}/{quote(there.name)}?sha256={there.sha256}"
        return StoredBackground(name=there.name, url=url, sha256=there.sha256)

    async def _unseen_background(self, key: Key, name: str) -> Stored | None:
        """Ask for a background that the watch has not shown: who collects one and uses it at once is faster."""
        try:
            # Under the name that the gateway gives to the record of a file.
            found = await self._api.get(RESOURCES["Background"].path(key.namespace, name_of_object(name)))
        except ApiError as error:
            if error.status != 404:
                raise  # whether it is there nobody has said
            return None
        self._take_in(key, "Background", found)
        return self._store.background(key.namespace, name, None)

    def _used(self, key: Key, thing: Camera | Pipeline) -> StoredBackground | None:
        """What its worker subtracts already: a newer one is used when the spec changes, and not amid a measurement."""
        written = self._store.find("ConfigMap", key.namespace, child_name(key))
        if written is None:
            return None
        try:
            config = WorkerConfig.model_validate_json(written["data"][CONFIG_FILE], extra="ignore")
        except (ValidationError, KeyError, TypeError):
            return None  # somebody has damaged it, or another version wrote it
        return config.background if config.spec == thing.spec else None

    # ------------------------------------------------------------------ children

    async def _apply_children(self, key: Key, thing: Camera | Pipeline, config: WorkerConfig, idle: bool) -> Finding | None:
        """Apply every child that is not as it should be.

        :returns: why that was not possible, where people have to do something about it
        """
        running = not idle and not stopped(thing) and not ended_for_good(thing, config, thing.status)
        config_map, service, deployment = build_children(thing, config, self._settings, running)
        done = await asyncio.gather(*(self._apply(key, child) for child in (config_map, service)), return_exceptions=True)
        try:
            for outcome in done:
                if isinstance(outcome, BaseException):
                    raise outcome
            await self._apply(key, deployment)
        except Earlier as earlier:
            # Neither good nor bad: its deletion is on its way, and is news.
            return Finding(UNKNOWN, "OldOneGoes", str(earlier))
        except Conflict as conflict:
            return Finding(FALSE, "ApiConflict", str(conflict))
        except ApiError as error:
            return _refused(error)
        return None

    async def _let_end(self, key: Key, thing: Camera | Pipeline) -> Finding | None:
        """Scale what is there of an object to no worker: that needs no configuration.

        :returns: why that was not possible, where people have to do something about it
        """
        name = child_name(key)
        found = self._store.find("Deployment", key.namespace, name)
        if found is None or owner_uid(found) != thing.metadata.uid or found["spec"].get("replicas") == 0:
            return None
        # Without the name of its content, so that what is applied next is a change of ours and no repair.
        change = {"metadata": {"annotations": {HASH: None}}, "spec": {"replicas": 0}}
        try:
            applied = await self._api.merge(RESOURCES["Deployment"].path(key.namespace, name), change)
        except ApiError as error:
            # It is gone.
            return None if error.status == 404 else _refused(error)
        self._take_in(key, "Deployment", applied)
        self._metrics.children_applied.labels("Deployment", "changed").inc()
        return None

    async def _apply(self, key: Key, desired: Body) -> None:
        kind, namespace, name = desired["kind"], desired["metadata"]["namespace"], desired["metadata"]["name"]
        found = self._store.find(kind, namespace, name)
        if found is not None:
            owner, ours = owner_uid(found), desired["metadata"]["ownerReferences"][0]["uid"]
            if owner not in (None, ours) and is_earlier(desired, found):
                raise Earlier(f"waits until Kubernetes has deleted the {kind} {name!r} of the {key.kind.lower()} that had this name before")
            if owner not in (None, ours):
                raise Conflict(f"{kind} {name!r} belongs to another object (uid {owner}); wait until it is gone, or delete it")
            place = difference(desired, found)
            if place is None:
                return
            cause = "changed" if place.startswith("metadata.annotations") else "drift"
            log.info("%s: %s %s differs at %s", key, kind, name, place)
        else:
            cause = "created"
        path = RESOURCES[kind].path(namespace, name)
        try:
            applied = await self._api.apply(path, desired if found else _only_new(desired))
        except ApiError as error:
            if error.status == 409 and found is None:
                self._take_in(key, kind, await self._taken(path, desired))
                await self._apply(key, desired)
                return
            if error.status != 422 or found is None or "spec" not in desired:
                raise
            # What somebody has renamed in a list stands in the way of what an apply adds to it. This replaces whole lists.
            await self._api.merge(path, {"spec": desired["spec"]})
            applied = await self._api.apply(path, desired)
        self._take_in(key, kind, applied)
        self._metrics.children_applied.labels(kind, cause).inc()
        if cause == "drift":
            self._recorder.record(
                _reference(key, self._store.find(*key)),
                "Normal",
                "DriftRepaired",
                f"{kind} {name} was changed by somebody else and is as it was",
            )

    async def _taken(self, path: str, desired: Body) -> Body:
        """What has the name of a child that was not seen yet.

        :raises Conflict: if it is not ours
        """
        found = await self._api.get(path)
        labelled = (found["metadata"].get("labels") or {}).get(MANAGED_BY) == OPERATOR
        if labelled or owner_uid(found) == owner_uid(desired):
            return found
        name = desired["metadata"]["name"]
        raise Conflict(f"{desired['kind']} {name!r} is there already and is not ours; delete it, or give this object another name")

    async def _refresh(self, key: Key, config: WorkerConfig) -> float | None:
        """See that running workers get the newest configuration file soon.

        :returns: after how many seconds to see again, where that may be needed
        """
        if not (pods := self._store.pods(key)):
            return None
        digest, identity = config.digest(), config.identity()
        again: list[float] = []
        for pod in pods:
            uid, annotations = pod["metadata"]["uid"], pod["metadata"].get("annotations") or {}
            report = self._reports.of(uid)
            if report is None or digest in (report.config.applied_hash, report.config.rejected_hash):
                continue
            if annotations.get(IDENTITY) != identity:
                continue  # it is replaced
            waited_s = self._reports.hurry(uid, digest)
            due = sum(waited_s >= at_s for at_s in TOUCHES_S)
            again += [TOUCHES_S[due] - waited_s] if due < len(TOUCHES_S) else []
            if annotations.get(CONFIG) in [_touch(digest, number) for number in range(due, len(TOUCHES_S) + 1)]:
                continue
            path = RESOURCES["Pod"].path(key.namespace, pod["metadata"]["name"])
            try:
                self._take_in(key, "Pod", await self._api.merge(path, {"metadata": {"annotations": {CONFIG: _touch(digest, due)}}}))
            except ApiError as error:
                if error.status != 404:
                    raise
        return min(again, default=None)

    # ------------------------------------------------------------------ status

    async def _tell(
        self, key: Key, thing: Camera | Pipeline, config: WorkerConfig | SpecError, failed: Finding | None, paused: bool, idle: bool
    ) -> Status:
        pods = self._store.pods(key)
        for pod in pods:
            if address := answers(pod):
                self._reports.watch(pod["metadata"]["uid"], key, status_url(address), answered=started(pod))
        self._reports.keep_only(key, {pod["metadata"]["uid"] for pod in pods})
        name = child_name(key)
        seen = see(
            thing,
            config,
            pods,
            self._store.find("Deployment", key.namespace, name),
            self._store.find("Service", key.namespace, name),
            self._reports.of,
            self._reports.silent,
            failed,
            paused,
            idle,
        )
        status = decide_status(thing, config, seen, thing.status, self._now())
        if not idle and self._unheard(thing, pods):
            status = until_heard(status, thing.status)
        await self._write(key, thing.metadata.uid or "", thing.status, status)
        return status

    def _unheard(self, thing: Camera | Pipeline, pods: list[Body]) -> bool:
        """Whether a worker is known to run, and this process has not heard it yet.

        Then the operator has just begun, and what it said before counts until the worker answers, or is silent for too long.
        """
        active = any(one.type == ConditionType.ACTIVE and one.status is TRUE for one in thing.status.conditions)
        pod = next((pod for pod in pods if pod["metadata"]["name"] == thing.status.worker.pod_name), None)
        if stopped(thing) or not active or pod is None or answers(pod) is None or not started(pod):
            return False
        uid = pod["metadata"]["uid"]
        return self._reports.of(uid) is None and not self._reports.silent(uid)

    async def _tell_invalid(self, key: Key, raw: Body, error: ValidationError) -> None:
        model = KINDS[key.kind].model_fields["status"].annotation
        try:
            previous = model.model_validate(raw.get("status") or {}, extra="ignore")  # type: ignore[union-attr]
        except ValidationError:
            previous = model()  # type: ignore[misc]
        message = f"{key} is not valid: {problems(error)[0]}; correct it"
        status = decide_invalid(message, previous, raw["metadata"].get("generation"), self._now())
        await self._write(key, raw["metadata"]["uid"], previous, status)

    async def _write(self, key: Key, uid: str, previous: Status, status: Status) -> None:
        if status == previous:
            return
        body = {
            "apiVersion": API_VERSION,
            "kind": key.kind,
            # The uid makes it a conflict where another object has the name by now.
            "metadata": {"name": key.name, "namespace": key.namespace, "uid": uid},
            "status": _status_body(status),
        }
        try:
            applied = await self._api.apply(RESOURCES[key.kind].path(key.namespace, key.name, "status"), body)
        except ApiError as error:
            if error.status == 404:
                return  # it is gone
            # Also 409: another object has the name by now, or somebody wrote at the same moment. Nothing need announce the end of that.
            raise
        self._take_in(key, key.kind, applied)
        self._metrics.status_written(key.kind, previous.phase, status.phase)
        for kind, reason, message in news(previous, status):
            self._recorder.record(_reference(key, applied), kind, reason, message)

    def _take_in(self, key: Key, kind: str, answer: Body) -> None:
        """Take in what the API server has answered. When the watch tells the same, it is no news any more: who is concerned has to hear of
        it now.

        :param key: who is being looked after; that children or pods are others now it sees by itself
        """
        before = _written(self._store.find(*key))
        concerned = self._store.put(kind, answer)
        edited = _written(self._store.find(*key)) != before
        self._concern(concerned if edited else concerned - {key})


def _touch(digest: str, number: int) -> str:
    """Annotation of a pod that is touched for a configuration, for the first time (1) or again."""
    return digest if number == 1 else f"{digest}.{number}"


def _written(body: Body | None) -> Body:
    """What people write in an object, in short."""
    metadata = body["metadata"] if body else {}
    return {name: metadata.get(name) for name in ("uid", "generation", "labels", "annotations")}


def _status_body(status: Status) -> Body:
    """Without empty parts: where an apply takes the last field out of one, the API server makes it null, and then refuses it."""
    return {name: part for name, part in status.model_dump(mode="json", by_alias=True, exclude_none=True).items() if part != {}}


def _only_new(desired: Body) -> Body:
    """A manifest that creates, or is a conflict: an apply alone takes over what somebody else has made."""
    return desired | {"metadata": desired["metadata"] | {"resourceVersion": NO_VERSION}}


def _refused(error: ApiError) -> Finding | None:
    """A refusal that people have to end, as a finding.

    :returns: None where there is nothing to tell, because everything is being deleted
    :raises ApiError: the same, where trying again helps
    """
    if error.status == 403:
        if "being terminated" in error.message:
            return None
        found = refusal(error.message, "worker's objects")
        if found.reason == "FailedCreate":
            return Finding(FALSE, "Forbidden", f"the operator may not do this: {error.message}; mend its role")
        return found
    if error.status == 422:
        return Finding(
            FALSE, "InvalidChild", f"Kubernetes refuses what follows from the spec: {error.message}; correct the spec or the worker class"
        )
    raise error


def _reference(key: Key, body: Body | None) -> dict[str, str]:
    uid = body["metadata"]["uid"] if body else ""
    return {"apiVersion": API_VERSION, "kind": key.kind, "namespace": key.namespace, "name": key.name, "uid": uid}
