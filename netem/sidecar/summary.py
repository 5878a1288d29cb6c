"""Collect the event `stopped`: stop each part and collect its report."""

from typing import Any

from netem.engines.link import Link
from netem.sidecar.ports import CapturePort, MonitorPort, SamplerPort


class Summary:
    """The keys of the event `stopped`; a part that was never started leaves its key empty."""

    def __init__(self) -> None:
        self._counters: dict[str, Any] = {}
        self._capture: dict[str, Any] | None = None
        self._monitor: dict[str, Any] = {}

    def stop_sampler(self, sampler: SamplerPort) -> None:
        """Stop the sampler and record its sums."""
        self._counters["sockets"] = sampler.stop()

    def stop_monitor(self, monitor: MonitorPort) -> None:
        """Stop the monitor and keep the kernel's counters and the host's state."""
        self._monitor = monitor.stop()

    def count_link(self, link: Link) -> None:
        """Keep the counters of the link."""
        self._counters["link"] = link.counters()

    def stop_capture(self, capture: CapturePort, link: Link) -> None:
        """Flush the capture and keep its description."""
        facts = capture.stop()
        self._capture = facts if facts is None else {**facts, "note": link.capture_note}

    def facts(self) -> dict[str, Any]:
        """Return the keys as the event has them."""
        return {"counters": self._counters, "capture": self._capture, **self._monitor}
