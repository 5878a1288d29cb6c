"""The tc commands of the kernel engine, as text; nothing here runs them.

    root 1: prio, everything in its second band
      1:1  neighbour resolution and the sidecars' control messages: a plain queue
      1:2  the measured traffic: netem
      1:3  the sidecars' probes: a twin of it with draws of its own, unless it duplicates

netem alone at the root would delay ARP and neighbour discovery: 1.6 s each way and IPv6 never connects.
"""

from dataclasses import replace

from netem.contract.for_probes import for_probes
from netem.contract.ports import CONTROL_PORT, PROBE_PORT
from netem.spec import Impairment, tc_words
from netem.system.match_udp import match_udp

ROOT, MEASURED, PROBES = "1:", "20:", "30:"
PLACES = {MEASURED: (0x00010002, 0x00200000), PROBES: (0x00010003, 0x00300000)}
"""Parent class and handle of each netem as the kernel has them."""
_PASS, _MEASURED_BAND, _PROBE_BAND = "1:1", "1:2", "1:3"
_ARP_PREFERENCE, _PROBE_PREFERENCE, _ND_PREFERENCE = 3, 4, 6  # the control messages have 1 and 2, the probes also 5
PROBE_SEED = 1 << 62
"""What makes the seed of the probes' draws another one."""
_ICMP6_TYPES = ((133, 0xFF), (134, 0xFE), (136, 0xFE))
"""Router and neighbour solicitation and advertisement and redirect, 133-137, as value and mask."""


def has_twin(impairment: Impairment) -> bool:
    """Return whether the probes have a netem of their own.

    Kernels from 2025 on refuse a second netem in a tree where one duplicates; probes then meet the measured one.
    """
    return impairment.duplicate is None or not impairment.duplicate.probability


def install(device: str, impairment: Impairment, seed: int) -> list[str]:
    """Return the commands that put the impairment on the egress of `device`."""
    every_priority = " ".join("1" for _ in range(16))
    put = f"qdisc replace dev {device} parent {_MEASURED_BAND} handle {MEASURED} netem"
    twin = has_twin(impairment)
    return [
        f"qdisc replace dev {device} root handle {ROOT} prio bands 3 priomap {every_priority}",
        f"{put} {_words(impairment, seed)}",
        *(add_twin(device, impairment, seed) if twin else ()),
        *_let_control_pass(device),
        *([] if impairment.extension.impair_nd else let_neighbours_pass(device)),
        *lead_probes(device, twin=twin),
    ]


def add_twin(device: str, impairment: Impairment, seed: int) -> list[str]:
    """Return the command that gives the probes a netem of their own, with other draws."""
    return [f"qdisc replace dev {device} parent {_PROBE_BAND} handle {PROBES} netem {twin_words(impairment, seed)}"]


def twin_words(impairment: Impairment, seed: int) -> str:
    """Return what the probes meet."""
    own_seed = seed if impairment.seed is None else impairment.seed
    return _words(replace(for_probes(impairment), seed=None), own_seed ^ PROBE_SEED)


def remove_twin(device: str) -> list[str]:
    """Return the command that takes it away; a plain queue comes in its place."""
    return [f"qdisc del dev {device} parent {_PROBE_BAND} handle {PROBES}"]


def lead_probes(device: str, *, twin: bool) -> list[str]:
    """Return the commands that lead the probes into their twin, or into the measured netem."""
    band = _PROBE_BAND if twin else _MEASURED_BAND
    rules = match_udp(f"filter add dev {device} parent {ROOT}", PROBE_PORT, preference=_PROBE_PREFERENCE)
    return [f"{rule} flowid {band}" for rule in rules]


def forget_probes(device: str) -> list[str]:
    """Return the commands that take back what `lead_probes` said."""
    return [f"filter del dev {device} parent {ROOT} prio {_PROBE_PREFERENCE + later}" for later in range(2)]


def remove(device: str) -> list[str]:
    """Return the commands that give the interface its own qdisc back."""
    return [f"qdisc del dev {device} root"]


def mirror(device: str, helper: str) -> list[str]:
    """Return the commands that show the egress of `device` on `helper`, before any qdisc has held it back."""
    everything = f"filter add dev {device} egress protocol all prio 9 u32 match u32 0 0"
    return [f"qdisc add dev {device} clsact", f"{everything} action mirred egress mirror dev {helper}"]


def unmirror(device: str) -> list[str]:
    """Return the commands that end the mirroring."""
    return [f"qdisc del dev {device} clsact"]


def _words(impairment: Impairment, seed: int) -> str:
    return " ".join(tc_words(replace(impairment, seed=seed if impairment.seed is None else impairment.seed)))


def _let_control_pass(device: str) -> list[str]:
    rules = match_udp(f"filter add dev {device} parent {ROOT}", CONTROL_PORT, preference=1)
    return [f"{rule} flowid {_PASS}" for rule in rules]


def let_neighbours_pass(device: str) -> list[str]:
    """Return the commands that exempt neighbour resolution."""
    add = f"filter add dev {device} parent {ROOT} prio"
    icmp6 = f"{add} {_ND_PREFERENCE} protocol ipv6 u32 match u8 58 0xff at 6"
    return [
        f"{add} {_ARP_PREFERENCE} protocol arp u32 match u32 0 0 flowid {_PASS}",
        *(f"{icmp6} match u8 {number} {mask:#x} at 40 flowid {_PASS}" for number, mask in _ICMP6_TYPES),
    ]


def catch_neighbours(device: str) -> list[str]:
    """Return the commands that take the exemption back."""
    return [f"filter del dev {device} parent {ROOT} prio {rule}" for rule in (_ARP_PREFERENCE, _ND_PREFERENCE)]
