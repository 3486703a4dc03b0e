"""bsread 1.1 as bytes: values to ZMQ message parts and back, without a socket.

One message is ``[main header, data header, value, timestamp, value, timestamp, ...]``. The data header describes the
channels; it travels in every message, with its hash in the main header, so that both sides build and parse it only
when it changes.
"""

from camstream.wire.channel import ChannelHeader, Part
from camstream.wire.compression import Compression
from camstream.wire.decoder import Decoder, Message
from camstream.wire.encoder import Encoder, HeaderPolicy

__all__ = ["ChannelHeader", "Compression", "Decoder", "Encoder", "HeaderPolicy", "Message", "Part"]
