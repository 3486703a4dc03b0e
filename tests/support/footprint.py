"""What a run has of the machine: processes, ports, files, descriptors and memory, as /proc tells."""

from dataclasses import dataclass, replace
from pathlib import Path

from local_runs import LocalRun, gateway_of
from waiting import wait_for

PROC = Path("/proc")
LISTEN = "0A"
"""State of a TCP socket in /proc/net/tcp."""


@dataclass(frozen=True)
class Footprint:
    """Of one run, at one moment."""

    processes: frozenset[int]
    """The supervisor and all below it."""
    ports: frozenset[int]
    """Of TCP, on which one of them listens."""
    files: frozenset[str]
    """Below the folder of the run."""
    descriptors: dict[str, int]
    """Open files and sockets of supervisor and gateway."""
    threads: dict[str, int]
    memory: dict[str, int]
    """Resident [byte]."""

    def left_since(self, before: "Footprint") -> dict[str, object]:
        """What there is and was not before, in words; threads and memory have bounds of their own."""
        found: dict[str, object] = {
            "processes": sorted(self.processes - before.processes),
            "ports": sorted(self.ports - before.ports),
            "files": sorted(self.files - before.files),
        }
        found |= {f"descriptors of the {who}": max(0, now - before.descriptors[who]) for who, now in self.descriptors.items()}
        return {what: more for what, more in found.items() if more}


def footprint(run: LocalRun) -> Footprint:
    """How it is now. Processes that end meanwhile count as gone."""
    gateway = gateway_of(run.process.pid)
    assert gateway is not None
    main = {"supervisor": run.process.pid, "gateway": gateway}
    processes = _tree(run.process.pid)
    return Footprint(
        frozenset(processes),
        frozenset(_listening(processes)),
        frozenset(str(path.relative_to(run.state)) for path in run.state.rglob("*")),
        {who: len(_descriptors(pid)) for who, pid in main.items()},
        {who: _status(pid, "Threads") for who, pid in main.items()},
        {who: 1024 * _status(pid, "VmRSS") for who, pid in main.items()},
    )


def settled_footprint(run: LocalRun) -> Footprint:
    """How it is when nothing starts or ends any more: as it was a second ago."""
    found = footprint(run)

    def same() -> bool:
        nonlocal found
        before, found = found, footprint(run)
        return replace(before, memory={}) == replace(found, memory={})

    wait_for("nothing starts or ends", same, timeout_s=30, pause_s=1)
    return found


def _tree(root: int) -> set[int]:
    parents = {int(path.name): _parent(path) for path in PROC.iterdir() if path.name.isdigit()}
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _descriptors(pid: int) -> list[str]:
    """What each open descriptor is."""
    found = []
    try:
        for link in (PROC / str(pid) / "fd").iterdir():
            try:
                found.append(str(link.readlink()))
            except FileNotFoundError:
                continue
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def _listening(processes: set[int]) -> set[int]:
    ours = {name for pid in processes for name in _descriptors(pid) if name.startswith("socket:")}
    rows = [line.split() for name in ("tcp", "tcp6") for line in (PROC / "net" / name).read_text().splitlines()[1:]]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTEN and f"socket:[{row[9]}]" in ours}


def _status(pid: int, name: str) -> int:
    """A number of /proc/PID/status."""
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise AssertionError(f"process {pid} has no {name}")
