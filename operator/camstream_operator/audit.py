"""A full look at the cluster: at the start, and again and again, because a watch can miss the deletion of an object, or stand still."""

import asyncio
import itertools
import logging
import random
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import aclosing
from typing import Final, NamedTuple

from camstream.spec.key import Key
from camstream_operator.cluster.api import RESOURCES, Api, ApiError, Resource
from camstream_operator.metrics import Metrics
from camstream_operator.store import STREAMING, Body, Store, external_name, referred_by

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


class Question(NamedTuple):
    """For objects of a kind whose fields have some values."""

    kind: str
    namespace: str | None
    """None: in all."""
    fields: str


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

    async def fill_new(self) -> None:
        """Take in the few cameras and pipelines that nobody has looked after yet, with all that they refer to, and who else claims a name.

        That takes some milliseconds, however many others there are; `fill` takes in what is passed over here.

        :raises ApiError: if the API server cannot be reached
        """
        found: dict[Key, Body] = {}
        asked: set[Question] = set()
        try:
            coming = await self._answers(
                {Question(kind, namespace, "status.phase=") for kind in STREAMING for namespace in self._namespaces}
            )
            if len(coming) > MOST_NEW:
                return
            while coming:
                found |= coming
                questions = {question for key, body in coming.items() for question in _questions(key, body)} - asked
                asked |= questions
                answers = await self._answers(questions)
                coming = {key: answers[key] for key in answers.keys() - found.keys()}
        except ApiError as error:
            # The fields that a selector knows are in the CustomResourceDefinition: this one is older than we are.
            if error.status != BAD_REQUEST:
                raise
            return
        for key, body in found.items():
            self._store.put(key.kind, body)

    async def _answers(self, questions: Iterable[Question]) -> dict[Key, Body]:
        bodies = itertools.chain(*await asyncio.gather(*(self._answer(question) for question in questions)))
        return {Key(body["kind"], body["metadata"]["namespace"], body["metadata"]["name"]): body for body in bodies}

    async def _answer(self, question: Question) -> list[Body]:
        """Objects as asked for; of very many only the first."""
        resource, selected = RESOURCES[question.kind], list[Body]()
        async with aclosing(self._api.list(resource, question.namespace, question.fields)) as pages:
            async for page in pages:
                selected += (complete(resource, item) for item in page)
                if len(selected) > MOST_NEW:
                    break
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


def _questions(key: Key, body: Body) -> Iterator[Question]:
    """Who else claims the external name of an object, and what it refers to."""
    name = escaped(external_name(key, body).name)
    yield Question(key.kind, key.namespace, f"spec.externalName={name}")
    yield Question(key.kind, key.namespace, f"metadata.name={name}")
    for other in referred_by(key, body):
        yield Question(other.kind, other.namespace, f"metadata.name={escaped(other.name)}")


def escaped(value: str) -> str:
    """As a field selector takes it."""
    return re.sub(r"([\\,=])", r"\\\1", value)


def complete(resource: Resource, found: Body) -> Body:
    """An item of a list as it is when it is read alone."""
    return found | {"apiVersion": resource.api_version, "kind": resource.kind}


def _version(found: Body) -> int:
    return int(found["metadata"]["resourceVersion"])
