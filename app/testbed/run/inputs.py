"""What determines a cell, as one digest: cells with equal digests may share a result (`--reuse`).

The images' ids cover the programs and the sidecar; the digest of this package's source covers what prepares, judges and
explains a cell.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from netem.spec import Impairment
from netem.spec.resources import table_names, trace_names
from testbed.run.preparation import PreparedImages
from testbed.scenario.ends import ROLES
from testbed.scenario.expand import PlannedCell
from testbed.scenario.model import HOST

_SOURCE: Final = Path(__file__).resolve().parents[1]
_WITHOUT_EFFECT: Final = ("cli",)
"""Packages that do not affect what a result contains."""

_HOST_FACTS: Final = ("engine", "kernel", "sysctls")

GuestFacts = Callable[[str], Mapping[str, Any] | None]
"""What is known of the guest VM that a kernel's name selects, before it boots; None if there is no image of it yet."""


def digest(document: Mapping[str, Any]) -> str:
    """Return a digest of a JSON document: equal for equal documents."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def source_digest(root: Path = _SOURCE, *, leave_out: Collection[str] = _WITHOUT_EFFECT) -> str:
    """Return a digest of the source below a folder, but not of these packages in it; raises OSError."""
    total = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        name = file.relative_to(root)
        if name.parts[0] not in leave_out:
            content = file.read_bytes()
            total.update(f"{name.as_posix()}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def no_guests(_kernel: str) -> None:
    """Know of no guest VM."""


class Inputs:
    """The digests of a run's cells; `host` are the facts of `run.json`."""

    def __init__(
        self,
        images: PreparedImages,
        files: Mapping[str, bytes],
        host: Mapping[str, Any],
        guest: GuestFacts = no_guests,
        source: str | None = None,
    ) -> None:
        self._images = images
        self._files = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        self._host = {name: host.get(name) for name in _HOST_FACTS}
        self._common = {
            "version": (host.get("versions") or {}).get("testbed"),
            "source": source_digest() if source is None else source,
        }
        self._guest = guest
        self._names = cache(_file_names)

    def of(self, planned: PlannedCell) -> str:
        """Return the digest of a cell; empty if its guest VM is not known yet."""
        machine = self._host if planned.cell.kernel == HOST else self._guest(planned.cell.kernel)
        if machine is None:
            return ""
        named = {name for role in ROLES for each in planned.cell.impairments(role) for name in self._names(each)}
        return digest(
            {
                **self._common,
                "requested": planned.cell.requested(),
                "images": {name: image.id for name, (_, image) in self._images.of_cell(planned).items()},
                "files": {name: self._files[name] for name in sorted(named & self._files.keys())},
                "machine": machine,
            }
        )


def _file_names(impairment: Impairment) -> tuple[str, ...]:
    return (*(f"{table}.dist" for table in table_names(impairment)), *trace_names(impairment))
