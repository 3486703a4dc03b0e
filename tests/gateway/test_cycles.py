"""Clients come and go: nothing is left of what they made. `make cycles` does it a thousand times."""

import contextlib
import os
import statistics
from pathlib import Path

import pytest
from cam_server_clients import cam_server_clients
from cluster_runs import figure
from cycles import Cycles
from footprint import footprint, settled_footprint
from local_runs import small_camera
from waiting import wait_for

CYCLES = int(os.environ.get("CAMSTREAM_CYCLES", "30"))
WARM_UP = 10
"""Cycles before the first look: libraries load what they need late, and keep it."""
AT_ONCE = 6
POOL = 36
"""Threads of asyncio for what blocks, at most: they come as they are needed, and stay."""
GROWTH = 4 * 1024
"""Memory that a cycle may cost supervisor and gateway [byte]."""
SLACK = 8 << 20
"""Memory that may come and go by itself [byte]."""


@pytest.mark.timeout(120 + 5 * CYCLES)
def test_cycles_of_create_and_stop_leave_no_process_port_file_or_memory(tmp_path: Path) -> None:
    with cam_server_clients(tmp_path, objects=(small_camera(),)) as clients:
        stream = clients.cam.get_instance_stream("cam")
        clients.pipe.save_pipeline_config("saved", {"pipeline_type": "stream", "input_stream": stream})
        cycles = Cycles(clients.pipeline_url, "cam", stream, "saved")
        assert cycles.run(WARM_UP, AT_ONCE).problems == []
        running = {"cam"}
        wait_for("only the camera runs", lambda: {v.external_name for v in clients.run.views().values() if v.pid} == running)
        before = settled_footprint(clients.run)
        told = cycles.run(CYCLES, AT_ONCE, begin=WARM_UP)
        assert told.problems == []
        with contextlib.suppress(AssertionError):  # the next line tells what is left
            wait_for("nothing left", lambda: not footprint(clients.run).left_since(before), timeout_s=30, pause_s=0.5)
        after = footprint(clients.run)
        assert after.left_since(before) == {}
        assert clients.pipe.get_server_info()["active_instances"] == {}
        assert clients.pipe.get_pipelines() == ["saved"]
    assert sum(told.ways.values()) == CYCLES
    for who, threads in before.threads.items():
        assert after.threads[who] <= threads + POOL
    for who, bytes_before in before.memory.items():
        grown = after.memory[who] - bytes_before
        figure(f"memory that a cycle costs the {who}", grown / CYCLES / 1024, "KiB")
        assert grown <= CYCLES * GROWTH + SLACK
    figure("create an instance, median", statistics.median(told.creations))
    figure("create an instance, longest", max(told.creations))
    for way, count in told.ways.items():
        figure(f"cycles: {way.replace('_', ' ')}", count, "")
    for who in after.descriptors:
        figure(f"descriptors of the {who}", after.descriptors[who], f"(before: {before.descriptors[who]})")
