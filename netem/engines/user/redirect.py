"""The tc commands that redirect an interface's egress to the user engine, as text; other modules run them.

The egress hook of clsact gets a frame before any queueing discipline. Filters of lower preference decide first:

    1, 2  the sidecars' control messages: a class without an action ends the search, and the frame passes
    1, 2  the sidecars' probes: to their own device, with the same impairment and its own draws
    9     everything else, with neighbour discovery: to the TAP; the pipeline exempts what it must

The last one is absent while the link is plain: a frame that no filter matches stays in the kernel. A class replaces
`action pass`, because the kernel may lack act_gact.
"""

from netem.contract.ports import CONTROL_PORT, PROBE_PORT
from netem.system.match_udp import match_udp

_REST = "prio 9 protocol all"


def install(device: str, probe_tap: str) -> list[str]:
    """Return the commands that set up the hook: control messages pass, probes go to their device."""
    add = f"filter add dev {device} egress"
    control = [f"{rule} flowid :1" for rule in match_udp(add, CONTROL_PORT, preference=1)]
    probes = [
        f"{rule} action mirred egress redirect dev {probe_tap}" for rule in match_udp(add, PROBE_PORT, preference=1)
    ]
    return [f"qdisc add dev {device} clsact", *control, *probes]


def begin(device: str, tap: str) -> list[str]:
    """Return the command that redirects everything else."""
    return [f"filter add dev {device} egress {_REST} u32 match u32 0 0 action mirred egress redirect dev {tap}"]


def end(device: str) -> list[str]:
    """Return the command that leaves everything else in the kernel again."""
    return [f"filter del dev {device} egress {_REST}"]


def count(device: str) -> list[str]:
    """Return the command that shows how many frames have reached the hook."""
    return [f"qdisc show dev {device} clsact"]


def remove(device: str) -> list[str]:
    """Return the commands that remove everything."""
    return [f"qdisc del dev {device} clsact"]
