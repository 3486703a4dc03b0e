"""The output of a worker against real sockets: slow clients, byte bounds, whole messages."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import bsread
import numpy as np
import pytest
import zmq
from ports import free_port
from waiting import wait_for
from workers import Reader, reader

from camstream.frame import Timestamp
from camstream.spec.fields import InputMode, OutputMode
from camstream.spec.output import StreamOutput
from camstream_worker.counters import Counters
from camstream_worker.outputs import BsreadOutput
from camstream_worker.sockets import AddressInUse
from camstream_worker.sources.bsread import Receiver

NOW = Timestamp(1_700_000_000, 0)


class Sender:
    """An output, its counters, and the thread that attends to its readers."""

    def __init__(self, spec: StreamOutput, address: str | None = None) -> None:
        self.counters, self.stop = Counters(), threading.Event()
        self.output = BsreadOutput(spec, address or f"tcp://127.0.0.1:{free_port()}", self.counters, self.stop)
        self._attending = threading.Thread(target=self._attend)
        self._attending.start()

    def _attend(self) -> None:
        while not self.output.readers.closed:
            self.output.readers.attend(0.1)

    def send(self, pulse_id: int, size: int = 100) -> bool:
        values = {"image": np.full((size, size), pulse_id % 256, np.uint8), "number": pulse_id}
        return self.output.send(values, pulse_id, NOW)

    def close(self) -> None:
        self.output.close()
        self._attending.join()


@contextmanager
def sender(**spec: object) -> Iterator[Sender]:
    found = Sender(StreamOutput.model_validate(spec))
    try:
        yield found
    finally:
        found.stop.set()
        found.close()


def connected(s: Sender, clients: int) -> None:
    wait_for(f"{clients} clients", lambda: s.output.readers.clients == clients)


def subscribed(s: Sender, r: Reader) -> int:
    """Send until the reader gets something; a subscription takes effect some time after the handshake."""
    for pulse_id in range(1, 10_000):
        s.send(pulse_id, 10)
        if r.socket.poll(20):
            found = r.message().pulse_id
            while found < pulse_id:  # those that took longer
                found = r.message().pulse_id
            return found
    raise AssertionError("nothing arrived")


def test_a_second_listener_at_the_same_address_is_told_so():
    with sender() as first, pytest.raises(AddressInUse, match="in use by another program"):
        Sender(StreamOutput(), first.output.address)


@pytest.mark.parametrize("dtype", ["uint8", "<u2", ">u2", "int32", "float32", "float64"])
def test_packed_images_are_read_by_psi_bsread_and_by_another_worker(dtype):
    rng = np.random.default_rng(4)
    images = [rng.normal(2000, 300, (301, 403)).astype(dtype) for _ in range(4)]
    with sender(mode="Push", compression="BitshuffleLz4") as s:
        port = int(s.output.address.rpartition(":")[2])
        with bsread.Source(host="127.0.0.1", port=port, mode=bsread.PULL, receive_timeout=5000) as source:
            connected(s, 1)
            for pulse_id, image in enumerate(images):
                assert s.output.send({"image": image}, pulse_id, NOW)
                assert np.array_equal(source.receive().data.data["image"].value, image)
        wait_for("the client is gone", lambda: s.output.readers.clients == 0)
        receiver = Receiver(s.output.address, InputMode.PULL, Counters())
        wait_for("the next one is there", lambda: receiver.receive(0.02) or s.output.readers.clients)
        for pulse_id, image in enumerate(images):
            assert s.output.send({"image": image}, pulse_id, NOW)
            message = receiver.receive(5)
            assert message.header[0].compression == "bitshuffle_lz4"
            assert np.array_equal(message.values["image"], image)
        receiver.close()


def test_a_stuck_client_costs_the_others_nothing_and_is_counted():
    with sender(queueSize=3) as s, reader(s.output.address) as good, reader(s.output.address, hwm=1) as stuck:
        connected(s, 2)
        subscribed(s, good)
        subscribed(s, stuck)
        last = 20_400
        while good.socket.poll(200):
            good.parts()
        for pulse_id in range(20_000, last):
            s.send(pulse_id, 600)
            assert good.message().pulse_id == pulse_id
        assert s.counters.output_drops["slow_client"] > 0


def test_frames_sent_and_dropped_add_up():
    with sender(queueSize=2) as s, reader(s.output.address, hwm=1) as stuck:
        connected(s, 1)
        subscribed(s, stuck)
        before = s.counters.sent + s.counters.output_drops["slow_client"]
        results = [s.send(i, 600) for i in range(500)]
        assert s.counters.sent + s.counters.output_drops["slow_client"] == before + 500
        assert False in results


def test_large_messages_shorten_the_queue_down_to_one():
    """What the operating systems of both sides and the reader itself hold comes on top."""
    with sender(queueSize=100, queueMebibytes=40) as s, reader(s.output.address, hwm=1) as stuck:
        subscribed(s, stuck)
        results = [s.send(i, 4096) for i in range(20)]  # 16 MiB each
        assert results.index(False) >= 2
        assert results[-1] is False
        assert 16 * 2**20 < s.output.readers.waiting_bytes <= 40 * 2**20
        assert s.send(7, 10), "a small one still fits below the bound"


def test_a_message_larger_than_the_bound_still_goes_alone():
    with sender(queueSize=100, queueMebibytes=1) as s, reader(s.output.address) as r:
        connected(s, 1)
        first = subscribed(s, r)
        s.send(first + 1, 4096)
        wait_for("all of it is on its way", lambda: r.until(lambda m: m.pulse_id == first + 1))


def test_a_push_without_a_client_waits_and_stops_at_once_when_told():
    with sender(mode="Push") as s:
        blocked = threading.Thread(target=s.send, args=(1,), daemon=True)
        blocked.start()
        blocked.join(0.2)
        assert blocked.is_alive()
        s.stop.set()
        blocked.join(2)
        assert not blocked.is_alive()
        assert s.counters.output_drops == {"stopped": 1}


def test_a_push_that_may_not_wait_drops_whole_messages_and_counts_them():
    with sender(mode="Push", block=False) as s:
        assert not s.send(1)
        assert s.counters.output_drops == {"no_room": 1}


@pytest.mark.parametrize("mode", ["Push", "Pub"])
def test_no_message_is_ever_torn_however_full_the_queue_is(mode: str):
    count = 20_000
    with sender(mode=mode, block=False, queueSize=1) as s, reader(s.output.address, zmq.PULL if mode == "Push" else zmq.SUB, hwm=1) as r:
        connected(s, 1)
        subscribed(s, r)
        done = threading.Event()
        whole: list[int] = []

        def read() -> None:
            # What was sent may still be on its way when all is sent.
            while r.socket.poll(2000) or not done.is_set():
                if r.socket.poll(0):
                    whole.append(r.message().pulse_id)  # raises for anything but a whole message

        consumer = threading.Thread(target=read)
        consumer.start()
        sent = sum(s.send(i, 20) for i in range(count))
        done.set()
        consumer.join(20)
        dropped = s.counters.output_drops["no_room" if mode == "Push" else "slow_client"]
        assert sent + dropped == count
        assert dropped > 0, "the queue was never full, so nothing was tried"
        assert whole == sorted(whole)
        assert len(whole) > 100
        if mode == "Push":
            assert len(whole) >= sent - 1


def test_what_waits_for_a_receiver_that_goes_is_counted():
    with sender(mode="Push", block=False, queueSize=3) as s:
        with reader(s.output.address, zmq.PULL, hwm=1) as stuck:
            connected(s, 1)
            results = [s.send(i, 3000) for i in range(20)]  # 9 MB each
            assert False in results
            assert stuck.message().pulse_id == 0
        connected(s, 0)
        s.send(99)
        assert 1 <= s.counters.output_drops["receiver_gone"] <= 3


def test_a_push_gives_each_message_to_one_client():
    with sender(mode="Push") as s, reader(s.output.address, zmq.PULL) as a, reader(s.output.address, zmq.PULL) as b:
        connected(s, 2)
        for i in range(10):
            s.send(i)
        got = [a.message().pulse_id for _ in range(5)] + [b.message().pulse_id for _ in range(5)]
        assert sorted(got) == list(range(10))


def test_a_sender_can_connect_to_a_receiver_that_is_bound():
    port = free_port()
    context = zmq.Context()
    pull = context.socket(zmq.PULL)
    pull.bind(f"tcp://127.0.0.1:{port}")
    try:
        with sender(mode=OutputMode.PUSH, connect=f"tcp://127.0.0.1:{port}") as s:
            assert s.send(1)
            assert pull.poll(5000)
    finally:
        pull.close(0)
        context.term()


def test_only_completed_handshakes_count_as_clients():
    with sender() as s:
        port = int(s.output.address.rsplit(":", 1)[1])
        for _ in range(3):
            socket.create_connection(("127.0.0.1", port)).close()
        with reader(s.output.address):
            connected(s, 1)
        connected(s, 0)
        with reader(s.output.address), reader(s.output.address):
            connected(s, 2)
