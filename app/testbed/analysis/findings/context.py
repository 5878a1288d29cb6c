"""Context: kernel, congestion control and emulation engines, and what this kernel does not report."""

from dataclasses import dataclass
from typing import Final

from testbed.analysis.findings.evidence import file
from testbed.analysis.findings.measured import Fact, Measured, unobservable
from testbed.analysis.findings.rule import Answer, Rule
from testbed.analysis.findings.stall import kernel_of
from testbed.analysis.join.observation import Observation

WANTED: Final = (
    "busy_time",
    "rwnd_limited",
    "notsent_bytes",
    "bytes_acked",
    "dsack_dups",
    "snd_wnd",
    "rcv_wnd",
    "total_rto",
)
"""Fields of tcp_info that findings use; `rcv_wnd` came with Linux 6.2, `total_rto` with 6.7."""


@dataclass(frozen=True, slots=True)
class Context(Fact):
    """The kernel's version, the congestion control, the emulation engines, and fields of tcp_info that are missing."""

    kernel: str | None
    congestion: str
    engines: tuple[str, ...]
    missing_fields: tuple[str, ...]


def measure(observation: Observation) -> Answer:
    """Return what is known of the kernel."""
    samples = observation.sender.samples
    kernel = str(observation.host.get("kernel") or "")
    if samples is None and not kernel:
        return unobservable("neither run.json nor samples describe the host")
    missing = tuple(name for name in WANTED if samples is not None and not samples.has(name))
    return Measured(
        Context(
            kernel=kernel or None,
            congestion=kernel_of(observation).congestion,
            engines=tuple(engine for engine in observation.engines if engine != "none"),
            missing_fields=missing,
        ),
        evidence=file("../run.json", "kernel, sysctls and versions"),
        not_observed=missing,
        strength=0.05,
    )


RULE: Final = Rule(
    "context",
    "On which kernel, with which congestion control and emulation engine; what does this kernel not report?",
    "`run.json`, `congestion`, fields of tcp_info",
    (Context,),
    measure,
    without_connection=True,
)
