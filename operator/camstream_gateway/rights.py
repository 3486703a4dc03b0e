"""Which rights of Kubernetes a request takes, by its path. Pure. The API beside the page asks by itself: it has to read bodies for that."""

from collections.abc import Iterator
from typing import Final

from aiohttp import hdrs, web

from camstream.spec.objects import Background, Camera, Pipeline
from camstream_gateway.security import Right

PLURALS: Final = {kind.__name__.lower(): kind.plural for kind in (Camera, Pipeline)}

READS: Final = (hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS)


def of_page(request: web.Request, namespaces: tuple[str, ...]) -> Iterator[Right]:
    """Who looks at one stream must be allowed to get its object, and for the list of all streams to list them all. The page itself is free.

    :param namespaces: those that are looked at; none: all
    """
    path = _registered(request)
    if path.startswith(("/api/streams/", "/ws/streams/")):
        found = request.match_info
        # A kind that there is not is told later, as a stream that there is not.
        if plural := PLURALS.get(found["kind"]):
            yield Right("get", plural, found["namespace"], found["name"])
    elif path in ("/api/streams", "/ws/streams"):
        for plural in PLURALS.values():
            yield from to_list(plural, None, namespaces)


def of_cam_server(request: web.Request, plural: str, home: str) -> Iterator[Right]:
    """Clients of cam_server know no namespaces: they see and make the objects of one, and of that one it is asked what they may do.

    :param plural: of the kind that the door is about
    :param home: that namespace
    """
    parts = _registered(request).split("/")
    if "script" in parts or "lib" in parts:
        # They run in the workers of pipelines, whichever door they come by.
        plural = Pipeline.plural
    if any(part.startswith("background") for part in parts):
        yield Right("get" if request.method in READS else "create", Background.plural, home)
    elif request.method in READS:
        yield Right("get", plural, home)
    elif request.method == hdrs.METH_DELETE:
        yield Right("delete", plural, home)
    else:
        # One call makes and replaces, whichever it is.
        yield Right("create", plural, home)
        yield Right("update", plural, home)


def to_list(plural: str, namespace: str | None, namespaces: tuple[str, ...]) -> Iterator[Right]:
    """
    :param namespace: the one that is asked about; None: all that are looked at
    :param namespaces: those that are looked at; none: all
    """
    for one in (namespace,) if namespace is not None else namespaces or ("",):
        yield Right("list", plural, one)


def _registered(request: web.Request) -> str:
    """The path as it is registered, with names in braces; empty where there is none."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else ""
