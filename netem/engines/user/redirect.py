"""The tc commands that redirect an interface's egress to the user engine, as text; other modules run them.

The egress hook of clsact gets a frame before any queueing discipline. Filters of lower preference decide first:

    1, 2  the sidecars' control messages: a class without an action ends the search, and the frame passes
    1, 2  the sidecars' probes: to their own device, with the same impairment and its own draws
    9     everything else, with neighbour discovery: to the TAP; the pipeline exempts what it must

A class replaces `action pass`, because the kernel may lack act_gact.
"""

from netem.contract.ports import CONTROL_PORT, PROBE_PORT
from netem.system.match_udp import match_udp


def install(device: str, tap: str, probe_tap: str) -> list[str]:
    """Return the commands that install the redirect; the last one activates it."""
    add = f"filter add dev {device} egress"
    control = [f"{rule} flowid :1" for rule in match_udp(add, CONTROL_PORT, preference=1)]
    probes = [
        f"{rule} action mirred egress redirect dev {probe_tap}" for rule in match_udp(add, PROBE_PORT, preference=1)
    ]
    everything = f"{add} prio 9 protocol all u32 match u32 0 0 action mirred egress redirect dev {tap}"
    return [f"qdisc add dev {device} clsact", *control, *probes, everything]


def remove(device: str) -> list[str]:
    """Return the commands that remove the redirect."""
    return [f"qdisc del dev {device} clsact"]
