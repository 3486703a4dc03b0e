"""What kopf does for us: it watches. Its handlers hand on what they see, and decide nothing.

kopf's own way to handle creations and changes writes finalizers and annotations into users' objects, and three times as much in all.
"""

import datetime
import logging
from collections.abc import Callable
from typing import Any, Final

import kopf

from camstream_operator.cluster.api import RESOURCES, Credentials, Resource

Feed = Callable[[str, str | None, dict[str, Any]], None]
"""Called with a kind, what happened (ADDED, MODIFIED, DELETED; None in a first list) and the object."""

LOGIN_S: Final = 300
"""[s] The token of a pod is renewed all the time: it is read again this often."""


def registry_of(feed: Feed, credentials: Callable[[], Credentials]) -> kopf.OperatorRegistry:
    """Handlers of everything that is watched."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        found = credentials()
        until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=LOGIN_S)
        return kopf.ConnectionInfo(
            server=found.server,
            ca_path=found.ca_path,
            insecure=found.insecure or None,
            token=found.token,
            certificate_path=found.certificate_path,
            private_key_path=found.private_key_path,
            expiration=until,
        )

    for resource in RESOURCES.values():
        _watch(registry, resource, feed)
    return registry


def _watch(registry: kopf.OperatorRegistry, resource: Resource, feed: Feed) -> None:
    version = resource.api_version.rpartition("/")[2]

    @kopf.on.event(resource.group, version, resource.plural, registry=registry, id=f"see-{resource.plural}")
    async def see(event: Any, **_: Any) -> None:
        feed(resource.kind, event["type"], event["object"])


class NoDifferences(kopf.DiffBaseStorage):
    """Spares kopf from copying every object that it sees, to compare it with the one before: nobody asks for the difference."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


def watch_settings() -> kopf.OperatorSettings:
    """Kopf's settings, each for a reason."""
    found = kopf.OperatorSettings()
    # No other operator is asked to pause: our Lease says who leads.
    found.peering.standalone = True
    # What there is to watch is known; scanning would need rights on namespaces and CRDs of the whole cluster.
    found.scanning.disabled = True
    found.posting.enabled = False
    # A watch that stands still is noticed by its missing bookmarks (after 70 s); these are for all else.
    found.watching.server_timeout, found.watching.client_timeout, found.watching.connect_timeout = 290, 300, 10
    # All kinds are listed at the same time at the start: with pages of 500 that alone took 25 MB for 1,000 objects.
    found.watching.chunk_size = 100
    found.networking.request_timeout = 30
    found.persistence.diffbase_storage = NoDifferences()
    # One task per object that has news, which holds it for so long: with the default of 5 s thousands of them pile up at the start.
    found.queueing.idle_timeout = 0.05
    for resource in RESOURCES.values():
        if resource.selector:
            # The form "apps/deployments" would silently match nothing.
            found.watching.label_selectors[resource.group, resource.plural] = resource.selector
    # One line per event and object says nothing.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    return found
