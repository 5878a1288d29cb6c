"""Define a cell: all settings of one experiment, with the defaults of `testbed run`.

The options of the command line and the fields of a scenario file are parsed by the same model, so both have the same
names, defaults and messages. Only this module converts text with units to integers.
"""

import re
from functools import lru_cache, partial
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from netem.contract import limits
from netem.contract.route_metrics import METRIC_NAMES
from netem.contract.settings import EngineChoice, Family, OnEngineDeath, RealtimeChoice
from netem.spec import Impairment, kernel_obstacles, parse
from testbed.peer.contract import I32_MAX, MAX_BUFFER_BYTES, MAX_CALL_BYTES, MAX_READ_DELAY_US, U32_MAX
from testbed.scenario import ends
from testbed.scenario.ends import ROLES, Role, canonical, split_ends
from testbed.scenario.messages import abbreviated
from testbed.scenario.profile import Entries, profile_changes, profile_of, read_profile
from testbed.units import MAX_DURATION_US, format_duration_us, parse_duration_us, parse_size_bytes
from testbed.wire.encoder import list_bytes

GRACE_S: Final = 60.0
"""Part of the default time-out that does not depend on the cell: connecting, slow machines, long links."""

_IMAGE: Final = re.compile(r"[A-Za-z0-9\[][\w./:@\[\]-]*", re.ASCII)
"""The characters of image names (registry, path, tag, digest) and ids; Docker checks the rest of their grammar."""

MAX_IMAGE_CHARACTERS: Final = 512
"""More than the longest name (255) with the longest tag (128) and a digest."""

HOST: Final = "host"
"""The name of the host's own kernel; all other names are kernels of guest VMs."""

READS_MARGIN: Final = 4
"""A read that returns less than its buffer size adds read delays; this many times bytes / read size at most."""

SLOW_BYTES_PER_S: Final = 5_000_000
"""A throughput that any pair reaches over a link without a rate; the C pair reached 115 MB/s over the user engine, with
ten busy processes on two processors."""


@lru_cache(maxsize=1024)
def parse_impairment(text: str) -> Impairment:
    """Return the impairment that a text describes; the cells of a large product have few different ones."""
    return parse(text)


def _integer(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"an integer, not {value}")  # noqa: TRY004 - pydantic would accept it as 0 or 1
    return value


def _size(value: object) -> int:
    if not isinstance(value, str | int | float):
        raise ValueError(f"a size, such as 10k, not {abbreviated(value)}")  # noqa: TRY004 - a mistake in a file
    return value if type(value) is int else parse_size_bytes(str(value))


def _duration(value: object) -> object:
    if value is None:
        return None
    if not isinstance(value, str | int | float):
        raise ValueError(f"a duration, such as 250ms, not {abbreviated(value)}")  # noqa: TRY004 - a mistake in a file
    return parse_duration_us(str(value))


def _positive(value: int) -> int:
    if value == 0:
        raise ValueError("a time-out of 0 is invalid; omit it for the default")
    return value


def _image(value: str) -> str:
    if len(value) > MAX_IMAGE_CHARACTERS or not _IMAGE.fullmatch(value):
        raise ValueError(f"{abbreviated(value)} is neither py, c nor the name of an image")
    return value


def _impairment(value: str) -> str:
    parse_impairment(value)
    return value.strip()


def _kernel(value: str) -> str:
    if not re.fullmatch(r"[a-z]+(-[a-z]+)*|\d+(\.\d+)*([-~+.a-z0-9]*)", value):
        raise ValueError(f"{value!r} is neither host nor the name or version of a kernel")
    return value


def _zero_or(bounds: limits.Bounds, zero: str) -> AfterValidator:
    def check(value: int) -> int:
        if 0 < value < bounds.low:
            raise ValueError(f"{value} is neither 0 ({zero}) nor at least {bounds.low} bytes")
        return value

    return AfterValidator(check)


def _sample_interval(value: int) -> int:
    if value % 1000 or value // 1000 > limits.SAMPLE_INTERVAL_MS.high:
        raise ValueError(f"{format_duration_us(value)} is not a multiple of 1ms up to 60s")
    return value


Integer = Annotated[int, BeforeValidator(_integer)]
Program = Annotated[str, AfterValidator(_image)]
Size = Annotated[int, BeforeValidator(_size)]
Duration = Annotated[int, BeforeValidator(_duration)]
Snaplen = Annotated[int, BeforeValidator(_size), _zero_or(limits.SNAPLEN_BYTES, "all")]
CaptureMax = Annotated[int, BeforeValidator(_size), _zero_or(limits.CAPTURE_MAX_BYTES, "no limit")]
SampleInterval = Annotated[int, BeforeValidator(_duration), AfterValidator(_sample_interval)]
Timeout = Annotated[int, BeforeValidator(_duration), AfterValidator(_positive)]
Netem = Annotated[str, AfterValidator(_impairment)]
Kernel = Annotated[str, AfterValidator(_kernel)]


def _both_ends(parse: ends.Parse) -> BeforeValidator:
    return BeforeValidator(partial(canonical, parse=parse))


Congestion = Annotated[str, _both_ends(ends.congestion)]
Mtu = Annotated[str, _both_ends(ends.integer(limits.MTU_BYTES, "bytes"))]
Mss = Annotated[str, _both_ends(ends.integer(limits.ADVMSS_BYTES, "bytes"))]
Segments = Annotated[str, _both_ends(ends.integer(limits.WINDOW_SEGMENTS, "segments"))]
RtoMin = Annotated[str, _both_ends(ends.milliseconds)]
Switch = Annotated[str, _both_ends(ends.switch)]
Sysctls = Annotated[dict[str, str], BeforeValidator(ends.sysctls)]
Profile = Annotated[Entries, BeforeValidator(read_profile)]


RECORD_KEYS: Final = {"delay": "read_delay"}
"""The keys of records where they differ from the keys of scenario files, which are short to type."""


def _bytes(default: int, alias: str, description: str, maximum: int, minimum: int = 0) -> Any:  # noqa: ANN401 - as Field
    return Field(default, alias=alias, ge=minimum, le=maximum, description=description)


def _time(default: int | None, alias: str, description: str, maximum_us: int = MAX_DURATION_US) -> Any:  # noqa: ANN401
    return Field(default, alias=alias, le=maximum_us, description=description)


class Cell(BaseModel):
    """Hold one experiment; the alias of a field is its key in scenario files and, with dashes, its option."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client: Program = Field("py", description="the sender: py, c, or an image that implements the endpoint contract")
    server: Program = Field("py", description="the receiver: py, c, or an image")
    family: Family = Field("ipv4", description="address family")
    nodes: Integer = Field(200, ge=0, le=I32_MAX, description="nodes in a list")
    content_bytes: Size = _bytes(1000, "content", "content size of each node", U32_MAX)
    chunk_bytes: Size = _bytes(10000, "chunk", "bytes per write() call of the sender", MAX_CALL_BYTES, 1)
    read_delay_us: Duration = _time(
        0, "delay", "read delay: the receiver waits this long after each read", MAX_READ_DELAY_US
    )
    read_bytes: Size = _bytes(8192, "read_size", "buffer size of each read() call of the receiver", MAX_CALL_BYTES, 1)
    sndbuf_bytes: Size = _bytes(0, "sndbuf", "SO_SNDBUF of the sender; 0 = kernel default", MAX_BUFFER_BYTES)
    rcvbuf_bytes: Size = _bytes(0, "rcvbuf", "SO_RCVBUF of the receiver; 0 = kernel default", MAX_BUFFER_BYTES)
    nodelay: bool = Field(default=False, description="TCP_NODELAY at the sender")
    repeat: Integer = Field(1, ge=1, le=I32_MAX, description="lists sent on the connection, one after another")
    latency_us: Duration = _time(0, "latency", "one-way delay of the link, in both directions: a round trip has two")
    jitter_us: Duration = _time(0, "jitter", "latency varies by +- this much")
    netem: Netem = Field("", description="impairment of both directions, in the grammar of tc-netem(8)")
    netem_client: Netem | None = Field(None, description="client-to-server impairment (overrides netem)")
    netem_server: Netem | None = Field(None, description="server-to-client impairment (overrides netem)")
    profile: Profile = Field([], description="changes of the impairment over time; netem applies until the first one")
    nd: bool = Field(default=False, description="also impair ARP and neighbour discovery")
    engine: EngineChoice = Field("auto", description="emulation engine")
    realtime: RealtimeChoice = Field(
        "auto", description="real-time policy of the user engine: auto (where granted), off, require"
    )
    on_engine_death: OnEngineDeath = Field(
        "closed", description="link state if the engine dies: closed (drop all) or open (unimpaired)"
    )
    probes: Integer = Field(
        20,
        ge=limits.PROBES.low,
        le=limits.PROBES.high,
        description="probes that verify the link in each direction; 0 = none",
    )
    congestion: Congestion = Field("", description="congestion control")
    mtu: Mtu = Field("", description="route MTU, in bytes")
    advmss: Mss = Field("", description="advertised MSS, in bytes")
    initcwnd: Segments = Field("", description="initial congestion window, in segments")
    initrwnd: Segments = Field("", description="initial receive window, in segments")
    rto_min: RtoMin = Field("", description="minimum RTO")
    quickack: Switch = Field("", description="on: acknowledge every segment at once")
    sysctl: Sysctls = Field({}, description="network sysctl of the kernel, such as net.ipv4.tcp_sack=0")
    snaplen_bytes: Snaplen = _bytes(
        128, "snaplen", "snapshot length: bytes captured of each frame; 0 = all", limits.SNAPLEN_BYTES.high
    )
    capture_max_bytes: CaptureMax = _bytes(
        1 << 30,
        "capture_max",
        "max capture size, the middle is dropped beyond it; 0 = no limit",
        limits.CAPTURE_MAX_BYTES.high,
    )
    sample_interval_us: SampleInterval = _time(
        20_000, "sample_interval", "interval between samples of the sockets; 0 = none"
    )
    kernel: Kernel = Field(
        HOST, description="host, or the kernel of a guest VM: bookworm, trixie, backports, sid, or a version"
    )
    seed: Integer = Field(0, ge=0, le=I32_MAX, description="seed of all random draws of the cell")
    timeout_us: Timeout | None = _time(
        None, "timeout", "time-out of the cell on any machine; default: computed from read delay and sizes"
    )

    @model_validator(mode="after")
    def _check_link(self) -> Self:
        if self.jitter_us and not self.latency_us:
            raise ValueError(f"jitter {format_duration_us(self.jitter_us)} requires a latency")
        if self.jitter_us > self.latency_us:
            jitter, latency = format_duration_us(self.jitter_us), format_duration_us(self.latency_us)
            raise ValueError(f"jitter {jitter} exceeds latency {latency}: frames would arrive before they are sent")
        for role in ROLES:
            text = self._netem_of(role)
            if self.latency_us and text and parse_impairment(text).delay is not None:
                raise ValueError(f"latency and netem both delay what the {role} sends: use one of them")
        return self

    @model_validator(mode="after")
    def _check_engine(self) -> Self:
        obstacles = dict.fromkeys(
            sentence
            for role in (ROLES if self.engine == "kernel" else ())
            for each in self.impairments(role)
            for sentence in kernel_obstacles(each)
        )
        if obstacles:
            raise ValueError(f"the kernel engine does not support this; use engine user. {' '.join(obstacles)}")
        return self

    @model_validator(mode="after")
    def _check_mtu(self) -> Self:
        for mtu in split_ends(self.mtu).values() if self.family == "ipv6" else ():
            if int(mtu) < limits.MIN_IPV6_MTU_BYTES:
                raise ValueError(f"mtu {mtu} is below {limits.MIN_IPV6_MTU_BYTES}, the minimum of IPv6 (RFC 8200)")
        return self

    def _netem_of(self, role: Role) -> str:
        own = self.netem_client if role == "client" else self.netem_server
        return self.netem if own is None else own

    def impairment(self, role: Role) -> str:
        """Return the impairment of the frames that this role sends, in the grammar of tc-netem(8); empty = none."""
        words = []
        if self.latency_us:
            words.append(f"delay {format_duration_us(self.latency_us)}")
        if self.jitter_us:
            words.append(format_duration_us(self.jitter_us))
        words.append(self._netem_of(role))
        return " ".join(word for word in words if word)

    def impairments(self, role: Role) -> list[Impairment]:
        """Return all impairments of this role's direction, in the order in which they apply."""
        return [parse_impairment(self.impairment(role)), *profile_changes(profile_of(self.profile, role))]

    def route_metrics(self, role: Role) -> dict[str, str]:
        """Return the metrics of this role's route to the other, by the name of the field."""
        given = {name: split_ends(getattr(self, name)) for name in METRIC_NAMES}
        return {name: values[role] for name, values in given.items() if role in values}

    def sysctls(self, role: Role) -> dict[str, str]:
        """Return the kernel settings of this role's network namespace."""
        given = {key: split_ends(text) for key, text in self.sysctl.items()}
        return {key: values[role] for key, values in given.items() if role in values}

    @property
    def list_bytes(self) -> int:
        """Return the size of one list on the wire."""
        return list_bytes(self.nodes, self.content_bytes)

    @property
    def total_bytes(self) -> int:
        """Return how many bytes the client writes in all."""
        return self.list_bytes * self.repeat

    @property
    def read_delay_total_s(self) -> float:
        """Return the sum of all read delays if every read is full."""
        return self.total_bytes / self.read_bytes * self.read_delay_us / 1e6

    @property
    def deadline_s(self) -> float:
        """Return the time-out of the cell on a machine like this one."""
        return self.deadline_on(1)

    def deadline_on(self, slowness: float) -> float:
        """Return the time-out, in whole seconds, on a slower machine; a requested time-out is not scaled."""
        if self.timeout_us is not None:
            return self.timeout_us / 1e6
        transfer_s = GRACE_S + self.total_bytes / SLOW_BYTES_PER_S
        return float(round(transfer_s * slowness + READS_MARGIN * self.read_delay_total_s))

    def requested(self) -> dict[str, Any]:
        """Return the fields under the keys of cell.json and result.json: sizes in bytes, durations as text."""
        fields = type(self).model_fields
        found: dict[str, Any] = {}
        for name, value in self:
            key = fields[name].alias or name
            is_duration = name.endswith("_us") and value is not None
            found[RECORD_KEYS.get(key, key)] = format_duration_us(value) if is_duration else value
        return found


FIELDS: Final = {(info.alias or name): info for name, info in Cell.model_fields.items()}
"""The fields by the key that a scenario file uses; with dashes it is the option."""
