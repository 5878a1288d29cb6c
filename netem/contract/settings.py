"""The sidecar's settings, read once from the environment; docs/architecture.md holds the table."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar, cast

from netem.contract.errors import SidecarError
from netem.contract.limits import CONGESTION_NAME, MIN_CAPTURE_MAX_BYTES, PORT, SYSCTL_KEY
from netem.contract.route_metrics import RouteMetrics

EngineChoice = Literal["auto", "kernel", "user"]
Family = Literal["ipv4", "ipv6"]
OnEngineDeath = Literal["open", "closed"]
FAMILIES: tuple[Family, ...] = ("ipv4", "ipv6")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the environment decides."""

    impairment: str = ""
    engine: EngineChoice = "auto"
    impair_nd: bool = False
    device: str = "eth0"
    seed: int = 0
    profile: str = ""
    peers: tuple[str, ...] = ()
    families: tuple[Family, ...] = FAMILIES
    probes: int = 20
    wait_for_probes: bool = False
    delay_tolerance_ms: float = 2.0
    port: int = PORT
    capture: bool = True
    snaplen_bytes: int = 128
    capture_max_bytes: int = 1 << 30
    sample_interval_ms: int = 20
    output: str = "/var/lib/testbed"
    deadline_s: float = 30.0
    on_engine_death: OnEngineDeath = "closed"
    route_metrics: RouteMetrics = field(default_factory=RouteMetrics)
    sysctls: tuple[str, ...] = ()


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read the settings; an empty or missing variable takes its default.

    Raises SidecarError naming the variable, its value and what it may be.
    """
    reader = _Reader(environment)
    default = Settings()
    return Settings(
        impairment=reader.text("NETEM_IMPAIRMENT", default.impairment),
        engine=cast("EngineChoice", reader.choice("NETEM_ENGINE", ("auto", "kernel", "user"))),
        impair_nd=reader.flag("NETEM_ND", default=default.impair_nd),
        device=reader.text("NETEM_DEVICE", default.device),
        seed=reader.integer("NETEM_SEED", default.seed, 0, 2**63 - 1),
        profile=reader.text("NETEM_PROFILE", default.profile),
        peers=tuple(reader.text("NETEM_PEERS", "").split()),
        families=reader.families("NETEM_FAMILIES", default.families),
        probes=reader.integer("NETEM_PROBES", default.probes, 0, 100_000),
        wait_for_probes=reader.flag("NETEM_WAIT_FOR_PROBES", default=default.wait_for_probes),
        delay_tolerance_ms=reader.number("NETEM_DELAY_TOLERANCE_MS", default.delay_tolerance_ms, 0.0, 10_000.0),
        port=reader.integer("NETEM_PORT", default.port, 1, 65_535),
        capture=reader.flag("NETEM_CAPTURE", default=default.capture),
        snaplen_bytes=_limit(reader, "NETEM_SNAPLEN", default.snaplen_bytes, 64, 262_144),
        capture_max_bytes=_limit(
            reader, "NETEM_CAPTURE_MAX_BYTES", default.capture_max_bytes, MIN_CAPTURE_MAX_BYTES, 1 << 50
        ),
        sample_interval_ms=reader.integer("NETEM_SAMPLE_INTERVAL_MS", default.sample_interval_ms, 0, 60_000),
        output=reader.text("NETEM_OUTPUT", default.output),
        deadline_s=reader.number("NETEM_DEADLINE_S", default.deadline_s, 0.1, 3600.0),
        on_engine_death=cast("OnEngineDeath", reader.choice("NETEM_ON_ENGINE_DEATH", ("closed", "open"))),
        route_metrics=_route_metrics(reader),
        sysctls=reader.matching("NETEM_SYSCTLS", SYSCTL_KEY, "names of network settings, such as net.ipv4.tcp_rmem"),
    )


def _limit(reader: "_Reader", name: str, default: int, low: int, high: int) -> int:
    """Return a limit, 0 for none; less than what can be kept to is refused."""
    return 0 if reader.text(name, "") == "0" else reader.integer(name, default, low, high)


def _route_metrics(reader: "_Reader") -> RouteMetrics:
    names = reader.matching("NETEM_ROUTE_CONGESTION", CONGESTION_NAME, "the name of a congestion control")
    quickack = reader.optional("NETEM_ROUTE_QUICKACK", 0, 1)
    return RouteMetrics(
        congestion=" ".join(names),
        mtu_bytes=reader.optional("NETEM_ROUTE_MTU", 68, 65_535),
        advmss_bytes=reader.optional("NETEM_ROUTE_ADVMSS", 1, 65_495),
        initcwnd_segments=reader.optional("NETEM_ROUTE_INITCWND", 1, 65_535),
        initrwnd_segments=reader.optional("NETEM_ROUTE_INITRWND", 1, 65_535),
        rto_min_ms=reader.optional("NETEM_ROUTE_RTO_MIN_MS", 1, 120_000),
        quickack=None if quickack is None else bool(quickack),
    )


class _Reader:
    """Take typed values out of an environment; the first of a choice is its default."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, default: str) -> str:
        return self._environment.get(name, "").strip() or default

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, allowed[0])
        if value not in allowed:
            raise _refusal(name, value, f"one of {', '.join(allowed)}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.text(name, "1" if default else "0")
        if value not in ("0", "1"):
            raise _refusal(name, value, "0 or 1")
        return value == "1"

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        return self._bounded(name, default, low, high, int, "a whole number")

    def optional(self, name: str, low: int, high: int) -> int | None:
        return self.integer(name, low, low, high) if self.text(name, "") else None

    def matching(self, name: str, pattern: re.Pattern[str], what: str) -> tuple[str, ...]:
        words = tuple(self.text(name, "").split())
        odd = next((word for word in words if not pattern.fullmatch(word)), None)
        if odd is not None:
            raise _refusal(name, odd, what)
        return words

    def number(self, name: str, default: float, low: float, high: float) -> float:
        return self._bounded(name, default, low, high, float, "a number")

    def families(self, name: str, default: tuple[Family, ...]) -> tuple[Family, ...]:
        words = self.text(name, " ".join(default)).split()
        if not set(words) <= {"ipv4", "ipv6"}:
            raise _refusal(name, " ".join(words), "ipv4, ipv6 or both, separated by a space")
        return tuple(cast("list[Family]", sorted(set(words))))

    def _bounded(self, name: str, default: _T, low: float, high: float, kind: Callable[[str], _T], what: str) -> _T:  # noqa: PLR0917 - a private table row
        text = self.text(name, str(default))
        allowed = f"{what} from {low} to {high}"
        try:
            value = kind(text)
        except ValueError as error:
            raise _refusal(name, text, allowed) from error
        if not low <= cast("float", value) <= high:
            raise _refusal(name, text, allowed)
        return value


def _refusal(name: str, value: str, allowed: str) -> SidecarError:
    return SidecarError(f"read {name}", f"{value!r} is not {allowed}", f"set {name} to {allowed}")
