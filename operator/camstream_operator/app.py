"""The operator as a process: reads its settings, waits until it leads, then looks after everything until it is told to stop.

Exit codes: 0 stopped, 1 failed or not the leader any more, 2 wrong settings. Whoever runs it starts it again.
"""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import kopf
from kubernetes.aio.config import ConfigException
from prometheus_client import CollectorRegistry

from camstream.errors import SpecError
from camstream.names import OPERATOR
from camstream.spec.key import Key
from camstream_operator.audit import Audit
from camstream_operator.cluster.api import RESOURCES, Api, ApiError
from camstream_operator.cluster.canary import CANARY, TOKEN, Canary
from camstream_operator.cluster.lease import Elector, LeaseLost
from camstream_operator.cluster.recorder import Recorder
from camstream_operator.cluster.reports import Reports
from camstream_operator.handlers import registry_of, watch_settings
from camstream_operator.health import Health, HealthServer, Heartbeat
from camstream_operator.metrics import Metrics
from camstream_operator.queue import Retry, WorkQueue
from camstream_operator.reconcile import Reconciler
from camstream_operator.settings import Settings, read_settings
from camstream_operator.store import STREAMING, Store

STOPPED, FAILED, WRONG_SETTINGS = 0, 1, 2

CRDS_S: Final = 5.0
"""[s] How often to look for missing CustomResourceDefinitions."""

NO_CRDS: Final = "the CustomResourceDefinitions of camstream are not installed; install them with the chart"

HEAD_START_S: Final = 0.2
"""[s] For objects that are new at the start, before everything else is taken in."""

RESYNC_HZ: Final = 200
"""How many of the others are looked at in a second, at the start: so that what comes meanwhile need not wait for them."""

ENDING_S: Final = 3.0
"""[s] Time for what is being done to come to its end."""

log = logging.getLogger("camstream_operator")


def main() -> int:
    options = _arguments()
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("aiohttp.access").propagate = False
    _relieve_collector()
    try:
        settings = read_settings(options.settings)
        return asyncio.run(_run(settings, options.http_port, options.kubeconfig))
    except SpecError as error:
        log.error("%s", error)  # noqa: TRY400 - a message for people; the trace would hide it
        return WRONG_SETTINGS
    except (ConfigException, OSError) as error:
        log.error("cannot start: %s", error)  # noqa: TRY400
        return FAILED


def _relieve_collector() -> None:
    """Most of what is in memory are modules, which stay; and what is parsed and built is freed by itself."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="camstream-operator",
        description="Make workers on Kubernetes from Cameras and Pipelines, and tell in their status how they are.",
        epilog="The chart starts it in the cluster. By hand it works on the cluster of $KUBECONFIG.",
    )
    parser.add_argument("--settings", type=Path, required=True, metavar="FILE", help="YAML, as the chart writes it")
    parser.add_argument("--http-port", type=int, default=8080, help="health and metrics (0: any free port)")
    parser.add_argument(
        "--kubeconfig", default=os.environ.get("KUBECONFIG"), metavar="FILE", help="default: $KUBECONFIG, or this pod's account"
    )
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    return parser.parse_args()


async def _run(settings: Settings, http_port: int, kubeconfig: str | None) -> int:
    metrics = Metrics(CollectorRegistry())
    health = Health()
    server = HealthServer(health, metrics.registry)
    server.start(None, http_port)
    log.info("health and metrics at port %s", server.port)
    stopping = asyncio.Event()
    _stop_on_signals(stopping)
    heartbeat = Heartbeat(metrics.event_loop_lag.observe)
    health.set_live("event loop", heartbeat.check)
    beating = asyncio.create_task(heartbeat.run(), name="heartbeat")
    api = await Api.connect(metrics.request_seen, kubeconfig)
    namespace = os.environ.get("POD_NAMESPACE", "default")
    elector = Elector(api, namespace, settings.lease_name, os.environ.get("POD_NAME", f"{OPERATOR}-{os.getpid()}"))
    try:
        if not await _before(stopping, elector.acquire()):
            return STOPPED
        log.info("this process leads")
        metrics.leader.set(1)
        metrics.lease_transitions.inc()
        return await Leader(settings, api, elector, metrics, health, namespace).lead(stopping)
    finally:
        beating.cancel()
        await elector.release()
        await api.close()
        server.stop()


class Leader:
    """Everything that only the one leader does."""

    def __init__(self, settings: Settings, api: Api, elector: Elector, metrics: Metrics, health: Health, namespace: str) -> None:
        self._settings, self._elector, self._metrics, self._health = settings, elector, metrics, health
        self._api = api.fenced(elector.valid)
        self._store, self._queue = Store(), WorkQueue[Key]()
        self._recorder = Recorder(self._api, elector.identity)
        # It must be where somebody watches.
        watched = not settings.namespaces or namespace in settings.namespaces
        self._canary = Canary(self._api, namespace if watched else settings.namespaces[0])
        self._reports = Reports(self._queue.add)
        self._audit = Audit(self._store, self._api, settings.namespaces, self._concern, metrics)
        self._reconciler = Reconciler(
            self._store, self._api, settings, self._reports, self._recorder, metrics, lambda: datetime.now(UTC), self._concern
        )
        self._not_filled: str | None = "the first look at the cluster is not done"
        metrics.watch(self._queue, self._recorder, self._canary)
        metrics.watch_objects(self._store.states)

    async def lead(self, stopping: asyncio.Event) -> int:
        """Work until told to stop.

        :returns: the exit code
        """
        self._health.set_ready("cluster", lambda: self._not_filled)
        self._health.set_live("watch", lambda: "nothing comes back" if self._canary.stale(time.monotonic()) else self._audit.deaf())
        essential = [
            asyncio.create_task(work, name=name)
            for name, work in {
                "lease": self._keep_lease(),
                "recorder": self._recorder.run(),
                "queue": self._queue.run(self._look_after),
            }.items()
        ]
        try:
            if not await _before(stopping, self._fill(), *essential):
                return STOPPED if stopping.is_set() else FAILED
            works: dict[str, Coroutine[Any, Any, Any]] = {
                "reports": self._reports.run(),
                "audit": self._audit.run(),
                "canary": self._canary.run(),
                "watches": self._watch(stopping),
            }
            essential += [asyncio.create_task(work, name=name) for name, work in works.items()]
            await _before(stopping, *essential)
            ended = [task for task in essential if task.done() and not stopping.is_set()]
            for task in ended:
                log.error("%s ended: %s", task.get_name(), task.exception() if not task.cancelled() else "cancelled")
            return FAILED if ended else STOPPED
        finally:
            await self._end(essential)

    async def _end(self, tasks: list[asyncio.Task[Any]]) -> None:
        """Let what is being done come to its end, while the lease is still ours."""
        self._queue.stop()
        self._recorder.stop()
        busy = [task for task in tasks if task.get_name() in ("queue", "recorder")]
        if busy:
            await asyncio.wait(busy, timeout=ENDING_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDING_S):
                await self._recorder.flush()
        for task in tasks:
            task.cancel()
        await asyncio.wait([task for task in tasks if task.get_name() == "lease"], timeout=ENDING_S)
        # Before kopf has ended, which takes a while: nothing is written any more.
        await self._elector.release()
        await asyncio.wait(tasks, timeout=ENDING_S)
        asyncio.get_running_loop().set_exception_handler(_told_at_the_end)

    async def _keep_lease(self) -> None:
        try:
            await self._elector.renew_forever()
        except LeaseLost as error:
            # At once: another one may be writing already.
            log.error("%s", error)  # noqa: TRY400
            os._exit(FAILED)

    async def _fill(self) -> None:
        """Take in the whole cluster, and wait for it to be complete."""
        while True:
            try:
                await self._take_in_everything()
                break
            except ApiError as error:
                missing = error.status == 404
                told = NO_CRDS if missing else str(error)
                if told != self._not_filled:
                    log.warning("%s", told)
                self._not_filled = told
                await asyncio.sleep(CRDS_S)
        self._not_filled = None
        others = 0
        for key in self._store.streaming():
            if self._store.unattended(key):
                self._queue.add(key)
            else:
                self._queue.add_after(key, others / RESYNC_HZ)
                others += 1

    async def _take_in_everything(self) -> None:
        """:raises ApiError: if something cannot be listed"""
        await self._audit.fill_new()
        await self._begin_with_new()
        for kind in STREAMING:
            await self._audit.fill([RESOURCES[kind]])
            await self._begin_with_new()
        await self._audit.fill(resource for resource in RESOURCES.values() if resource.kind not in STREAMING)

    async def _begin_with_new(self) -> None:
        """They have no children, or none that would be changed, and what they refer to is known: no need to know all others first."""
        if new := self._store.untold():
            for key in new:
                self._queue.add(key)
            await asyncio.sleep(HEAD_START_S)

    async def _watch(self, stopping: asyncio.Event) -> None:
        ours = asyncio.all_tasks()
        watches = await kopf.spawn_tasks(
            registry=registry_of(self._feed, self._api.credentials),
            settings=watch_settings(),
            # A type of its own that kopf does not export; without it, it asks for the name of our user, who has none.
            identity=self._elector.identity,  # type: ignore[arg-type]
            clusterwide=not self._settings.namespaces,
            namespaces=self._settings.namespaces,
        )
        # kopf has taken signals for itself, and would take its time.
        _stop_on_signals(stopping)
        await kopf.run_tasks(watches, ignored=ours)

    def _feed(self, kind: str, happened: str | None, found: dict[str, Any]) -> None:
        """Take in what a watch shows."""
        self._metrics.event_seen(kind)
        metadata = found["metadata"]
        if kind == "ConfigMap" and metadata["name"] == CANARY:
            self._canary.seen((found.get("data") or {}).get(TOKEN, ""))
        if happened == "DELETED":
            concerned = self._store.remove(kind, metadata["namespace"], metadata["name"], metadata["uid"], int(metadata["resourceVersion"]))
        else:
            concerned = self._store.put(kind, found)
        self._concern(concerned, urgent=happened is not None)

    def _concern(self, keys: set[Key], urgent: bool = True) -> None:
        for key in keys:
            if key.kind in ("Camera", "Pipeline"):
                self._queue.add(key, urgent)

    async def _look_after(self, key: Key) -> float | None:
        started, result = time.monotonic(), "error"
        try:
            again = await self._reconciler.reconcile(key)
        except ApiError as error:
            result = "retry"
            self._metrics.failed(key.kind, error)
            log.info("%s: tried again later: %s", key, error)
            raise Retry(error.retry_after or 0.0) from error
        except Exception:
            self._metrics.failed(key.kind, None)
            raise
        else:
            result = "success"
            return again
        finally:
            self._metrics.reconciles.labels(key.kind, result).inc()
            self._metrics.reconcile_duration.labels(key.kind).observe(time.monotonic() - started)


def _told_at_the_end(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Watches of kopf are generators that cannot be closed amid a request; when all ends anyway, that is no error."""
    log.debug("while ending: %s: %s", context.get("message"), context.get("exception"))


def _stop_on_signals(stopping: asyncio.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)


async def _before(event: asyncio.Event, *works: Coroutine[Any, Any, Any] | asyncio.Task[Any]) -> bool:
    """Wait until an event is set or some work ends; work that was started here is ended with it.

    :returns: whether work came to its end first, and without an error
    """
    told = asyncio.create_task(event.wait())
    own = [asyncio.create_task(work) for work in works if not isinstance(work, asyncio.Task)]
    tasks = own + [work for work in works if isinstance(work, asyncio.Task)]
    try:
        done, _ = await asyncio.wait({told, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
        for task in own:
            task.cancel()
    for task in own:
        if task in done:
            task.result()
    return told not in done


if __name__ == "__main__":
    sys.exit(main())
