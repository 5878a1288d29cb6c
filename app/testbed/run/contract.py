"""The environments of a cell's containers."""

import hashlib
import json
from typing import Final

from testbed.peer.contract import PORT
from testbed.scenario.ends import Role
from testbed.scenario.expand import PlannedCell
from testbed.scenario.model import HOST, Cell
from testbed.scenario.profile import profile_of
from testbed.stack.cell import EVENTS, OUTPUT

SIDECAR_DEADLINE_S: Final = 30

EMULATED_DELAY_TOLERANCE_MS: Final = 15
"""Measured in an emulated guest: 0.5 ms late on an idle host, 6 ms when six processes compete for two processors."""

EMULATED_SLOWNESS: Final = 20
"""How many times longer programs take in an emulated guest (docs/kernels.md), and so the transfer of a cell."""

STEPS_S: Final = 600.0
"""More than the sum of the time-outs of all steps around a transfer: 470 s, with a minute for each of five requests."""

GUEST_S: Final = 3600.0
"""A guest VM is built within an hour, also where it is emulated."""

EMULATED_TIMEOUT_SCALE: Final = 5
"""How many times longer the steps around a transfer may take there: most of their time passes outside the guest."""


def endpoint_environment(cell: Cell, role: Role) -> dict[str, str]:
    """Return the environment of an endpoint; its caps are exactly what the client sends."""
    is_client = role == "client"
    values: dict[str, object] = {
        "ROLE": role,
        "FAMILY": cell.family,
        "HOST": "server",
        "PORT": PORT,
        "NODES": cell.nodes,
        "CONTENT_BYTES": cell.content_bytes,
        "CHUNK_BYTES": cell.chunk_bytes,
        "READ_DELAY_US": cell.read_delay_us,
        "READ_BYTES": cell.read_bytes,
        "SNDBUF_BYTES": cell.sndbuf_bytes if is_client else 0,
        "RCVBUF_BYTES": 0 if is_client else cell.rcvbuf_bytes,
        "NODELAY": int(cell.nodelay and is_client),
        "REPEAT": cell.repeat,
        "EVENTS": EVENTS,
        "SEED": cell.seed,
    }
    if not is_client:
        values |= {
            "VERBOSE": 1,
            "MAX_NODES": cell.nodes,
            "MAX_CONTENT_BYTES": cell.content_bytes,
            "MAX_TOTAL_BYTES": cell.list_bytes,
        }
    return {f"TESTBED_{name}": str(value) for name, value in values.items()}


def sidecar_seed(seed: int, role: Role) -> int:
    """Return the seed of one sidecar: both derive from the cell's, and their random numbers are independent."""
    digest = hashlib.sha256(f"{seed} {role}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def timeout_scale(*, emulated: bool) -> int:
    """Return how many times longer the steps around a transfer may take on this machine."""
    return EMULATED_TIMEOUT_SCALE if emulated else 1


def hard_limit_s(planned: PlannedCell) -> float:
    """Return a time within which every cell ends, if the engine responds: all its time-outs together.

    The machine of a guest may have to be built first, and copies of images may take minutes.
    """
    cell = planned.cell
    if cell.kernel == HOST:
        return cell.deadline_on(1) + STEPS_S
    return cell.deadline_on(EMULATED_SLOWNESS) + EMULATED_TIMEOUT_SCALE * STEPS_S + GUEST_S


def _route_environment(route_metrics: dict[str, str]) -> dict[str, str]:
    words = {"on": "1", "off": "0"}
    environment = {f"NETEM_ROUTE_{name.upper()}": words.get(value, value) for name, value in route_metrics.items()}
    if "NETEM_ROUTE_RTO_MIN" in environment:
        environment["NETEM_ROUTE_RTO_MIN_MS"] = environment.pop("NETEM_ROUTE_RTO_MIN").removesuffix("ms")
    return environment


def _waits_for_probes(cell: Cell, *, emulated: bool) -> bool:
    """Return whether the server's impairment must not begin before the client has probed the link.

    A profile would change it during the probes, and the kernel engine has no twin for the probes of an impairment that
    duplicates. All others begin at once: the server's program then starts while the client probes. On an emulated
    machine that start takes seconds, by which the probes would be late.
    """
    changes = profile_of(cell.profile, "server") or any(each.duplicate for each in cell.impairments("server"))
    return bool(cell.probes and (changes or emulated))


def sidecar_environment(cell: Cell, role: Role, *, emulated: bool = False) -> dict[str, str]:
    """Return the environment of a sidecar; the client's probes the server's, in both directions.

    An emulated machine starts and delivers slowly: it gets more time, and a larger delay tolerance.
    """
    deadline_s = SIDECAR_DEADLINE_S * timeout_scale(emulated=emulated)
    profile = profile_of(cell.profile, role)
    return {
        "NETEM_IMPAIRMENT": cell.impairment(role),
        "NETEM_ENGINE": cell.engine,
        "NETEM_REALTIME": cell.realtime,
        "NETEM_SEED": str(sidecar_seed(cell.seed, role)),
        "NETEM_PEERS": "server" if role == "client" else "",
        "NETEM_FAMILIES": cell.family,
        "NETEM_PORT": str(PORT),
        "NETEM_OUTPUT": OUTPUT,
        "NETEM_DEADLINE_S": str(deadline_s),
        "NETEM_ND": str(int(cell.nd)),
        "NETEM_PROBES": str(cell.probes),
        "NETEM_WAIT_FOR_PROBES": str(int(role == "server" and _waits_for_probes(cell, emulated=emulated))),
        "NETEM_SNAPLEN": str(cell.snaplen_bytes),
        "NETEM_CAPTURE_MAX_BYTES": str(cell.capture_max_bytes),
        "NETEM_SAMPLE_INTERVAL_MS": str(cell.sample_interval_us // 1000),
        "NETEM_ON_ENGINE_DEATH": cell.on_engine_death,
        "NETEM_SYSCTLS": " ".join(cell.sysctls(role)),
        **_route_environment(cell.route_metrics(role)),
        **({"NETEM_PROFILE": json.dumps(profile)} if profile else {}),
        **({"NETEM_DELAY_TOLERANCE_MS": str(EMULATED_DELAY_TOLERANCE_MS)} if emulated else {}),
    }
