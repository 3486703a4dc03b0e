"""Where frames come from."""

from camstream.errors import SpecError
from camstream.spec import WorkerConfig
from camstream.spec.pipeline import PipelineType
from camstream_worker.counters import Counters
from camstream_worker.sources.base import EndOfSource, Source

__all__ = ["EndOfSource", "Source", "open_source"]


def open_source(config: WorkerConfig, counters: Counters) -> Source:
    """Open what a configuration asks for. Each kind is imported only where it is used: start-up and memory count.

    :raises camstream.errors.SourceError: if it cannot be opened now; trying again may help
    """
    if config.pipeline is not None:
        return _open_input(config, config.pipeline.type, counters)
    assert config.camera is not None  # noqa: S101 - the model's validator saw to it
    match config.camera.source.kind:
        case "simulation":
            from camstream_worker.sources.simulation import SimulatedCamera

            return SimulatedCamera(config, counters)
        case "bsread":
            from camstream_worker.sources.bsread import BsreadCamera

            return BsreadCamera(config, counters)
        case "epics":
            from camstream_worker.sources.epics import EpicsCamera

            return EpicsCamera(config, counters)
        case "hdf5":
            from camstream_worker.sources.hdf5 import RecordedCamera

            return RecordedCamera(config, counters)
        case kind:
            raise SpecError(f"source kind {kind!r} has no implementation")


def _open_input(config: WorkerConfig, kind: PipelineType, counters: Counters) -> Source:
    if kind is PipelineType.FAN_IN:
        from camstream_worker.sources.gather import GatheringSource

        return GatheringSource(config, counters)
    if kind in (PipelineType.CUSTOM, PipelineType.SCRIPT):
        from camstream_worker.sources.ticks import Ticks

        return Ticks(config, counters)
    from camstream_worker.sources.bsread import PipelineInputSource, StreamSource

    images = kind in (PipelineType.PROCESSING, PipelineType.STORE)
    first = PipelineInputSource(config, counters) if images else StreamSource(config, counters)
    if config.pipeline is None or config.pipeline.merge is None:
        return first
    from camstream_worker.sources.merge import MergedSource

    try:
        return MergedSource(config, first, counters)
    except Exception:
        first.close()
        raise
