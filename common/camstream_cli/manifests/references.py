"""What objects say about each other."""

from collections.abc import Collection, Iterator, Set

from camstream.spec import Background, Camera, Pipeline
from camstream.spec.worker import merged_key, referred_key
from camstream_cli.manifests.documents import Problem
from camstream_cli.manifests.objects import Key, Manifests, Placed
from camstream_cli.manifests.sentences import suggestion

Known = dict[Key, Placed]
Found = tuple[Placed, Problem]


def between(objects: Collection[Placed], broken: Set[Key]) -> list[Found]:
    """Everything that is wrong between objects which are right on their own.

    :param broken: objects that are there, but not right; to refer to one is no mistake
    """
    known: Known = {}
    for placed in objects:
        known.setdefault(placed.key, placed)
    return [*_same_names(objects, known), *_missing(known, broken), *_circles(known)]


def missing_scripts(found: Manifests) -> Iterator[Problem]:
    """Scripts that are said to be in a ConfigMap and are not."""
    for placed in found.objects:
        script = placed.object.spec.script if isinstance(placed.object, Pipeline) else None
        if script is None or script.config_map is None:
            continue
        where = placed.object.metadata.namespace, script.config_map.name
        place = "spec", "script", "configMap"
        if where not in found.config_maps:
            names = {name: None for namespace, name in found.config_maps if namespace == where[0]}
            message = f"ConfigMap {where[1]!r} is not among these files{suggestion(where[1], names)}"
            yield placed.document.problem((*place, "name"), message)
        elif script.config_map.key not in found.config_maps[where]:
            key, entries = script.config_map.key, found.config_maps[where]
            message = f"ConfigMap {where[1]!r} has no entry {key!r}{suggestion(key, entries)}"
            yield placed.document.problem((*place, "key"), message)


def _same_names(objects: Collection[Placed], known: Known) -> Iterator[Found]:
    external: dict[Key, Placed] = {}
    for placed in objects:
        first = known[placed.key]
        if first is not placed:
            yield _twice(placed, first, ("metadata", "name"), placed.object.name)
            continue
        if isinstance(placed.object, Background):
            continue
        name = placed.object.external_name
        first = external.setdefault((placed.kind, placed.object.metadata.namespace, name), placed)
        if first is not placed:
            yield _twice(placed, first, ("spec", "externalName"), name)


def _twice(placed: Placed, first: Placed, place: tuple[str, ...], name: str) -> Found:
    message = f"{placed.kind} {name!r} is there twice, first at {first.file}:{first.line}; give one of them another name"
    return placed, placed.document.problem(place, message)


def _missing(known: Known, broken: Set[Key]) -> Iterator[Found]:
    for placed in known.values():
        for target, place in _targets(placed):
            if target in known or target in broken:
                continue
            kind, namespace, name = target
            others = {other: None for *rest, other in known if rest == [kind, namespace]}
            message = f"{kind} {name!r} is not among these files{suggestion(name, others)}"
            yield placed, placed.document.problem((*place, "name"), message)


def _circles(known: Known) -> Iterator[Found]:
    """Each circle of pipelines, told at the first of them."""
    told: set[Key] = set()
    for placed in known.values():
        chain = [placed.key]
        while (step := _target(known[chain[-1]])) in known and step not in chain:
            chain.append(step)
        if step == placed.key and step not in told:
            told.update(chain)
            names = " -> ".join(name for _, _, name in (*chain, step))
            yield placed, placed.document.problem(_place(placed), f"pipelines in a circle: {names}; let one of them read a camera")


def _target(placed: Placed) -> Key | None:
    """Key of the object that another one reads, where it does."""
    match placed.object:
        case Camera():
            return None
        case Background(spec=spec):
            return ("Camera", placed.object.metadata.namespace, spec.camera.name) if spec.camera else None
        case Pipeline() as pipeline:
            return referred_key(pipeline)


def _place(placed: Placed) -> tuple[str, ...]:
    match placed.object:
        case Pipeline(spec=spec) if spec.input is not None:
            return "spec", "input", "camera" if spec.input.camera else "pipeline"
    return "spec", "camera"


def _targets(placed: Placed) -> Iterator[tuple[Key, tuple[str, ...]]]:
    """All that an object refers to, and where it says so."""
    if (target := _target(placed)) is not None:
        yield target, _place(placed)
    if not isinstance(placed.object, Pipeline):
        return
    merge, sent_to = placed.object.spec.merge, placed.object.spec.output.pipeline
    if merge is not None and (target := merged_key(placed.object)) is not None:
        yield target, ("spec", "merge", "camera" if merge.camera else "pipeline")
    if sent_to is not None:
        yield ("Pipeline", placed.object.metadata.namespace, sent_to.name), ("spec", "output", "pipeline")
