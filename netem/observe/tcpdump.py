"""tcpdump's command line and messages; nothing here runs it."""

import re
from dataclasses import dataclass

BUFFER_KIB = 16_384
FULL_SNAPLEN_BYTES = 65_600
"""Room for the largest frame: with segmentation offload, an IP packet of 64 KiB and its Ethernet header."""
FULL_SNAPLEN_BUFFER_KIB = 65_536
"""In immediate mode the kernel reserves room for the longest frame, 128 KiB, for each one: this holds 512 frames."""
_COUNTERS = re.compile(r"(\d+) packets? (captured|received by filter|dropped by kernel|dropped by interface)")
_LAST = re.compile(r"^\d+ packets? dropped by kernel$", re.MULTILINE)
_MARK = re.compile(r"tcpdump: (\d+) packets? captured, (\d+) packets? received by filter")
"""Anywhere in a line: tcpdump answers a SIGUSR1 immediately, even in the middle of its line `listening on ...`."""


@dataclass(frozen=True, slots=True)
class CaptureCounters:
    """The counters that tcpdump prints when it ends."""

    captured: int = 0
    received: int = 0
    dropped: int = 0

    def problem(self, unfiltered: int, *, inbound_only: bool = False) -> str:
        """Return why the capture is incomplete; empty when it is complete.

        `unfiltered` frames arrived before the filter was in force: the kernel counts them, and the capture must not
        hold them. With `inbound_only` the kernel counts both directions, so that only its count of drops is useful.
        """
        if self.dropped:
            frames = "1 frame" if self.dropped == 1 else f"{self.dropped} frames"
            return f"the kernel dropped {frames} that the capture should hold"
        missing = 0 if inbound_only else self.received - self.captured - unfiltered
        were = "was" if missing == 1 else "were"
        return f"{missing} of {self.received} frames {were} not written" if missing > 0 else ""


def arguments(
    device: str, path: str, *, port: int, snaplen_bytes: int, inbound_only: bool, segment_units: int = 0
) -> list[str]:
    """Return the command line; a snap length of 0 captures whole frames.

    `segment_units` is the size of each file in millions of bytes; 0 writes one file.

    - `--immediate-mode`: without it a capture shorter than a second is empty.
    - The small snap length: immediate mode loses frames with the default one.
    - `-Z root`: tcpdump would otherwise change its user, which needs a capability.
    - `-p`: promiscuous mode is useless, because a bridge port receives only its own frames.
    - `-Q in` instead of the filter word `inbound`: frames that arrive while the filter is set pass through a copy of it
      in libpcap, which does not know their direction and drops them.
    """
    direction = ["-Q", "in"] if inbound_only else []
    rotation = ["-C", str(segment_units)] if segment_units else []
    buffer_kib = BUFFER_KIB if snaplen_bytes else FULL_SNAPLEN_BUFFER_KIB
    snaplen = str(snaplen_bytes or FULL_SNAPLEN_BYTES)
    return [
        *("tcpdump", "-i", device, "-p", *direction, "-n", "-s", snaplen, "-B", str(buffer_kib), *rotation),
        *("--immediate-mode", "-U", "--time-stamp-precision=nano", "-Z", "root", "-w", path, f"tcp port {port}"),
    ]


def is_listening(stderr: str) -> bool:
    """Whether tcpdump has started to capture."""
    return "listening on " in stderr


def has_reported(stderr: str) -> bool:
    """Whether tcpdump has printed its final counters; by then its file is complete."""
    return _LAST.search(stderr) is not None


def counters(stderr: str) -> CaptureCounters:
    """Read the counters that tcpdump printed last, on SIGUSR1 or at its end; 0 for those that are missing."""
    found = {what: int(number) for number, what in _COUNTERS.findall(stderr)}
    dropped = found.get("dropped by kernel", 0) + found.get("dropped by interface", 0)
    return CaptureCounters(found.get("captured", 0), found.get("received by filter", 0), dropped)


def unfiltered_frames(stderr: str) -> int:
    """Return how many frames arrived before the filter was in force, from the counters after the first SIGUSR1.

    libpcap binds its socket before it sets the filter, and discards the frames in between; the kernel counts them.
    """
    mark = _MARK.search(stderr)
    return int(mark[2]) - int(mark[1]) if mark else 0
