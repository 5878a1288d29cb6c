"""Record the system calls of one connection in its event log (docs/programs.md).

Recording costs a few stores while the connection runs: events are packed into a fixed buffer, and formatted when it is
full and at the end. A recorder belongs to one thread; another thread may call `close` once that one has stopped.
"""

import os
import struct
import time
from enum import IntEnum
from itertools import accumulate, chain
from typing import Final

from testbed.peer.descriptor import write_all
from testbed.peer.errors import SystemCallError

MAX_BUFFERED_CALLS: Final = 65536
"""2 MiB of memory, which last at least 0.1 s; formatting them takes about 0.02 s."""
_EVENT: Final = struct.Struct("<qqqq")
_LIMIT: Final = MAX_BUFFERED_CALLS * _EVENT.size
_BYTES_PER_WRITE: Final = 4096 * _EVENT.size


class Op(IntEnum):
    """The system call of an event."""

    CONNECT = 0
    ACCEPT = 1
    WRITE = 2
    READ = 3
    SLEEP = 4
    EOF = 5
    CLOSE = 6


_NAMES: Final = [op.name.lower() for op in Op]


class CallRecorder:
    """Write events to `path`, or nothing if it is empty; raise SystemCallError if the file cannot be created."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._used = 0
        self._total_bytes = 0
        self._failure: OSError | None = None
        self._fd: int | None = None
        if not path:
            return
        self._memory = bytearray(_LIMIT)
        offset_ns = time.clock_gettime_ns(time.CLOCK_REALTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            write_all(self._fd, f"# realtime_offset_ns={offset_ns}\nop,start_ns,end_ns,bytes,total_bytes\n".encode())
        except OSError as error:
            self._close_file()
            raise SystemCallError(f"create event log {path}", error) from error

    def record(self, op: Op, start_ns: int, end_ns: int, size_bytes: int = 0) -> None:
        """Record one call with its times (CLOCK_MONOTONIC) and the bytes that it sent or received."""
        if self._fd is None:
            return
        used = self._used
        if used == _LIMIT:
            self._flush()
            used = 0
        _EVENT.pack_into(self._memory, used, op, start_ns, end_ns, size_bytes)
        self._used = used + _EVENT.size

    def _flush(self) -> None:
        if self._fd is None:
            return
        used, self._used = self._used, 0
        view = memoryview(self._memory)
        try:
            for at in range(0, used, _BYTES_PER_WRITE):
                write_all(self._fd, self._format(view[at : min(at + _BYTES_PER_WRITE, used)]))
        except OSError as error:
            # A failure to write the log must not end the transfer: `close` reports it.
            self._failure = error
            self._close_file()

    def _format(self, events: memoryview) -> bytes:
        """Return the lines for packed events; formatting by columns takes half the time of formatting by lines."""
        count = len(events) // _EVENT.size
        values = struct.unpack(f"<{4 * count}q", events)
        ops, starts_ns, ends_ns, sizes = (values[column::4] for column in range(4))
        totals = list(accumulate(sizes, initial=self._total_bytes))[1:]
        self._total_bytes = totals[-1]
        rows = zip(map(_NAMES.__getitem__, ops), starts_ns, ends_ns, sizes, totals, strict=True)
        return ("%s,%d,%d,%d,%d\n" * count % tuple(chain.from_iterable(rows))).encode()

    def _close_file(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def close(self) -> None:
        """Write the remaining events; raise SystemCallError if any event could not be written. May be called again."""
        self._flush()
        self._close_file()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise SystemCallError(f"write event log {self._path}", failure) from failure
