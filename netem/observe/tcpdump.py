"""tcpdump's command line and its words, without running it."""

import re
from dataclasses import dataclass

BUFFER_KIB = 16_384
WHOLE_BYTES = 65_600
"""A whole frame: with segmentation offload an IP packet of 64 KiB and its Ethernet header."""
WHOLE_BUFFER_KIB = 65_536
"""In immediate mode the kernel gives every frame the room of the longest one: 128 KiB, for 512 frames."""
_COUNTERS = re.compile(r"(\d+) packets? (captured|received by filter|dropped by kernel|dropped by interface)")
_LAST = re.compile(r"^\d+ packets? dropped by kernel$", re.MULTILINE)
_MARK = re.compile(r"tcpdump: (\d+) packets? captured, (\d+) packets? received by filter")
"""Anywhere in a line: a SIGUSR1 that comes while tcpdump says that it listens is answered in the midst of it."""


@dataclass(frozen=True, slots=True)
class TapCounters:
    """What tcpdump says at its end."""

    captured: int = 0
    received: int = 0
    dropped: int = 0

    def complaint(self, foreign: int, *, inbound_only: bool = False) -> str:
        """Return in a sentence why the capture is incomplete; empty when it is complete.

        `foreign` frames came before the filter was in force: the kernel counts them, and nobody misses them. Where
        only one direction is wanted the kernel counts both, and its count of drops alone tells.
        """
        if self.dropped:
            frames = "1 frame" if self.dropped == 1 else f"{self.dropped} frames"
            return f"the kernel dropped {frames} that the capture should hold"
        missing = 0 if inbound_only else self.received - self.captured - foreign
        were = "was" if missing == 1 else "were"
        return f"{missing} of {self.received} frames {were} not written" if missing > 0 else ""


def arguments(
    device: str, path: str, *, port: int, snaplen_bytes: int, inbound_only: bool, segment_units: int = 0
) -> list[str]:
    """Return the command line; 0 bytes of each frame are whole frames.

    With `segment_units` it goes on in another file after so many millions of bytes.

    `--immediate-mode` because without it a capture shorter than a second is empty; the small snap length because with
    it and the default one frames are lost; `-Z root` because tcpdump would otherwise change its user, which takes a
    capability. Promiscuous mode is off: a bridge port sees only its own frames. The word `inbound`
    in the filter would not do for `-Q in`: frames that are under way as the filter is set pass through a copy of it in
    libpcap, which does not know their direction there and drops them.
    """
    direction = ["-Q", "in"] if inbound_only else []
    rotation = ["-C", str(segment_units)] if segment_units else []
    buffer_kib = BUFFER_KIB if snaplen_bytes else WHOLE_BUFFER_KIB
    snaplen = str(snaplen_bytes or WHOLE_BYTES)
    return [
        *("tcpdump", "-i", device, "-p", *direction, "-n", "-s", snaplen, "-B", str(buffer_kib), *rotation),
        *("--immediate-mode", "-U", "--time-stamp-precision=nano", "-Z", "root", "-w", path, f"tcp port {port}"),
    ]


def is_listening(stderr: str) -> bool:
    """Whether tcpdump has said that it sees frames from now on."""
    return "listening on " in stderr


def is_done(stderr: str) -> bool:
    """Whether tcpdump has given its last account: by then everything is in its file."""
    return _LAST.search(stderr) is not None


def counters(stderr: str) -> TapCounters:
    """Read the counters that tcpdump printed last, on SIGUSR1 or at its end; zeros where it printed none."""
    found = {what: int(number) for number, what in _COUNTERS.findall(stderr)}
    dropped = found.get("dropped by kernel", 0) + found.get("dropped by interface", 0)
    return TapCounters(found.get("captured", 0), found.get("received by filter", 0), dropped)


def foreign_frames(stderr: str) -> int:
    """Return how many frames had come before the filter was in force, from what the first SIGUSR1 made it print.

    libpcap binds its socket before it sets the filter, and throws away what came in between; the kernel counts it.
    """
    mark = _MARK.search(stderr)
    return int(mark[2]) - int(mark[1]) if mark else 0
