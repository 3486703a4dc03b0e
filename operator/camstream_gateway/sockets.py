"""How the gateway reads streams."""

import zmq
import zmq.asyncio

from camstream.names import CONNECT_MS


def subscribed(context: zmq.asyncio.Context, address: str, queue_size: int) -> zmq.asyncio.Socket:
    """A socket that reads a stream. Close it.

    :param queue_size: messages that may wait
    :raises zmq.ZMQError: if it is no address
    """
    socket = context.socket(zmq.SUB)
    try:
        socket.linger = 0
        socket.rcvhwm = queue_size
        socket.connect_timeout = CONNECT_MS
        # A sender that vanished without a word is noticed, and looked for again.
        # No ZMTP heartbeats: libzmq aborts the process when one fails while it waits for room (zeromq/libzmq issue 3937).
        socket.tcp_keepalive, socket.tcp_keepalive_idle, socket.tcp_keepalive_intvl, socket.tcp_keepalive_cnt = 1, 2, 1, 3
        socket.reconnect_ivl, socket.reconnect_ivl_max = 100, 1000
        socket.subscribe(b"")
        socket.connect(address)
    except zmq.ZMQError:
        socket.close()
        raise
    return socket
