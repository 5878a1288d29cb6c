"""The tc commands that lead an interface's egress into the user engine, as text; nothing here runs them.

clsact's egress hook sees a frame before any queueing discipline. Filters of lower preference decide first:

    1, 2  the sidecars' control messages: a class and no action ends the search, the frame passes
    1, 2  the sidecars' probes: into a device of their own, where the same impairment awaits them with its own draws
    9     everything else, neighbour discovery too: into the TAP, the pipeline knows what to exempt

A class instead of `action pass` because the kernel may lack act_gact.
"""

from netem.contract.ports import CONTROL_PORT, PROBE_PORT
from netem.system.match_udp import match_udp


def install(device: str, tap: str, probe_tap: str) -> list[str]:
    """Return the commands that set the redirect up; the last one makes it take effect."""
    add = f"filter add dev {device} egress"
    control = [f"{rule} flowid :1" for rule in match_udp(add, CONTROL_PORT, preference=1)]
    probes = [
        f"{rule} action mirred egress redirect dev {probe_tap}" for rule in match_udp(add, PROBE_PORT, preference=1)
    ]
    everything = f"{add} prio 9 protocol all u32 match u32 0 0 action mirred egress redirect dev {tap}"
    return [f"qdisc add dev {device} clsact", *control, *probes, everything]


def remove(device: str) -> list[str]:
    """Return the commands that give the interface its plain egress back."""
    return [f"qdisc del dev {device} clsact"]
