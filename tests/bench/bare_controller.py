"""The floor for a controller in Python: list and watch, a queue, 16 workers, and server-side apply of manifests that were built before.

It decides nothing, checks nothing, repairs nothing and forgets everything; it only sends what an operator cannot leave out.
Run as a process of its own: ``bare_controller.py JOB``, where JOB is a JSON file with the fields of :class:`Job`. It prints ``ready``.
"""

import asyncio
import json
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

WORKERS = 16
CONNECTIONS = 64
APPLY = {"Content-Type": "application/apply-patch+yaml"}
QUERY = "?fieldManager=bare-controller&force=true"
UID = "00000000-0000-0000-0000-000000000000"
"""Stands in a manifest for the uid of its object, which is known only when the object is there."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to do."""

    server: str
    certificate: str
    token: str
    collections: list[str]
    """Paths of what is watched."""
    requests: dict[str, list[list[str]]]
    """By the path of an object: path and body of each request. The first two at once, then the others one after another."""


class Controller:
    """Each object is worked on once."""

    def __init__(self, job: Job, http: aiohttp.ClientSession) -> None:
        self._job, self._http = job, http
        self._found: dict[str, str] = {}
        self._queue: asyncio.Queue[str] = asyncio.Queue()

    async def run(self) -> None:
        versions = [await self._list(collection) for collection in self._job.collections]
        async with asyncio.TaskGroup() as tasks:
            for collection, version in zip(self._job.collections, versions, strict=True):
                tasks.create_task(self._watch(collection, version))
            for _ in range(WORKERS):
                tasks.create_task(self._work())
            print("ready", flush=True)

    async def _list(self, collection: str) -> str:
        async with self._http.get(self._job.server + collection) as answer:
            found = await answer.json()
        for item in found["items"]:
            self._see(collection, item)
        return str(found["metadata"]["resourceVersion"])

    async def _watch(self, collection: str, version: str) -> None:
        query = f"?watch=true&allowWatchBookmarks=true&resourceVersion={version}"
        async with self._http.get(self._job.server + collection + query) as answer:
            async for line in answer.content:
                event = json.loads(line)
                if event["type"] == "ADDED":
                    self._see(collection, event["object"])

    def _see(self, collection: str, found: dict[str, Any]) -> None:
        path = f"{collection}/{found['metadata']['name']}"
        if path not in self._found:
            self._found[path] = found["metadata"]["uid"]
            self._queue.put_nowait(path)

    async def _work(self) -> None:
        while True:
            path = await self._queue.get()
            config_map, service, *others = self._job.requests[path]
            await asyncio.gather(self._apply(config_map, self._found[path]), self._apply(service, self._found[path]))
            for request in others:
                await self._apply(request, self._found[path])

    async def _apply(self, request: list[str], uid: str) -> None:
        path, body = request
        async with self._http.patch(self._job.server + path + QUERY, data=body.replace(UID, uid), headers=APPLY) as answer:
            json.loads(await answer.read())
            answer.raise_for_status()


async def main() -> None:
    job = Job(**json.loads(Path(sys.argv[1]).read_text()))
    context = ssl.create_default_context(cafile=job.certificate)
    context.check_hostname = False
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, limit=CONNECTIONS),
        headers={"Authorization": f"Bearer {job.token}"},
        timeout=aiohttp.ClientTimeout(total=None),
        read_bufsize=1 << 20,
    ) as http:
        await Controller(job, http).run()


if __name__ == "__main__":
    asyncio.run(main())
