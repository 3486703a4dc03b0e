"""Every type of pipeline as a real worker, with a plain psi-bsread client at its end."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bsread
import h5py
import numpy as np
import pytest
import zmq
from feeds import Feed
from ports import free_port
from prometheus_client.parser import text_string_to_metric_families
from waiting import wait_for
from workers import WorkerProcess, camera, pipeline, reader, simulation, worker

from camstream.wire import Message

SCRIPT = """
def process_image(image, pulse_id, timestamp, x_axis, y_axis, parameters, bsdata):
    return {"sum": int(image.sum()), "first": x_axis[0], "level": parameters["level"], "camera": parameters["camera_name"]}
"""


@pytest.fixture
def feed() -> Iterator[Feed]:
    found = Feed()
    yield found
    found.close()


@pytest.fixture
def other() -> Iterator[Feed]:
    found = Feed()
    yield found
    found.close()


def reading(address: str, name: str = "pipe", **spec: Any) -> dict[str, Any]:
    """A pipeline that pulls from a feed and sends what comes at once, so that nothing is lost before it has connected or after."""
    return pipeline(address, name, **{"input": {"mode": "Pull", "backlog": "All"}, "output": {"queueSize": 1000}} | spec)


def without_input(name: str = "pipe", **spec: Any) -> dict[str, Any]:
    config = pipeline("tcp://127.0.0.1:1", name, **spec)
    del config["pipeline"]["input"]
    return config | {"inputAddress": None, "inputName": None}


def own(message: Message) -> dict[str, Any]:
    """What the script made of a message."""
    return {name: value for name, value in message.values.items() if name != "processing_parameters"}


def psi_messages(address: str, count: int, mode: Any = bsread.SUB) -> list[tuple[int, dict[str, Any]]]:
    """Pulse ids and values, as psi-bsread reads them."""
    host, port = address.removeprefix("tcp://").split(":")
    with bsread.Source(host=host, port=int(port), mode=mode, receive_timeout=20_000) as source:
        found = [source.receive() for _ in range(count)]
    assert all(message is not None for message in found)
    return [(message.data.pulse_id, {name: channel.value for name, channel in message.data.data.items()}) for message in found]


# ---------------------------------------------------------------------- scripts on images


def test_script_makes_the_channels_of_a_message(tmp_path: Path, feed: Feed) -> None:
    config = reading(feed.address, script={"source": SCRIPT, "parameters": {"level": 7}})
    with worker(tmp_path, config) as pipe, reader(pipe.address) as client:
        pipe.wait_for_status("a client", lambda s: s["clients"] == 1)
        image = np.arange(12 * 16, dtype=np.uint16).reshape(12, 16)
        feed.send(100, image)
        message = client.message()
    assert message.pulse_id == 100
    assert own(message) == {"sum": int(image.sum()), "first": 0.0, "level": 7, "camera": "CAM"}


def test_script_gets_the_prepared_image_and_may_write_to_it(tmp_path: Path, feed: Feed) -> None:
    source = """
def process(image, pulse_id, timestamp, x_axis, y_axis, parameters):
    image[0, 0] = 9
    return {"shape": list(image.shape), "corner": image[0, 0], "axis": len(x_axis), "seconds": timestamp[0]}
"""
    processing = {"regionOfInterest": {"offsetX": 2, "sizeX": 5, "offsetY": 1, "sizeY": 4}}
    with worker(tmp_path, reading(feed.address, script={"source": source}, processing=processing)) as pipe, reader(pipe.address) as client:
        pipe.wait_for_status("a client", lambda s: s["clients"] == 1)
        feed.send(100)
        values = client.message().values
    assert list(values["shape"]) == [4, 5]
    assert (values["corner"], values["axis"], values["seconds"]) == (9, 5, 1_700_000_000)


def test_edited_script_takes_over_in_the_same_process(tmp_path: Path, feed: Feed) -> None:
    config = reading(feed.address, script={"source": SCRIPT, "parameters": {"level": 7}})
    with worker(tmp_path, config) as pipe, reader(pipe.address) as client:
        pipe.wait_for_status("a client", lambda s: s["clients"] == 1)
        feed.send(100)
        assert client.message().values["level"] == 7
        edited = "def process_image(image, *others):\n    return {'new': 1}\n"
        config["pipeline"]["script"] = {"source": edited}
        status = pipe.apply(config)
        feed.send(101)
        assert own(client.message()) == {"new": 1}
        assert status["pid"] == pipe.process.pid


def test_script_keeps_what_it_remembers_when_only_parameters_change(tmp_path: Path, feed: Feed) -> None:
    source = (
        "calls = []\ndef process(image, *others):\n    calls.append(1)\n    return {'calls': len(calls), 'level': others[4]['level']}\n"
    )
    config = reading(feed.address, script={"source": source, "parameters": {"level": 1}})
    with worker(tmp_path, config) as pipe, reader(pipe.address) as client:
        pipe.wait_for_status("a client", lambda s: s["clients"] == 1)
        feed.send(100)
        assert own(client.message()) == {"calls": 1, "level": 1}
        config["pipeline"]["script"]["parameters"] = {"level": 2}
        pipe.apply(config)
        feed.send(101)
        assert own(client.message()) == {"calls": 2, "level": 2}


def test_broken_edit_is_refused_with_its_line_and_the_old_script_goes_on(tmp_path: Path, feed: Feed) -> None:
    config = reading(feed.address, script={"source": SCRIPT, "parameters": {"level": 7}})
    with worker(tmp_path, config) as pipe, reader(pipe.address) as client:
        pipe.wait_for_status("a client", lambda s: s["clients"] == 1)
        config["pipeline"]["script"]["source"] = SCRIPT + "\nimport nothing_of_this_name\n"
        pipe.write(config)
        status = pipe.wait_for_status("refused", lambda s: s["config"]["rejectedReason"])
        assert "<script pipe>:5: ModuleNotFoundError: No module named 'nothing_of_this_name'" in status["config"]["rejectedReason"]
        feed.send(100)
        assert client.message().values["level"] == 7


def test_error_of_a_script_skips_the_frame_and_is_told_with_its_line(tmp_path: Path, feed: Feed) -> None:
    source = (
        "def process(image, pulse_id, *others):\n    if pulse_id == 101:\n        raise KeyError('beam')\n    return {'pulse': pulse_id}\n"
    )
    with worker(tmp_path, reading(feed.address, script={"source": source})) as pipe, reader(pipe.address) as client:
        pipe.wait_for_status("a client", lambda s: s["clients"] == 1)
        for pulse_id in (100, 101, 102):
            feed.send(pulse_id)
        assert [message.pulse_id for message in client.messages(2)] == [100, 102]
        status = pipe.wait_for_status("told", lambda s: s["lastError"])
        assert "<script pipe>:3: KeyError: 'beam'" in status["lastError"]
        assert "<script pipe>:3: KeyError: 'beam'" in status["script"]["error"]
        assert status["frames"]["failed"] == 1


def test_metrics_tell_what_a_script_failed_at_what_never_came_and_what_became_of_edits(tmp_path: Path, feed: Feed) -> None:
    source = "def process(image, pulse_id, *others):\n    assert pulse_id != 101\n    return {'pulse': pulse_id}\n"
    config = reading(feed.address, script={"source": source})
    with worker(tmp_path, config) as pipe, reader(pipe.address) as client:
        pipe.wait_for_status("a client", lambda s: s["clients"] == 1)
        for pulse_id in (100, 101, 102, 106):
            feed.send(pulse_id)
        assert [message.pulse_id for message in client.messages(3)] == [100, 102, 106]
        config["pipeline"]["script"]["source"] = source + "import nothing_of_this_name\n"
        pipe.write(config)
        pipe.wait_for_status("refused", lambda s: s["config"]["rejectedReason"])
        config["pipeline"]["script"]["source"] = source + "\n"
        pipe.apply(config)
        _, text = pipe.get("/metrics")
    found = {
        (sample.name, sample.labels.get("result", "")): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }
    assert found["camstream_script_errors_total", ""] == found["camstream_frames_failed_total", ""] == 1
    assert found["camstream_pulse_id_gaps_total", ""] == 3
    assert found["camstream_config_applies_total", "applied"] == found["camstream_config_applies_total", "rejected"] == 1


def test_nothing_is_sent_where_a_script_gives_none(tmp_path: Path, feed: Feed) -> None:
    source = "def process(image, pulse_id, *others):\n    return {'p': pulse_id} if pulse_id % 2 else None\n"
    with worker(tmp_path, reading(feed.address, script={"source": source})) as pipe, reader(pipe.address) as client:
        pipe.wait_for_status("a client", lambda s: s["clients"] == 1)
        for pulse_id in range(100, 106):
            feed.send(pulse_id)
        assert [message.pulse_id for message in client.messages(3)] == [101, 103, 105]


def test_endless_script_ends_its_worker_with_the_reason(tmp_path: Path, feed: Feed) -> None:
    source = "def process(image, *others):\n    while True:\n        pass\n"
    with worker(tmp_path, reading(feed.address, script={"source": source, "timeoutSeconds": 1})) as pipe:
        pipe.wait_for_status("running", lambda s: s["phase"])
        feed.send(100)
        assert pipe.process.wait(30) == 1
        reason = json.loads(pipe.termination.read_text())
    assert reason["reason"] == "ScriptTimeout"
    assert "has not returned for 1 s at pulse 100" in reason["message"]


def test_script_that_cannot_be_loaded_waits_for_its_correction(tmp_path: Path, feed: Feed) -> None:
    config = reading(feed.address, script={"source": "def process(image, *others:\n    pass\n"})
    with worker(tmp_path, config) as pipe, reader(pipe.address) as client:
        status = pipe.wait_for_status("told", lambda s: s["phase"] == "Waiting" and s["clients"] == 1)
        assert "<script pipe>:1: SyntaxError" in status["message"]
        assert status["script"] == {"sha256": None, "error": status["message"]}
        feed.send(100)
        pipe.wait_for_status("refused", lambda s: s["frames"]["failed"] == 1)
        config["pipeline"]["script"]["source"] = "def process(image, *others):\n    return {'mended': 1}\n"
        status = pipe.apply(config)
        assert status["script"]["error"] == ""
        feed.send(101)
        assert own(client.message()) == {"mended": 1}


@pytest.mark.parametrize("start", [True, False])
def test_script_that_never_defines_its_function_ends_its_worker_with_the_reason(tmp_path: Path, feed: Feed, start: bool) -> None:
    endless = {"source": "while True:\n    pass\n", "timeoutSeconds": 1}
    config = reading(feed.address, script=endless if start else {"source": SCRIPT})
    with worker(tmp_path, config) as pipe:
        if not start:
            pipe.wait_for_status("running", lambda s: s["phase"])
            config["pipeline"]["script"] = endless
            pipe.write(config)
        assert pipe.process.wait(30) == 1
        reason = json.loads(pipe.termination.read_text())
    assert reason["reason"] == "ScriptTimeout"
    assert "script 'pipe': its text has been running for 1 s" in reason["message"]


def test_script_of_a_config_map_that_is_not_there_is_waited_for(tmp_path: Path, feed: Feed) -> None:
    file = tmp_path / "volume" / "mine.py"
    file.parent.mkdir()
    config = reading(feed.address, script={"configMap": {"name": "scripts", "key": "mine.py"}}) | {"scriptPath": str(file)}
    with worker(tmp_path, config) as pipe:
        status = pipe.wait_for_status("told", lambda s: s["script"]["error"])
        assert "ConfigMap 'scripts' of namespace 'default' is not there, or has no entry 'mine.py'" in status["script"]["error"]
        file.write_text("def process(image, *others):\n    return {'found': 1}\n")
        pipe.wait_for_status("found", lambda s: s["script"] == {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "error": ""})


def test_script_file_is_loaded_anew_when_it_is_saved(tmp_path: Path, feed: Feed) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def process(image, *others):\n    return {'version': 1}\n")
    config = reading(feed.address, script={"file": str(file)}) | {"scriptPath": str(file)}
    with worker(tmp_path, config) as pipe, reader(pipe.address) as client:
        pipe.wait_for_status("a client", lambda s: s["clients"] == 1)
        feed.send(100)
        assert own(client.message()) == {"version": 1}
        fresh = tmp_path / "fresh"
        fresh.write_text("def process(image, *others):\n    return {'version': 2}\n")
        fresh.replace(file)
        pulse_id = 100

        def version() -> int:
            nonlocal pulse_id
            pulse_id += 1
            feed.send(pulse_id)
            return int(client.message().values["version"])

        wait_for("the new version", lambda: version() == 2)


def test_hash_of_the_script_travels_with_what_it_makes(tmp_path: Path, feed: Feed) -> None:
    digest = hashlib.sha256(SCRIPT.encode()).hexdigest()
    with (
        worker(tmp_path, reading(feed.address, script={"source": SCRIPT, "parameters": {"level": 1}})) as pipe,
        reader(pipe.address) as client,
    ):
        pipe.wait_for_status("a client", lambda s: s["clients"] == 1)
        feed.send(100)
        assert json.loads(client.message().values["processing_parameters"])["scriptSha256"] == digest


def test_script_that_tells_its_parameters_tells_its_hash(tmp_path: Path, feed: Feed) -> None:
    source = """
import json
def process(image, pulse_id, timestamp, x_axis, y_axis, parameters):
    return {"processing_parameters": json.dumps(parameters)}
"""
    config = reading(feed.address, script={"source": source, "parameters": {"mine": 1}})
    with worker(tmp_path, config) as pipe, reader(pipe.address) as client:
        pipe.wait_for_status("a client", lambda s: s["clients"] == 1)
        feed.send(100)
        told = json.loads(client.message().values["processing_parameters"])
    assert told["scriptSha256"] == hashlib.sha256(source.encode()).hexdigest()
    assert (told["mine"], told["name"], told["camera_name"], told["pipeline_type"]) == (1, "PIPE", "CAM", "processing")


# ---------------------------------------------------------------------- streams


def test_stream_passes_all_channels_on(tmp_path: Path, feed: Feed) -> None:
    with worker(tmp_path, reading(feed.address, type="Stream")) as pipe:
        values = {"a": 3, "b": np.arange(5.0), "c": "text"}
        sent = iter(range(100, 10_000))
        wait_for("a client", lambda: pipe.status().get("phase"))
        for _ in range(200):
            feed.send_channels(next(sent), values)
        (first, found), *_ = _while_sending(pipe, feed, sent, values)
    assert set(found) == {"a", "b", "c"}
    assert (found["a"], found["c"], list(found["b"])) == (3, "text", [0, 1, 2, 3, 4])
    assert first >= 100


def _while_sending(pipe: WorkerProcess, feed: Feed, sent: Iterator[int], values: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """What psi-bsread reads while the feed goes on."""
    done = threading.Event()

    def send() -> None:
        while not done.wait(0.02):
            feed.send_channels(next(sent), values)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        return psi_messages(pipe.address, 2)
    finally:
        done.set()
        sender.join()


def test_stream_script_gets_a_dict_and_gives_one(tmp_path: Path, feed: Feed) -> None:
    source = "def process(data, pulse_id, timestamp, parameters):\n    return {'twice': 2 * data['a'], 'pulse': pulse_id}\n"
    with worker(tmp_path, reading(feed.address, type="Stream", script={"source": source})) as pipe, reader(pipe.address) as client:
        pipe.wait_for_status("a client", lambda s: s["clients"] == 1)
        feed.send_channels(100, {"a": 21})
        assert own(client.message()) == {"twice": 42, "pulse": 100}


def test_store_pushes_the_raw_image_under_the_name_of_its_camera(tmp_path: Path) -> None:
    with worker(tmp_path, camera(simulation(32, 24, 50))) as cam:
        config = pipeline(cam.address, type="Store", output={"mode": "Push", "block": False})
        with worker(tmp_path, config) as pipe:
            found = psi_messages(pipe.address, 3, bsread.PULL)
    assert [set(values) for _, values in found] == [{"CAM:FPICTURE"}] * 3
    assert found[0][1]["CAM:FPICTURE"].shape == (24, 32)
    pulses = [pulse_id for pulse_id, _ in found]
    assert pulses == sorted(set(pulses))


def test_custom_script_makes_messages_with_their_own_pulse_and_time(tmp_path: Path) -> None:
    source = """
def process(parameters, init):
    parameters["n"] = 1 if init else parameters["n"] + 1
    return {"n": parameters["n"]}, 1_700_000_000.5, 1000 + parameters["n"], 8
"""
    config = without_input(type="Custom", script={"source": source}, selection={"maxFrameRate": 50})
    with worker(tmp_path, config) as pipe, reader(pipe.address) as client:
        messages = client.messages(3)
    assert [message.pulse_id - 1000 for message in messages] == [message.values["n"] for message in messages]
    assert messages[0].timestamp == (1_700_000_000, 500_000_000)


def test_own_program_runs_until_it_is_stopped(tmp_path: Path) -> None:
    config = without_input(type="Script", script={"module": "camstream_worker.scripts.example", "parameters": {"rate": 50}})
    with worker(tmp_path, config) as pipe:
        pulses = [values["count"] for _, values in psi_messages(pipe.address, 3)]
        assert pulses == list(range(pulses[0], pulses[0] + 3))
        assert pipe.wait_for_status("running", lambda s: s["phase"] == "Running")
        assert pipe.stop() == 0


def test_own_program_that_fails_ends_its_worker_with_file_and_line(tmp_path: Path) -> None:
    source = "def run(stop_event, *others):\n    raise OSError('no beam')\n"
    with worker(tmp_path, without_input(type="Script", script={"source": source})) as pipe:
        assert pipe.process.wait(30) == 1
        reason = json.loads(pipe.termination.read_text())
    assert reason["reason"] == "ScriptError"
    assert "<script pipe>:2: OSError: no beam" in reason["message"]


def test_own_program_that_returns_completes(tmp_path: Path) -> None:
    with worker(tmp_path, without_input(type="Script", script={"source": "def run(*all_nine):\n    pass\n"})) as pipe:
        assert pipe.process.wait(30) == 0
        assert json.loads(pipe.termination.read_text())["message"] == "the script has come to its end"


# ---------------------------------------------------------------------- graphs


def test_shared_out_and_gathered_stream_is_complete_and_in_the_order_of_its_pulses(tmp_path: Path, feed: Feed) -> None:
    gather = f"tcp://127.0.0.1:{free_port()}"
    fan_out = reading(feed.address, "out", type="FanOut", output={"mode": "Push", "queueSize": 100})
    fan_in = without_input("in", type="FanIn", reorder=30) | {"gatherAddress": gather}
    slow = "import time\ndef process(data, pulse_id, *others):\n    time.sleep(0.02 if pulse_id % 3 else 0.001)\n    return data\n"
    with worker(tmp_path, fan_in) as last, worker(tmp_path, fan_out) as first, reader(last.address) as client:
        last.wait_for_status("a client", lambda s: s["clients"] == 1)
        share = {"type": "Stream", "script": {"source": slow}, "output": {"mode": "Push"}}
        one, two = (reading(first.address, name, **share) | {"outputAddress": gather} for name in ("one", "two"))
        with worker(tmp_path, one) as a, worker(tmp_path, two) as b:
            first.wait_for_status("both share", lambda s: s["clients"] == 2)
            for pulse_id in range(100, 200):
                feed.send_channels(pulse_id, {"n": pulse_id})
            pulses = [message.pulse_id for message in client.messages(100)]
            shares = [worker.status()["frames"]["sent"] for worker in (a, b)]
    assert pulses == list(range(100, 200))
    assert sum(shares) == 100
    assert min(shares) > 0


def test_merged_stream_joins_equal_pulses_and_counts_the_others(tmp_path: Path, feed: Feed, other: Feed) -> None:
    source = "def process_image(image, pulse_id, t, x, y, parameters, bsdata):\n    return {'p': pulse_id, 'beside': bsdata['current']}\n"
    config = reading(feed.address, script={"source": source}, merge={"address": other.address, "mode": "Pull"})
    with worker(tmp_path, config | {"mergeAddress": other.address}) as pipe, reader(pipe.address) as client:
        pipe.wait_for_status("a client", lambda s: s["clients"] == 1)
        for pulse_id in (100, 101, 102, 103, 104):
            feed.send(pulse_id)
        for pulse_id in (99, 101, 102, 104):
            other.send_channels(pulse_id, {"current": pulse_id / 10})
        assert [own(message) for message in client.messages(3)] == [{"p": p, "beside": p / 10} for p in (101, 102, 104)]
        drops = pipe.status()["frames"]["dropped"]
    assert drops["source/input_without_partner"] == 2
    assert drops["source/merged_without_partner"] == 1


def test_second_stream_that_pauses_holds_up_no_more_than_its_bound(tmp_path: Path, feed: Feed, other: Feed) -> None:
    config = reading(feed.address, type="Stream", merge={"address": other.address, "mode": "Pull", "queueSize": 5})
    with worker(tmp_path, config | {"mergeAddress": other.address}) as pipe, reader(pipe.address) as client:
        pipe.wait_for_status("a client", lambda s: s["clients"] == 1)
        for pulse_id in range(100, 110):
            feed.send_channels(pulse_id, {"a": pulse_id})
        pipe.wait_for_status("dropped", lambda s: s["frames"]["dropped"].get("source/input_waited_too_long") == 5)
        for pulse_id in range(100, 110):
            other.send_channels(pulse_id, {"b": -pulse_id})
        assert [message.values for message in client.messages(5)] == [{"a": p, "b": -p} for p in range(105, 110)]


def test_second_stream_that_is_silent_is_told_and_what_waits_for_it_is_kept(tmp_path: Path, feed: Feed, other: Feed) -> None:
    config = reading(feed.address, type="Stream", merge={"address": other.address, "mode": "Pull"})
    config["pipeline"]["input"]["timeoutSeconds"] = 1
    with worker(tmp_path, config | {"mergeAddress": other.address}) as pipe, reader(pipe.address) as client:
        pipe.wait_for_status("a client", lambda s: s["clients"] == 1)
        pulses = iter(range(100, 10_000))

        def told() -> bool:
            feed.send_channels(next(pulses), {"a": 1})
            return bool(f"nothing for 1 s from {other.address}, which is to be merged" in pipe.status()["input"]["message"])

        wait_for("the silence is told", told)
        last = next(pulses)
        for pulse_id in range(100, last):
            other.send_channels(pulse_id, {"b": 2})
        assert [message.pulse_id for message in client.messages(last - 100)] == list(range(100, last))
        status = pipe.wait_for_status("connected", lambda s: s["input"]["connected"])
        assert status["frames"]["dropped"] == {}


def test_stream_that_stutters_loses_only_what_has_no_partner(tmp_path: Path, feed: Feed, other: Feed) -> None:
    config = reading(feed.address, type="Stream", merge={"address": other.address, "mode": "Pull"})
    with worker(tmp_path, config | {"mergeAddress": other.address}) as pipe, reader(pipe.address) as client:
        pipe.wait_for_status("a client", lambda s: s["clients"] == 1)
        # Pulse 101 comes twice, and 100 again after it.
        for pulse_id in (100, 101, 101, 100, 102, 103):
            feed.send_channels(pulse_id, {"a": pulse_id})
        for pulse_id in (100, 101, 102, 103):
            other.send_channels(pulse_id, {"b": pulse_id})
        assert [message.values for message in client.messages(4)] == [{"a": p, "b": p} for p in (100, 101, 102, 103)]
        status = pipe.wait_for_status("counted", lambda s: s["frames"]["dropped"])
        assert status["frames"]["dropped"] == {"source/input_without_partner": 2}


def test_silence_of_the_second_stream_ends_the_worker_where_that_is_asked_for(tmp_path: Path, other: Feed) -> None:
    feed = Feed(zmq.PUB)
    config = pipeline(feed.address, type="Stream", merge={"address": other.address, "mode": "Pull"}, failure={"abortOnTimeout": True})
    config["pipeline"]["input"]["timeoutSeconds"] = 1
    with worker(tmp_path, config | {"mergeAddress": other.address}) as pipe:
        pulses = iter(range(100, 10_000))

        def ended() -> bool:
            feed.send_channels(next(pulses), {"a": 1})
            return pipe.process.poll() == 1

        wait_for("the worker has ended", ended)
        feed.close()
        assert "aborted, as failure.abortOnTimeout asks: nothing for 1 s" in json.loads(pipe.termination.read_text())["message"]


def test_merge_function_gives_the_analysis_with_the_other_channels(tmp_path: Path, feed: Feed, other: Feed) -> None:
    config = reading(feed.address, processing={"function": "Merge"}, merge={"address": other.address, "mode": "Pull", "channels": ["x"]})
    with worker(tmp_path, config | {"mergeAddress": other.address}) as pipe, reader(pipe.address) as client:
        pipe.wait_for_status("a client", lambda s: s["clients"] == 1)
        feed.send(100)
        other.send_channels(100, {"x": 5, "y": 6})
        values = client.message().values
    assert (values["x"], "y" in values, "x_fit_mean" in values) == (5, False, True)


def test_late_message_comes_in_its_turn_also_at_a_low_rate(tmp_path: Path) -> None:
    gather = f"tcp://127.0.0.1:{free_port()}"
    config = without_input(type="FanIn", reorder=2) | {"gatherAddress": gather}
    with worker(tmp_path, config) as pipe, reader(pipe.address) as client:
        pipe.wait_for_status("a client", lambda s: s["clients"] == 1)
        sender = Feed(connect=gather)
        try:
            for pulse_id in (101, 100, 103, 102):
                sender.send_channels(pulse_id, {"n": pulse_id})
                # Longer than a worker waits for one message.
                time.sleep(0.25)
            assert [message.pulse_id for message in client.messages(4)] == [100, 101, 102, 103]
        finally:
            sender.close()


@pytest.mark.parametrize("threads", [1, 2])
def test_worker_whose_fan_in_is_gone_ends_with_its_parent(tmp_path: Path, feed: Feed, threads: int) -> None:
    gather = f"tcp://127.0.0.1:{free_port()}"
    config = reading(feed.address, output={"mode": "Push", "queueSize": 2}, threads=threads) | {"outputAddress": gather}
    with worker(tmp_path, config) as pipe:
        with reader(gather.replace("127.0.0.1", "*"), zmq.PULL, listen=True) as fan_in:
            feed.send(100)
            assert fan_in.message().pulse_id == 100
        for pulse_id in range(101, 150):
            feed.send(pulse_id)
        pipe.wait_for_status("it waits for room", lambda s: s["frames"]["processed"] > s["frames"]["sent"])
        assert pipe.process.stdin is not None
        pipe.process.stdin.close()
        assert pipe.process.wait(20) == 0


# ---------------------------------------------------------------------- files


def test_records_go_to_a_file_and_the_worker_completes(tmp_path: Path) -> None:
    with worker(tmp_path, camera(simulation(32, 24, 50))) as cam:
        (tmp_path / "files").mkdir()
        config = pipeline(cam.address, selection={"records": 5, "exclude": ["image"]}, output={"file": {"path": "run/beam"}})
        with worker(tmp_path, config | {"filesFolder": str(tmp_path / "files")}) as pipe:
            assert pipe.process.wait(30) == 0
            assert json.loads(pipe.termination.read_text())["reason"] == "Completed"
    with h5py.File(tmp_path / "files/run/beam.h5") as file:
        pulses = file["header1/pulse_id"][:]
        assert len(pulses) == 5
        assert list(pulses) == sorted(set(pulses))
        assert file["data1/x_profile/value"].shape == (5, 32)


def test_file_without_a_folder_for_files_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with worker(tmp_path, pipeline("tcp://127.0.0.1:1", output={"file": {"path": "beam.h5"}})) as pipe:
        assert pipe.process.wait(30) == 2
        assert "has no folder for files" in json.loads(pipe.termination.read_text())["message"]
