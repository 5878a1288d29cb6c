"""The records that a run writes, with their version: `cell.json` (what happened), `result.json` (what it means).

The names of the keys contain the units. `docs/results-format.md` explains every key; the JSON Schema of a result is
shipped as `result.schema.json` and regenerated from here.
"""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION: Final = 3

Status = Literal["passed", "failed", "error", "unsupported"]
Isolation = Literal["fresh", "warm"]


def cell_folder(cell: str, repetition: int = 1, attempt: int = 1) -> str:
    """Return the name of a cell's folder: its id, then `.r2` for the second repetition, `.a2` for a second attempt."""
    return cell + (f".r{repetition}" if repetition > 1 else "") + (f".a{attempt}" if attempt > 1 else "")


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ImageUsed(_Record):
    """An image that the cell used."""

    tag: str
    id: str = Field(description="digest of the image's configuration")


class ProgramExit(_Record):
    """How a program under test exited."""

    exit_code: int
    oom_killed: bool = False


class Failure(_Record):
    """Why a cell was not completed."""

    kind: Literal["endpoint", "environment", "timeout", "interrupted"]
    role: str = ""
    message: str
    hint: str = ""


class Circumstances(_Record):
    """Which execution of a cell a record describes, and where and beside what it ran."""

    repetition: int = Field(default=1, description="which of the repetitions that `--repeat` requested")
    attempt: int = Field(default=1, description="2 = repeated alone, because the first attempt was not reliable")
    machine_name: str = Field(default="", description="node name of the machine that ran the cell; empty = not known")
    isolation: Isolation = Field(
        default="fresh", description="`fresh`: everything was new; `warm`: network and sidecars of an earlier cell"
    )
    concurrent_cells: int = Field(default=1, description="most cells that ran there at the same time, with this one")
    reused_from: str = Field(default="", description="the run that the result was taken from; empty = this one")
    inputs: str = Field(
        default="", description="digest of everything that determines the cell, for `--reuse`; empty = not known"
    )


class CellRecord(Circumstances):
    """The record of one cell: everything that the analysis needs in addition to the raw files."""

    # A newer version may have added keys. Older versions are upgraded by testbed.result_upgrade before they are read.
    model_config = ConfigDict(extra="ignore")

    schema_version: int = SCHEMA_VERSION
    run: str
    id: str
    requested: dict[str, Any] = Field(description="the fields of the cell; sizes in bytes, durations as text with unit")
    impairment: dict[str, str] = Field(description="impairment of the frames that each role sends")
    images: dict[str, ImageUsed]
    exits: dict[str, ProgramExit] = {}
    failure: Failure | None = None
    sidecars: dict[str, dict[str, Any]] = Field(default={}, description="last link, verified and stopped event of each")
    notes: list[str] = []
    phases_s: dict[str, float] = Field(default={}, description="wall time of each phase of the cell")
    machine: dict[str, Any] = Field(default={}, description="facts of the guest VM that ran the cell; empty = the host")


class Rtt(_Record):
    """Round-trip times that the sidecars measured before the endpoints started."""

    min: float
    median: float
    max: float
    samples: int


class Delays(_Record):
    """Delays of a number of frames."""

    packets: int
    ms: dict[str, float] = Field(description="milliseconds: `min`, quantiles such as `p50` and `p99`, `max`")


class OneWayDelays(Delays):
    """One-way delays of the real frames that the captures of both ends have; both ends have the same clock."""

    unmatched_sent: int = Field(description="sent and not found at the other end: dropped, or split by offload")
    unmatched_received: int = Field(description="received and not found at the sender: duplicated, or split by offload")


class LinkCounters(_Record):
    """Packets that the emulation engine counted after the probing; null = not counted. A super-packet is one packet."""

    packets_in: int | None = None
    bytes_in: int | None = Field(default=None, description="as on the wire, headers of every segment included")
    packets_out: int | None = None
    exempt: int | None = Field(default=None, description="neighbour discovery, or not matched by the filter")
    delayed: int | None = None
    dropped: int | None = Field(default=None, description="by any cause")
    dropped_loss: int | None = Field(default=None, description="by `loss`")
    dropped_list: int | None = Field(default=None, description="by `drop-list`")
    dropped_blackhole: int | None = Field(default=None, description="by `blackhole`")
    dropped_limit: int | None = Field(default=None, description="no room left within `limit`")
    duplicated: int | None = None
    corrupted: int | None = None
    corruption_skipped: int | None = Field(default=None, description="drawn for corruption, but a super-packet")
    reordered: int | None = Field(default=None, description="by `reorder`; jitter is not counted")
    ce_marked: int | None = None
    packets_queued: int | None = Field(default=None, description="still waiting at the end")
    queue_packets_max: int | None = Field(default=None, description="most packets that waited at once")
    packets_bypassed: int | None = Field(
        default=None,
        description="segments that stayed in the kernel while nothing was impaired, of all the device sent",
    )
    bytes_bypassed: int | None = Field(default=None, description="of `packets_bypassed`, as on the wire")
    rx_overruns: int | None = Field(default=None, description="frames that arrived faster than the engine read them")
    tx_rejected: int | None = Field(default=None, description="frames that the device did not accept")


class Link(_Record):
    """What the link did to the frames that one end sent, and how that end's kernel was configured."""

    engine: str = Field(description="emulation engine: `kernel`, `user` or `none`")
    reason: str = Field(default="", description="why this engine")
    scheduling: str | None = Field(
        default=None,
        description="policy of the user engine's process at the end: `deadline ...`, `fifo ...` or `ordinary: REASON`",
    )
    requested: str
    readback: str
    route: dict[str, dict[str, int | str]] = Field(
        default={}, description="metrics of the route to the other end by family, read back; `rto_min` in ms"
    )
    sysctls: dict[str, str] = Field(default={}, description="requested settings, read back")
    changes: int = Field(default=0, description="changes of the impairment during the cell; link.json has their times")
    probe_delays: Delays | None = Field(
        default=None, description="one-way delays of the probes before the endpoints started"
    )
    counters: LinkCounters | None = None
    engine_delays: Delays | None = Field(
        default=None, description="how long the emulation engine held the frames that it forwarded"
    )
    engine_lateness: Delays | None = Field(
        default=None, description="how long after their due time the user engine passed on frames that had waited in it"
    )
    one_way_delays: OneWayDelays | None = Field(default=None, description="of the real frames, from both captures")


class Metrics(_Record):
    """Measured numbers; null = not known."""

    bytes_written: int | None = Field(default=None, description="bytes that the client wrote")
    bytes_read: int | None = Field(default=None, description="bytes that the server read")
    duration_s: float | None = Field(
        default=None, description="from the start of the first write to the end of the last read"
    )
    goodput_bytes_per_s: float | None = Field(default=None, description="bytes_read / duration_s")
    write_calls: int | None = None
    write_s: float | None = Field(
        default=None, description="from the start of the first write to the end of the last one"
    )
    write_blocked_s: float | None = Field(
        default=None, description="time spent in writes that took a millisecond or more"
    )
    write_longest_s: float | None = None
    read_calls: int | None = None
    read_delay_total_s: float | None = Field(default=None, description="time that the server waited between reads")
    bytes_ahead_max: int | None = Field(default=None, description="most bytes that were written and not yet read")
    first_zero_window_s: float | None = Field(
        default=None, description="from the first write to the first zero window; null = none observed"
    )
    rtt_ms: Rtt | None = None


class HostState(_Record):
    """How busy the machine was from the first connection to the end of the last; null = not reported."""

    duration_s: float
    cpu_pressure_share: float | None = Field(
        default=None, description="of the time in which some task waited for a CPU (PSI)"
    )
    memory_pressure_share: float | None = Field(default=None, description="the same for memory")
    io_pressure_share: float | None = Field(default=None, description="the same for storage")
    steal_share: float | None = Field(default=None, description="of CPU time that the hypervisor gave to others")
    throttled_s: float | None = Field(default=None, description="time in which a CPU quota throttled a sidecar")
    samples_missed_share: float | None = Field(default=None, description="of the samples that were due")
    clock_offset_ns: tuple[int, int] | None = Field(
        default=None, description="bounds of the server's clock minus the client's"
    )


class Check(_Record):
    """One condition that the cell must meet to pass."""

    name: str
    ok: bool
    sentence: str


class Evidence(_Record):
    """Raw data that shows a finding: frames of a capture, lines of a file, or a file."""

    file: str = Field(description="path in the cell's folder")
    kind: Literal["frames", "samples", "events", "file"]
    description: str = Field(description="what it shows")
    first: int | None = Field(default=None, description="number of the first frame, or of the first line")
    last: int | None = None
    count: int | None = Field(default=None, description="how many of the frames or lines from first to last")
    filter: str = Field(default="", description="display filter by which Wireshark shows these frames")


Confidence = Literal["high", "medium", "low"]


class Finding(_Record):
    """One explained fact with its numbers, the raw data that shows it, and what contradicts it."""

    name: str = Field(description="which finding; docs/findings.md lists them")
    sentence: str
    facts: dict[str, Any] = Field(
        default={}, description="what was measured, units in the names; null = not known; docs/findings.md has the keys"
    )
    evidence: list[Evidence] = Field(default=[], description="the raw data that shows it")
    confidence: Confidence = "high"
    contradicted_by: list[str] = Field(default=[], description="what other instruments contradict")
    not_observed: list[str] = Field(default=[], description="what no instrument observed")
    strength: float = Field(default=0.0, ge=0, le=1, description="how much of the cell it explains")


class NotReported(_Record):
    """Why a finding is absent."""

    name: str = Field(description="which finding")
    reason: str
    observable: bool = Field(description="false: the instruments that it needs are missing")


class Result(Circumstances):
    """The result of one cell."""

    schema_version: int = SCHEMA_VERSION
    run: str
    cell: str
    status: Status
    reason: str = Field(description="one sentence; empty when passed")
    failure: Failure | None = Field(default=None, description="why it was not completed; null = it was")
    verdict: str = Field(default="", description="what limited the sender, and what followed; empty = none observed")
    requested: dict[str, Any]
    link: dict[str, Link]
    metrics: Metrics
    machine: dict[str, Any] = Field(
        default={},
        description="the guest VM that it ran in: kernel, sysctls, accelerator; empty = this host (run.json)",
    )
    emulated: bool = Field(default=False, description="run in an emulated machine, whose time is not real time")
    timing_reliable: bool | None = Field(
        description="false: the times say more about the machine than about TCP; null = not known"
    )
    timing_issues: list[str] = Field(default=[], description="why the times are not reliable, each with its figure")
    host: HostState | None = None
    kernel_counters: dict[str, dict[str, int]] = Field(
        default={}, description="TCP counters of each end's kernel, by the names of nstat(8); a missing one is 0"
    )
    checks: list[Check]
    findings: list[Finding] = Field(description="the strongest first")
    not_reported: list[NotReported] = Field(default=[], description="the findings that are absent")
    notes: list[str]

    @property
    def folder(self) -> str:
        """Return the name of its folder in the run folder."""
        return cell_folder(self.cell, self.repetition, self.attempt)


def circumstances(record: Circumstances) -> dict[str, Any]:
    """Return the fields of a record that a result has, too, by name."""
    return {name: getattr(record, name) for name in Circumstances.model_fields}


def result_schema() -> dict[str, Any]:
    """Return the JSON Schema of `result.json`."""
    schema = Result.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
