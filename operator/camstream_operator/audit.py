"""A full look at the cluster: at the start, and again and again, because a watch can miss the deletion of an object, or stand still."""

import asyncio
import itertools
import logging
import random
import re
from collections.abc import Callable, Collection, Iterable
from contextlib import aclosing
from typing import Final

from camstream.spec.key import Key
from camstream_operator.cluster.api import RESOURCES, Api, ApiError, Resource
from camstream_operator.metrics import Metrics
from camstream_operator.store import Body, Store, name_claimed

log = logging.getLogger(__name__)

EVERYTHING: Final = tuple(RESOURCES.values())
BAD_REQUEST: Final = 400

PERIOD_S: Final = 300.0
BEGINNING_S: Final = (3.0, 10.0)
"""[s] Pauses before the first looks: what goes after `fill`, and before a watch has begun, is never told. By the last they all have."""
PATIENCE_S: Final = 10.0
"""[s] What a watch shows within this time was not missed, only late."""
MOST_NEW: Final = 16
"""Objects that are taken in one by one before all others. Where more are new, the time for the others hardly counts."""
DEAF_AFTER: Final = 2
"""A watch that has missed something this many times in a row is taken for dead."""


class Audit:
    """Compares the store with lists of everything."""

    def __init__(
        self,
        store: Store,
        api: Api,
        namespaces: Collection[str],
        concern: Callable[[set[Key]], None],
        metrics: Metrics,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """
        :param namespaces: those to look at; none: all
        :param concern: called with those who have to be looked at
        """
        self._store, self._api, self._concern, self._metrics = store, api, concern, metrics
        self._namespaces: list[str | None] = list(namespaces) or [None]
        self._patience_s = patience_s
        self._misses: dict[str, int] = {}

    async def fill(self, resources: Iterable[Resource] = EVERYTHING) -> None:
        """Take in everything that there is of some kinds.

        :raises ApiError: if something cannot be listed; 404 where a CustomResourceDefinition is missing
        """
        for resource in resources:
            for namespace in self._namespaces:
                async for page in self._api.list(resource, namespace):
                    for found in page:
                        self._store.put(resource.kind, complete(resource, found))

    async def fill_new(self, resource: Resource) -> None:
        """Take in the few objects of a kind that nobody has looked after yet, and those with a claim to their names.

        That takes some milliseconds, however many others there are; `fill` takes in what is passed over here.

        :raises ApiError: if the API server cannot be reached
        """
        try:
            new = await self._selected(resource, self._namespaces, "status.phase=")
            if len(new) > MOST_NEW:
                return
            names = {(found["metadata"]["namespace"], escaped(name_claimed(found))) for found in new}
            selectors = [(place, field + name) for place, name in names for field in ("spec.externalName=", "metadata.name=")]
            rivals = await asyncio.gather(*(self._selected(resource, [place], fields) for place, fields in selectors))
        except ApiError as error:
            # The fields that a selector knows are in the CustomResourceDefinition: this one is older than we are.
            if error.status != BAD_REQUEST:
                raise
            return
        for found in itertools.chain(*rivals, new):
            self._store.put(resource.kind, complete(resource, found))

    async def _selected(self, resource: Resource, namespaces: Collection[str | None], fields: str) -> list[Body]:
        """Objects whose fields have some values; where there are too many, some more than that."""
        selected: list[Body] = []
        for namespace in namespaces:
            async with aclosing(self._api.list(resource, namespace, fields)) as pages:
                async for page in pages:
                    selected += page
                    if len(selected) > MOST_NEW:
                        return selected
        return selected

    async def run(self) -> None:
        """Look for ever."""
        for pause_s in BEGINNING_S:
            await self._look_in(pause_s, beginning=True)
        while True:
            await self._look_in(PERIOD_S * random.uniform(0.8, 1.2))  # noqa: S311 - not all installations at once

    async def _look_in(self, pause_s: float, beginning: bool = False) -> None:
        await asyncio.sleep(pause_s)
        try:
            await self.look(beginning)
        except ApiError as error:
            log.warning("the audit could not list everything, and comes again: %s", error)

    async def look(self, beginning: bool = False) -> None:
        """Find what the watches have missed, and take it in.

        :param beginning: the watches may not see everything yet: take in what they have not told at once, and blame nobody
        :raises ApiError: if something cannot be listed
        """
        for resource in RESOURCES.values():
            await self._look_at(resource, beginning)
        # Whatever has made that so: its newest spec has not been looked at to the end.
        self._concern({key for key in self._store.streaming() if self._store.unattended(key)})

    def deaf(self) -> str | None:
        """Which watches seem to be dead, in words."""
        kinds = [kind for kind, misses in self._misses.items() if misses >= DEAF_AFTER]
        return f"the watch of {', '.join(kinds)} has missed changes {DEAF_AFTER} times in a row" if kinds else None

    async def _look_at(self, resource: Resource, beginning: bool) -> None:
        newer, gone = await self._differences(resource)
        if (newer or gone) and not beginning:
            await asyncio.sleep(self._patience_s)
        known = self._store.versions(resource.kind)
        missed = {key: found for key, found in newer.items() if known.get(key, (0, ""))[0] < _version(found)}
        ghosts = {key: (version, uid) for key, (version, uid) in gone.items() if known.get(key) == (version, uid)}
        if not beginning:
            self._misses[resource.kind] = self._misses.get(resource.kind, 0) + 1 if missed or ghosts else 0
        level = logging.INFO if beginning else logging.WARNING
        for key, found in missed.items():
            log.log(level, "a change of %s was missed by the watch", key)
            self._concern(self._store.put(resource.kind, found))
        for key, (version, uid) in ghosts.items():
            log.log(level, "the deletion of %s was missed by the watch", key)
            self._concern(self._store.remove(*key, uid, version))
            self._metrics.ghosts_removed.labels(resource.kind).inc()

    async def _differences(self, resource: Resource) -> tuple[dict[Key, Body], dict[Key, tuple[int, str]]]:
        """What is newer in a list than in the store, and what is not in the list any more."""
        known = self._store.versions(resource.kind)
        newer: dict[Key, Body] = {}
        for namespace in self._namespaces:
            async for page in self._api.list(resource, namespace):
                for found in page:
                    metadata = found["metadata"]
                    key = Key(resource.kind, metadata["namespace"], metadata["name"])
                    if known.pop(key, (0, ""))[0] < _version(found):
                        newer[key] = complete(resource, found)
        # What came to the store while the list was made is no ghost: it was not known before.
        return newer, known


def escaped(value: str) -> str:
    """As a field selector takes it."""
    return re.sub(r"([\\,=])", r"\\\1", value)


def complete(resource: Resource, found: Body) -> Body:
    """An item of a list as it is when it is read alone."""
    return found | {"apiVersion": resource.api_version, "kind": resource.kind}


def _version(found: Body) -> int:
    return int(found["metadata"]["resourceVersion"])
