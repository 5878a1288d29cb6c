"""Run the few programs that the sidecar needs (tc, ip, tcpdump), without the start-up cost of `subprocess`.

posix_spawn searches PATH once and imports nothing.
"""

import contextlib
import os
import select
import signal
import time
from dataclasses import dataclass

from netem.contract.errors import SidecarError, from_os_error
from netem.system import capabilities

_OUTPUT_CAP_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Completed:
    """The output of a program that ended with the exit code `status` (negative: the signal that ended it)."""

    status: int
    stdout: str
    stderr: str


@dataclass(slots=True)
class Child:
    """A running program, with the read ends of its output."""

    name: str
    pid: int
    stdout: int
    stderr: int

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; a child that has already ended is not an error."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def close(self) -> None:
        """Close the read ends."""
        for fd in (self.stdout, self.stderr):
            with contextlib.suppress(OSError):
                os.close(fd)


def spawn(argv: list[str], *, stdin: int | None = None) -> Child:
    """Start `argv`, with an empty standard input by default. Raises SidecarError when the program cannot be started."""
    out_read, out_write = os.pipe2(os.O_CLOEXEC)
    err_read, err_write = os.pipe2(os.O_CLOEXEC)
    source: tuple[int, int, int] | tuple[int, int, str, int, int]
    source = (os.POSIX_SPAWN_DUP2, stdin, 0) if stdin is not None else (os.POSIX_SPAWN_OPEN, 0, "/dev/null", 0, 0)
    actions = [source, (os.POSIX_SPAWN_DUP2, out_write, 1), (os.POSIX_SPAWN_DUP2, err_write, 2)]
    try:
        # No program that the sidecar starts needs the capability.
        pid = capabilities.run_without(
            capabilities.SYS_NICE,
            lambda: os.posix_spawnp(
                argv[0],
                argv,
                {**os.environ, "LC_ALL": "C"},
                file_actions=actions,
                setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGUSR1],
            ),
        )
    except OSError as error:
        os.close(out_read)
        os.close(err_read)
        raise from_os_error(f"start {argv[0]}", error, "use the testbed-netem image, which contains it") from error
    finally:
        os.close(out_write)
        os.close(err_write)
    return Child(argv[0], pid, out_read, err_read)


def run(argv: list[str], *, text: str = "", timeout_s: float = 10.0) -> Completed:
    """Run `argv` with `text` as its input. Raises SidecarError when it cannot start or exceeds the timeout."""
    in_read, in_write = os.pipe2(os.O_CLOEXEC)
    try:
        child = spawn(argv, stdin=in_read)
    except SidecarError:
        os.close(in_write)
        raise
    finally:
        os.close(in_read)
    # Batches of a few lines are far below the 64 kB that a pipe buffers.
    with contextlib.suppress(BrokenPipeError):
        os.write(in_write, text.encode())
    os.close(in_write)
    deadline_s = time.monotonic() + timeout_s
    try:
        stdout, stderr = _read_both(child, deadline_s)
        if stdout is None or stderr is None:
            child.signal(signal.SIGKILL)
            os.waitpid(child.pid, 0)
            raise SidecarError(f"run {' '.join(argv)}", f"did not exit within {timeout_s:g} s")
        status = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
    finally:
        child.close()
    return Completed(status, stdout.decode(errors="replace"), stderr.decode(errors="replace"))


def _read_both(child: Child, deadline_s: float) -> tuple[bytes | None, bytes | None]:
    """Read both outputs to their ends; return None when the deadline passes first."""
    parts: dict[int, bytearray] = {child.stdout: bytearray(), child.stderr: bytearray()}
    open_fds = set(parts)
    poller = select.poll()
    for fd in open_fds:
        poller.register(fd, select.POLLIN)
    while open_fds:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            return None, None
        for fd, _ in poller.poll(left_s * 1000):
            chunk = os.read(fd, 65_536)
            if not chunk:
                poller.unregister(fd)
                open_fds.discard(fd)
            elif len(parts[fd]) < _OUTPUT_CAP_BYTES:
                parts[fd] += chunk
    return bytes(parts[child.stdout]), bytes(parts[child.stderr])
