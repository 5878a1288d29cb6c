"""What a series of probes checks."""

from dataclasses import dataclass

from netem.contract.settings import Family
from netem.probe.measurement import Expect
from netem.spec import Impairment


@dataclass(frozen=True, slots=True)
class ProbeConfig:
    """Which link to probe, and what to expect; `impairment` is this sidecar's egress impairment for probes."""

    peer: str
    family: Family
    impairment: Impairment
    probes: int
    frame_bytes: int
    """Size of a probe's frame on the link."""
    delay_tolerance_ns: int
    expect: Expect
