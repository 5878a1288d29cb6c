"""The sidecar's settings: one table, read from the environment and printed in docs/contracts.md."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from netem.contract import limits
from netem.contract.limits import PORT
from netem.contract.route_metrics import RouteMetrics
from netem.contract.variable import (
    Variable,
    choice,
    flag,
    integer,
    number,
    pattern,
    read_fields,
    subset,
    text,
    variables_of,
)

EngineChoice = Literal["auto", "kernel", "user"]
Family = Literal["ipv4", "ipv6"]
OnEngineDeath = Literal["closed", "open"]
RealtimeChoice = Literal["auto", "off", "require"]
FAMILIES: tuple[Family, ...] = get_args(Family)

_NAME = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings, as read from the environment."""

    impairment: str = field(
        default="",
        metadata=text(
            "NETEM_IMPAIRMENT",
            "text in the grammar of tc-netem(8), for the egress of `NETEM_DEVICE`; empty = plain link",
        ),
    )
    engine: EngineChoice = field(
        default="auto",
        metadata=choice(
            "NETEM_ENGINE",
            get_args(EngineChoice),
            "emulation engine; `auto` = the kernel's where it can do all of the impairment",
        ),
    )
    realtime: RealtimeChoice = field(
        default="auto",
        metadata=choice(
            "NETEM_REALTIME",
            get_args(RealtimeChoice),
            "real-time policy for the process of the user engine; `auto` = where it is granted; "
            "`require` = an `error` where it is not",
        ),
    )
    impair_nd: bool = field(default=False, metadata=flag("NETEM_ND", "1 = impair ARP and neighbour discovery, too"))
    device: str = field(default="eth0", metadata=text("NETEM_DEVICE", "interface to impair"))
    seed: int = field(
        default=0,
        metadata=integer("NETEM_SEED", limits.SEEDS, "the one seed that all random draws of this sidecar derive from"),
    )
    peers: tuple[str, ...] = field(
        default=(),
        metadata=pattern(
            "NETEM_PEERS",
            _NAME,
            "the name or address of a peer",
            "peers to probe, separated by spaces; empty = answer probes only",
            several=True,
        ),
    )
    families: tuple[Family, ...] = field(
        default=FAMILIES,
        metadata=subset(
            "NETEM_FAMILIES", FAMILIES, "ipv4, ipv6 or both, separated by a space", "address families to probe over"
        ),
    )
    probes: int = field(
        default=20,
        metadata=integer("NETEM_PROBES", limits.PROBES, "probes per peer and family; 0 = no verification"),
    )
    wait_for_probes: bool = field(
        default=False,
        metadata=flag(
            "NETEM_WAIT_FOR_PROBES",
            "1 = `ready` waits until a peer has probed this end over all of `NETEM_FAMILIES`",
        ),
    )
    delay_tolerance_ms: float | None = field(
        default=None,
        metadata=number(
            "NETEM_DELAY_TOLERANCE_MS",
            0,
            10_000,
            "how much later than requested the median probe may arrive, beyond 1 % of the delay; empty = 0.5 where the "
            "user engine runs under a real-time policy, else 2",
        ),
    )
    port: int = field(
        default=PORT,
        metadata=integer("NETEM_PORT", limits.PORTS, "the TCP port under test: captured, sampled, watched"),
    )
    capture: bool = field(default=True, metadata=flag("NETEM_CAPTURE", "0 = no capture"))
    snaplen_bytes: int = field(
        default=128,
        metadata=integer(
            "NETEM_SNAPLEN", limits.SNAPLEN_BYTES, "bytes kept of each frame; 0 = whole frames", or_zero=True
        ),
    )
    capture_max_bytes: int = field(
        default=1 << 30,
        metadata=integer(
            "NETEM_CAPTURE_MAX_BYTES",
            limits.CAPTURE_MAX_BYTES,
            "maximum size of the capture; beyond it the middle is dropped; 0 = no limit",
            or_zero=True,
        ),
    )
    sample_interval_ms: int = field(
        default=20,
        metadata=integer(
            "NETEM_SAMPLE_INTERVAL_MS",
            limits.SAMPLE_INTERVAL_MS,
            "time between samples of the sockets; 0 = no sampling",
        ),
    )
    output: str = field(
        default="/var/lib/testbed",
        metadata=text(
            "NETEM_OUTPUT",
            "folder (a volume) for the raw files; its subfolder `endpoint/` is made writable for every user",
        ),
    )
    deadline_s: float = field(
        default=30.0,
        metadata=number("NETEM_DEADLINE_S", 0.1, 3600, "`ready` within this time, or an `error`"),
    )
    profile: str = field(
        default="",
        metadata=text(
            "NETEM_PROFILE",
            "JSON list: how the impairment changes after `ready`, by the sidecar's own clock",
        ),
    )
    on_engine_death: OnEngineDeath = field(
        default="closed",
        metadata=choice(
            "NETEM_ON_ENGINE_DEATH",
            get_args(OnEngineDeath),
            "`closed`: the link drops everything and the sidecar ends; `open`: the link becomes plain and the sidecar "
            "keeps running; an `error` and exit code 1 either way",
        ),
    )
    route_metrics: RouteMetrics = field(default_factory=RouteMetrics)
    sysctls: tuple[str, ...] = field(
        default=(),
        metadata=pattern(
            "NETEM_SYSCTLS",
            limits.SYSCTL_KEY,
            "the name of a network setting, such as net.ipv4.tcp_rmem",
            "keys below `net.`, separated by spaces, whose values the event `link` reports",
            several=True,
        ),
    )


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read the settings; a variable that is empty or missing takes its default.

    Raises SidecarError naming the variable, its value and what it may be.
    """
    route_metrics = RouteMetrics(**read_fields(RouteMetrics, environment))
    return Settings(**read_fields(Settings, environment), route_metrics=route_metrics)


def variables() -> Iterator[tuple[Variable, Any]]:
    """Yield every variable of the sidecar with its default."""
    yield from variables_of(Settings)
    yield from variables_of(RouteMetrics)
