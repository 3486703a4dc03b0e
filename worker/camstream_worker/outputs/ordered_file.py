"""The file below HDF5, written in such an order that it can be opened whenever the writer is killed.

HDF5 hands its blocks over in any order, so a writer killed between two of them leaves a file that cannot be read. Here a block that
nothing refers to yet goes to the disk at once; one that would change what a reader sees waits for :meth:`OrderedFile.publish`, which
writes what is referred to before what refers to it. Each step leaves a file that HDF5 opens:

1. blocks that nothing on the disk refers to, and rows beyond the length of their dataset
2. the superblock: the length of the file, and its root group
3. nodes of the index of chunks, parents before children: a split node keeps its entries until its parent knows the new one
4. headers of datasets, which hold their lengths
5. headers in :attr:`OrderedFile.last`, so that their lengths are those of whole records

No block of the kinds 2 to 5 crosses a page of 4096 bytes (HDF5's paged allocation sees to it, and the index is of the kind whose nodes
are small), and Linux copies a page whole or not at all when it ends a process. Against a loss of power there is only :meth:`finish`.
"""

import io
import os
from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

PAGE = 4096
"""[bytes]"""

_EOF, _ROOT, _CHECKSUM = slice(28, 36), slice(36, 44), slice(44, 48)
"""Fields of a superblock of version 2."""

_NODE = b"TREE\x01"
_HEADERS = (b"OHDR\x02", b"OCHK")


class OrderedFile(io.RawIOBase):
    """What h5py takes for a file. Writing never fails here: what finds no room waits, and :meth:`publish` tells.

    The file must have a superblock of version 2 (without marks of who has it open) and paged allocation.
    """

    def __init__(self, fd: int) -> None:
        """Take over `fd`, which is open for reading and writing, and empty."""
        super().__init__()
        self.root: int | None = None
        """Address of the group that readers see as root. Default: HDF5's own."""
        self.last: set[int] = set()
        """Addresses of the object headers that are written after all others."""
        self.ended = False
        """Whatever HDF5 writes from now on is thrown away."""
        self._fd = fd
        self._position = 0
        self._end = 0
        self._published = 0
        """Length of the file as readers know it: what lies behind it, nobody sees."""
        self._superblock = b""
        self._superblock_on_disk = b""
        self._pending: dict[int, bytes] = {}
        """Blocks that wait, by offset; they do not overlap."""
        self._offsets: list[int] = []
        """The same offsets, sorted."""

    # ------------------------------------------------------------------ what HDF5 calls

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._end}[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        start, size = self._position, len(view)
        found = os.preadv(self._fd, [view], start)
        view[found:] = bytes(size - found)
        for offset in self._overlapped(start, size):
            block = self._pending[offset]
            first, last = max(start, offset), min(start + size, offset + len(block))
            view[first - start : last - start] = block[first - offset : last - offset]
        self._position += size
        return size

    def write(self, data: "ReadableBuffer") -> int:
        block = memoryview(data).cast("B")
        offset, size = self._position, len(block)
        self._position += size
        self._end = max(self._end, self._position)
        if self.ended:
            return size
        if offset == 0:
            self._superblock = bytes(block)
            return size
        self._cut_out(offset, size)
        if offset >= self._published:
            try:
                _write_all(self._fd, block, offset)
            except OSError:
                pass  # told by publish, which tries again
            else:
                return size
        self._pending[offset] = bytes(block)
        insort(self._offsets, offset)
        return size

    def truncate(self, size: int | None = None) -> int:
        self._end = self._position if size is None else size
        return self._end

    # ------------------------------------------------------------------ what the output calls

    def publish(self) -> None:
        """Show readers what HDF5 has flushed.

        :raises OSError: if the disk took only a part; the file is whole, and the next call goes on with the rest
        """
        stages = sorted(((self._stage(offset), offset) for offset in self._offsets), reverse=True)
        while stages and stages[-1][0] == _UNSEEN:
            self._settle(stages.pop()[1])
        self._publish_superblock()
        while stages:
            self._settle(stages.pop()[1])

    def finish(self) -> None:
        """Cut off what nobody sees, and see to it that all is on the disk.

        :raises OSError: if the disk fails
        """
        self.ended = True
        os.ftruncate(self._fd, self._published)
        os.fsync(self._fd)

    def close(self) -> None:
        if not self.closed:
            os.close(self._fd)
        super().close()

    # ------------------------------------------------------------------ order

    def _stage(self, offset: int) -> tuple[int, int]:
        block = self._pending[offset]
        kind = block[: len(_NODE)]
        is_node, is_header = kind == _NODE, kind.startswith(_HEADERS)
        # Only a block of the same kind in the same place can be one that readers know.
        if not (is_node or is_header) or os.pread(self._fd, 4, offset) != block[:4]:
            return _UNSEEN
        if is_node:
            level = block[5]
            return 1, -level
        return (3, 0) if offset in self.last else (2, 0)

    def _settle(self, offset: int) -> None:
        block = memoryview(self._pending[offset])
        # From the end: in a heap, what is at the end is not there before the page where it begins says so.
        for start, end in reversed(list(_pages(offset, len(block)))):
            _write_all(self._fd, block[start - offset : end - offset], start)
        del self._pending[offset]
        del self._offsets[bisect_left(self._offsets, offset)]

    def _publish_superblock(self) -> None:
        block = bytearray(self._superblock)
        if self.root is not None:
            block[_ROOT] = self.root.to_bytes(8, "little")
            block[_CHECKSUM] = lookup3(bytes(block[: _CHECKSUM.start])).to_bytes(4, "little")
        if block == self._superblock_on_disk:
            return
        end = int.from_bytes(block[_EOF], "little")
        if os.fstat(self._fd).st_size < end:
            os.ftruncate(self._fd, end)
        _write_all(self._fd, memoryview(block), 0)
        self._superblock_on_disk, self._published = bytes(block), end

    # ------------------------------------------------------------------ blocks that wait

    def _overlapped(self, start: int, size: int) -> list[int]:
        """Offsets of the pending blocks that have a byte in common with a range."""
        first = bisect_left(self._offsets, start)
        if first and self._offsets[first - 1] + len(self._pending[self._offsets[first - 1]]) > start:
            first -= 1
        return self._offsets[first : bisect_left(self._offsets, start + size)]

    def _cut_out(self, start: int, size: int) -> None:
        """Forget what waits for a range that is written anew."""
        for offset in self._overlapped(start, size):
            block = self._pending.pop(offset)
            self._offsets.remove(offset)
            for kept_at, kept in ((offset, block[: max(start - offset, 0)]), (start + size, block[max(start + size - offset, 0) :])):
                if kept:
                    self._pending[kept_at] = kept
                    insort(self._offsets, kept_at)


_UNSEEN = (0, 0)


def _pages(offset: int, size: int) -> Iterator[tuple[int, int]]:
    start, end = offset, offset + size
    while start < end:
        stop = min(end, (start // PAGE + 1) * PAGE)
        yield start, stop
        start = stop


def _write_all(fd: int, block: memoryview, offset: int) -> None:
    while block:
        written = os.pwrite(fd, block, offset)
        block, offset = block[written:], offset + written


def lookup3(data: bytes) -> int:
    """Bob Jenkins' hash (2006, in the public domain), with which HDF5 checks its blocks; 32 bits."""
    mask = 0xFFFFFFFF

    def rotated(x: int, k: int) -> int:
        return ((x << k) | (x >> (32 - k))) & mask

    a = b = c = (0xDEADBEEF + len(data)) & mask
    full = max(len(data) - 1, 0) // 12 * 12
    words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
    for i in range(0, full // 4, 3):
        a, b, c = (a + words[i]) & mask, (b + words[i + 1]) & mask, (c + words[i + 2]) & mask
        a, c = ((a - c) & mask) ^ rotated(c, 4), (c + b) & mask
        b, a = ((b - a) & mask) ^ rotated(a, 6), (a + c) & mask
        c, b = ((c - b) & mask) ^ rotated(b, 8), (b + a) & mask
        a, c = ((a - c) & mask) ^ rotated(c, 16), (c + b) & mask
        b, a = ((b - a) & mask) ^ rotated(a, 19), (a + c) & mask
        c, b = ((c - b) & mask) ^ rotated(b, 4), (b + a) & mask
    rest = [*words[full // 4 :], 0, 0, 0]
    if not data:
        return c
    a, b, c = (a + rest[0]) & mask, (b + rest[1]) & mask, (c + rest[2]) & mask
    c = ((c ^ b) - rotated(b, 14)) & mask
    a = ((a ^ c) - rotated(c, 11)) & mask
    b = ((b ^ a) - rotated(a, 25)) & mask
    c = ((c ^ b) - rotated(b, 16)) & mask
    a = ((a ^ c) - rotated(c, 4)) & mask
    b = ((b ^ a) - rotated(a, 14)) & mask
    return ((c ^ b) - rotated(b, 24)) & mask
