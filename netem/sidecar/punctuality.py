"""The supervisor's own scheduling: real-time while it probes, ordinary from `ready` on."""

from netem.contract.settings import RealtimeChoice
from netem.system.scheduling import Scheduling, become_ordinary, guard_in_python, obtain


class ProbeScheduling:
    """Stamp and send probes in time; the capability is dropped at the begin, whatever was obtained."""

    def __init__(self, choice: RealtimeChoice) -> None:
        self._choice = choice
        self._obtained: Scheduling | None = None

    def begin(self) -> None:
        """Run this process under a real-time policy if one is granted."""
        self._obtained = obtain(self._choice, guard_in_python)

    def end(self) -> None:
        """Run this process as an ordinary one."""
        if self._obtained is not None and self._obtained.realtime:
            become_ordinary()
            self._obtained = None
