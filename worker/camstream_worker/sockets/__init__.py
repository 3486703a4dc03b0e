"""ZeroMQ sockets of our own, for whole messages: a PUB or PUSH that sends, a SUB or PULL that receives.

They talk to every ZeroMQ socket of today. Why they are not libzmq's: docs/decisions/0011-sockets-of-our-own.md.

.. code-block:: text

    address.py     addresses as text  -> what the operating system connects to or listens at
    link.py        one connection: bytes that come, bytes that wait to go
    links.py       all connections of one socket: listening, connecting again, who is there
    receiving.py   messages from them
    sending.py     messages to them, whole or not at all, and who has no room
"""

from camstream_worker.sockets.address import AddressInUse
from camstream_worker.sockets.receiving import ReceivingSocket
from camstream_worker.sockets.sending import SendingSocket

__all__ = ["AddressInUse", "ReceivingSocket", "SendingSocket"]
