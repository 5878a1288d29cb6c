"""Write the tc commands of the kernel engine as text; other modules run them.

    root 1: prio, everything in its second band
      1:1  neighbour resolution and the sidecars' control messages: a plain queue
      1:2  the measured traffic: netem
      1:3  the sidecars' probes: a twin of it with draws of its own, unless it duplicates

netem alone at the root would delay ARP and neighbour discovery: with 1.6 s each way IPv6 never connects.
"""

from dataclasses import replace

from netem.contract.for_probes import for_probes
from netem.contract.ports import CONTROL_PORT, PROBE_PORT
from netem.spec import Impairment, tc_words
from netem.system.match_udp import match_udp

ROOT, MEASURED, PROBES = "1:", "20:", "30:"
PARENT_AND_HANDLE = {MEASURED: (0x00010002, 0x00200000), PROBES: (0x00010003, 0x00300000)}
"""Parent class and handle of each netem, as numbers of the kernel."""
_PASS, _MEASURED_BAND, _PROBE_BAND = "1:1", "1:2", "1:3"
_ARP_PREFERENCE, _PROBE_PREFERENCE, _ND_PREFERENCE = 3, 4, 6  # the control messages have 1 and 2, the probes also 5
PROBE_SEED = 1 << 62
"""Added to the seed for the probes, so that their draws differ from those of the measured traffic."""
_ICMP6_TYPES = ((133, 0xFF), (134, 0xFE), (136, 0xFE))
"""Router and neighbour solicitation and advertisement and redirect, 133-137, as value and mask."""


def has_twin(impairment: Impairment) -> bool:
    """Return whether the probes have a netem of their own.

    Kernels since 2025 reject a second netem in a tree where one duplicates; probes then share the measured one.
    """
    return impairment.duplicate is None or not impairment.duplicate.probability


def install(device: str, impairment: Impairment, seed: int) -> list[str]:
    """Return the commands that apply the impairment to the egress of `device`."""
    every_priority = " ".join("1" for _ in range(16))
    measured = f"qdisc replace dev {device} parent {_MEASURED_BAND} handle {MEASURED} netem"
    twin = has_twin(impairment)
    return [
        f"qdisc replace dev {device} root handle {ROOT} prio bands 3 priomap {every_priority}",
        f"{measured} {_words(impairment, seed)}",
        *(add_twin(device, impairment, seed) if twin else ()),
        *_exempt_control(device),
        *([] if impairment.extension.impair_nd else exempt_neighbours(device)),
        *steer_probes(device, twin=twin),
    ]


def add_twin(device: str, impairment: Impairment, seed: int) -> list[str]:
    """Return the command that adds a netem for the probes, with draws of its own."""
    return [f"qdisc replace dev {device} parent {_PROBE_BAND} handle {PROBES} netem {twin_words(impairment, seed)}"]


def twin_words(impairment: Impairment, seed: int) -> str:
    """Return the impairment of the probes in tc's words."""
    own_seed = seed if impairment.seed is None else impairment.seed
    return _words(replace(for_probes(impairment), seed=None), own_seed ^ PROBE_SEED)


def remove_twin(device: str) -> list[str]:
    """Return the command that replaces the netem of the probes with a plain queue."""
    return [f"qdisc del dev {device} parent {_PROBE_BAND} handle {PROBES}"]


def steer_probes(device: str, *, twin: bool) -> list[str]:
    """Return the commands that steer the probes into their twin, or into the measured netem."""
    band = _PROBE_BAND if twin else _MEASURED_BAND
    rules = match_udp(f"filter add dev {device} parent {ROOT}", PROBE_PORT, preference=_PROBE_PREFERENCE)
    return [f"{rule} flowid {band}" for rule in rules]


def unsteer_probes(device: str) -> list[str]:
    """Return the commands that undo `steer_probes`."""
    return [f"filter del dev {device} parent {ROOT} prio {_PROBE_PREFERENCE + later}" for later in range(2)]


def remove(device: str) -> list[str]:
    """Return the commands that restore the interface's own qdisc."""
    return [f"qdisc del dev {device} root"]


def mirror(device: str, helper: str) -> list[str]:
    """Return the commands that mirror the egress of `device` to `helper`, before any qdisc delays it."""
    everything = f"filter add dev {device} egress protocol all prio 9 u32 match u32 0 0"
    return [f"qdisc add dev {device} clsact", f"{everything} action mirred egress mirror dev {helper}"]


def unmirror(device: str) -> list[str]:
    """Return the commands that end the mirroring."""
    return [f"qdisc del dev {device} clsact"]


def _words(impairment: Impairment, seed: int) -> str:
    return " ".join(tc_words(replace(impairment, seed=seed if impairment.seed is None else impairment.seed)))


def _exempt_control(device: str) -> list[str]:
    rules = match_udp(f"filter add dev {device} parent {ROOT}", CONTROL_PORT, preference=1)
    return [f"{rule} flowid {_PASS}" for rule in rules]


def exempt_neighbours(device: str) -> list[str]:
    """Return the commands that exempt neighbour resolution."""
    add = f"filter add dev {device} parent {ROOT} prio"
    icmp6 = f"{add} {_ND_PREFERENCE} protocol ipv6 u32 match u8 58 0xff at 6"
    return [
        f"{add} {_ARP_PREFERENCE} protocol arp u32 match u32 0 0 flowid {_PASS}",
        *(f"{icmp6} match u8 {number} {mask:#x} at 40 flowid {_PASS}" for number, mask in _ICMP6_TYPES),
    ]


def impair_neighbours(device: str) -> list[str]:
    """Return the commands that end the exemption of neighbour resolution."""
    return [f"filter del dev {device} parent {ROOT} prio {rule}" for rule in (_ARP_PREFERENCE, _ND_PREFERENCE)]
