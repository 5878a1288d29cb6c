"""Context: kernel, congestion control and engine, and what this kernel does not tell."""

from typing import Final

from testbed.analysis.findings.evidence import file
from testbed.analysis.findings.rule import Answer, Rule, sentence_of, unseen
from testbed.analysis.findings.stall import kernel_of
from testbed.analysis.join.observation import Observation
from testbed.result import Finding

NAME: Final = "context"

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


def explain(observation: Observation) -> Answer:
    """Speak whenever anything is known of the host."""
    samples = observation.sender.samples
    kernel = str(observation.host.get("kernel") or "")
    if samples is None and not kernel:
        return unseen(NAME, "neither run.json nor samples tell of the host")
    missing = [name for name in WANTED if samples is not None and not samples.has(name)]
    facts = kernel_of(observation)
    engines = [engine for engine in observation.engines if engine != "none"]
    numbers: dict[str, float | int | str] = {
        "kernel": kernel or "unknown",
        "congestion": facts.congestion,
        "engine": " and ".join(engines) or "none",
        "missing_fields": len(missing),
    }
    parts = [
        f"Linux {kernel}" if kernel else "a kernel that run.json does not name",
        f"congestion control {facts.congestion}",
    ]
    parts.append(f"impairments by the {' and '.join(engines)} engine" if engines else "a link without impairment")
    sentence = ", ".join(parts)
    if missing:
        sentence += f"; this kernel tells no {', '.join(missing)}"
    return Finding(
        name=NAME,
        sentence=sentence_of(sentence),
        numbers=numbers,
        evidence=file("../run.json", "kernel, sysctls and versions"),
        not_observed=missing,
        strength=0.05,
    )


RULE: Final = Rule(
    NAME,
    "On which kernel, with which congestion control and engine; what does this kernel not tell?",
    "`run.json`, `congestion`, fields of tcp_info",
    explain,
)
