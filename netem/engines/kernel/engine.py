"""Run the kernel engine: netem behind a prio, a mirror for the capture, read-back and counters."""

import contextlib
import random
import socket
from dataclasses import replace
from typing import Any

from netem.contract.errors import SidecarError
from netem.contract.for_probes import for_probes
from netem.engines.kernel import commands, message, readback
from netem.engines.kernel.rtnetlink import send_request
from netem.engines.link import CapturePoint
from netem.engines.resources import read_resources
from netem.pipeline.tables import table
from netem.spec import Impairment, as_netem
from netem.system import tc
from netem.system.process import run

HELPER = "netem0"
_HELPER_KINDS = ("dummy", "ifb")


class KernelEngine:
    """The egress of `device` behind sch_netem."""

    engine: str = "kernel"
    scheduling: str | None = None
    death_fd: int | None = None

    def __init__(self, *, device: str, impairment: Impairment, seed: int, reason: str) -> None:
        self.reason = reason
        self.capture_note = ""
        self.capture_points: tuple[CapturePoint, ...] = (CapturePoint(device),)
        self._device = device
        self._seed = seed
        self._impairment = impairment
        self._mirrored = False
        self._installed = False
        self._helper = False
        self._changes = 0
        self._delay_table, self._slot_table = _has_tables(impairment)
        self._before: dict[str, dict[str, int]] = {}

    def make_devices(self) -> None:
        """Create the helper to which the egress is mirrored before netem.

        Without a helper the capture sees frames after netem, and `capture_note` says so. Raises SidecarError only when
        a failed attempt cannot be undone.
        """
        try:
            self._make_helper()
            tc.batch(f"mirror the egress of {self._device}", commands.mirror(self._device, HELPER))
        except SidecarError as error:
            self._remove_helper()
            self.capture_note = f"sent frames are stamped after netem has delayed them: {error}"
            return
        self._mirrored = True
        self.capture_points = (CapturePoint(HELPER), CapturePoint(self._device, inbound_only=True))

    def start(self) -> None:
        """Apply the impairment. Raises SidecarError; `close` then removes what is left."""
        tc.batch(f"add netem to {self._device}", commands.install(self._device, self._impairment, self._seed))
        self._installed = True

    def readback(self) -> list[dict[str, Any]]:
        """Return the qdiscs as the kernel reports them. Raises SidecarError when a value is not the requested one."""
        qdiscs = tc.show("qdisc", "show", "dev", self._device)
        for handle, requested in self._netems(self._impairment).items():
            qdisc = readback.find(qdiscs, handle)
            if qdisc is None:
                raise SidecarError("read the impairment back", f"{self._device} has no qdisc {handle}")
            found = readback.differences(requested, qdisc.get("options", {}), slot_by_table=self._slot_table)
            if found:
                raise SidecarError(
                    "read the impairment back", " ".join(found), "request values that this kernel supports"
                )
        return qdiscs

    def change(self, impairment: Impairment) -> None:
        """Change the impairment in place; netem keeps its queue. Raises SidecarError."""
        before, self._changes = self._impairment, self._changes + 1
        twin = commands.has_twin(impairment)
        if commands.has_twin(before) and not twin:
            self._batch([*commands.unsteer_probes(self._device), *commands.remove_twin(self._device)])
            self._batch(commands.steer_probes(self._device, twin=False))
        self._send_change(commands.MEASURED, impairment)
        if twin and not commands.has_twin(before):
            self._batch(commands.add_twin(self._device, impairment, self._seed))
            self._batch([*commands.unsteer_probes(self._device), *commands.steer_probes(self._device, twin=True)])
        if twin:
            self._send_change(commands.PROBES, for_probes(impairment))
        if impairment.extension.impair_nd != before.extension.impair_nd:
            impaired = impairment.extension.impair_nd
            exemption = commands.impair_neighbours if impaired else commands.exempt_neighbours
            self._batch(exemption(self._device))
        self._impairment = impairment
        self.readback()

    def restart(self) -> None:
        """Reset the counters, and the kernel's draws where the probes have used some of them."""
        if self._installed and not commands.has_twin(self._impairment):
            self._send_change(commands.MEASURED, self._impairment)
        self._before = self._count()

    def counters(self) -> dict[str, Any]:
        """Return netem's counters since `restart`."""
        now = self._count()
        return {
            name: {
                counter: value
                - (self._before.get(name, {}).get(counter, 0) if counter not in ("backlog", "qlen") else 0)
                for counter, value in counts.items()
            }
            for name, counts in now.items()
        }

    def bypass(self) -> None:
        """Remove the qdisc and drop its queue."""
        if self._installed:
            self._installed = False
            tc.batch(f"restore the plain egress of {self._device}", commands.remove(self._device))

    def block(self) -> None:
        """Do nothing: there is no process that could die."""

    def abandon(self) -> None:
        """Do nothing: everything goes when the namespace ends."""

    def close(self) -> None:
        """Remove the qdisc, the mirror and the helper."""
        if self._mirrored:
            self._mirrored = False
            with contextlib.suppress(SidecarError):
                tc.batch("end the mirror", commands.unmirror(self._device))
        self._remove_helper()
        self.bypass()

    def _netems(self, impairment: Impairment) -> dict[str, Impairment]:
        twin = {commands.PROBES: replace(for_probes(impairment), seed=None)}
        return {commands.MEASURED: impairment} | (twin if commands.has_twin(impairment) else {})

    def _batch(self, lines: list[str]) -> None:
        tc.batch("change the impairment", lines)

    def _send_change(self, handle: str, impairment: Impairment) -> None:
        seed = self._seed if impairment.seed is None else impairment.seed
        if impairment.seed is None and self._changes:
            # A change reseeds the kernel's generator: the same seed would repeat the draws.
            seed = random.Random(f"{seed}/{self._changes}").getrandbits(64)  # noqa: S311 - repeatable on purpose
        if handle == commands.PROBES:
            seed ^= commands.PROBE_SEED
        tables = self._choose_tables(impairment)
        parent_and_handle = commands.PARENT_AND_HANDLE[handle]
        index = socket.if_nametoindex(self._device)
        send_request(
            "change the impairment", message.change(index, *parent_and_handle, impairment, seed=seed, tables=tables)
        )

    def _choose_tables(self, impairment: Impairment) -> message.Tables:
        """Return the named tables, and the uniform one where a table is in force and none is named."""
        requested = as_netem(impairment)
        given = read_resources(requested).tables
        entries = []
        for part, in_force in ((requested.delay, self._delay_table), (requested.slot, self._slot_table)):
            name = part.distribution if part is not None else None
            entries.append(table(name, given) if name is not None else message.UNIFORM if in_force else None)
        self._delay_table, self._slot_table = (each is not None for each in entries)
        return message.Tables(*entries)

    def _count(self) -> dict[str, dict[str, int]]:
        qdiscs = tc.show("qdisc", "show", "dev", self._device)
        handles = {"measured": commands.MEASURED, "probes": commands.PROBES}
        found = {name: readback.find(qdiscs, handle) for name, handle in handles.items()}
        return {name: readback.counters(qdisc) for name, qdisc in found.items() if qdisc is not None}

    def _make_helper(self) -> None:
        failures = []
        for kind in _HELPER_KINDS:
            made = run(["ip", "-batch", "-"], text=_helper_commands(kind))
            if not made.status:
                self._helper = True
                return
            failures.append(f"{kind}: {tc.first_error(made.stderr)}")
        raise SidecarError("create a helper device", ", ".join(failures))

    def _remove_helper(self) -> None:
        if self._helper:
            self._helper = False
            run(["ip", "link", "del", HELPER])


def _helper_commands(kind: str) -> str:
    # Below IPv6's minimum MTU of 1280 bytes the helper has no IPv6 address, so it sends nothing itself.
    return f"link add {HELPER} mtu 1000 type {kind}\nlink set {HELPER} arp off multicast off up\n"


def _has_tables(impairment: Impairment) -> tuple[bool, bool]:
    delay, slot = (requested := as_netem(impairment)).delay, requested.slot
    return bool(delay and delay.distribution), bool(slot and slot.distribution)
