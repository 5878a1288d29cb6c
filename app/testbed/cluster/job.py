"""What a client sends to a worker and what comes back, as plain values; no I/O.

Plain, so that a worker with another version reads them far enough to report its version.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from testbed.scenario.expand import PlannedCell
from testbed.scenario.model import RECORD_KEYS, Cell

_FIELDS: Final = {record: name for name, record in RECORD_KEYS.items()}


@dataclass(frozen=True, slots=True)
class Build:
    """The build of a testbed: its version and a digest of its source."""

    version: str
    source: str


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt at a cell, for a worker; `files` are the tables and traces that links of the run need."""

    run: str
    folder: str
    id: str
    repetition: int
    number: int
    alone: bool
    requested: Mapping[str, Any]
    build: Build
    files: Mapping[str, bytes] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @property
    def planned(self) -> PlannedCell:
        """Return the cell; raises ValueError when a field is invalid."""
        cell = Cell.model_validate({_FIELDS.get(name, name): value for name, value in self.requested.items()})
        return PlannedCell(self.id, cell, self.repetition)


def build_of(document: Mapping[str, Any]) -> Build:
    """Return the build that sent a job, whatever else is in it."""
    build = document.get("build")
    known = build if isinstance(build, Mapping) else {}
    return Build(str(known.get("version", "")), str(known.get("source", "")))


def read_job(document: Mapping[str, Any]) -> Job:
    """Return the job of a client with the same build."""
    return Job(**{**document, "build": build_of(document)})


@dataclass(frozen=True, slots=True)
class Reply:
    """What a worker returns of a job.

    `parcel` is the cell's folder; empty if it is too large for one message, and is fetched in pieces under `ticket`.
    `refusal` is why the worker did not run the cell, empty if it did; `always` if it would refuse every cell.
    """

    worker: str
    machine: Mapping[str, Any]
    parcel: bytes = b""
    ticket: str = ""
    parcel_bytes: int = 0
    refusal: str = ""
    hint: str = ""
    always: bool = False

    def document(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


def read_reply(document: Mapping[str, Any]) -> Reply:
    """Return the reply in a document."""
    return Reply(**document)


def refusal(client: Build, worker: Build) -> tuple[str, str]:
    """Return why a worker runs no cells of this client, and a hint; both empty if their builds are the same."""
    if client == worker:
        return "", ""
    if client.version != worker.version:
        difference = f"it has testbed {worker.version}, and this client {client.version}"
    else:
        difference = "its source of testbed is not the client's"
    return difference, "check out the same commit on all machines, and start their workers again"
