"""What a container runtime says when the kernel does not take a setting, in words that help."""

import re
from typing import Final

from testbed.errors import HostError

_SAID: Final = re.compile(r"(open|write) /proc/sys/(net/\S+): ([a-z ]+)")
_REFUSED: Final = re.compile(r"sysctl '?([\w./-]+)[^']*'? is not (?:allowed|whitelisted|in a separate)")

_NOT_HERE: Final = "this kernel has no such setting per network namespace; it is the host's, or of another kernel"
_REASONS: Final = {
    ("open", "no such file or directory"): _NOT_HERE,
    ("open", "permission denied"): "it belongs to the host, not to a network namespace, so nobody may set it here",
    ("write", "operation not permitted"): "the host does not let a namespace choose this value",
    ("write", "no such file or directory"): "this kernel has nothing of that name",
    ("write", "invalid argument"): "the kernel does not take this value",
    ("write", "numerical result out of range"): "the kernel does not take this value",
}


def refused_sysctl(message: str) -> HostError | None:
    """Return the error to raise instead of the engine's own `message`; None when it is about something else."""
    said = _SAID.search(message)
    if said is not None:
        verb, path, what = said[1], said[2], said[3].strip()
        key = path.replace("/", ".")
        reason = _REASONS.get((verb, what), what)
        return HostError(f"set {key}: {reason} ({verb} /proc/sys/{path}: {what})", hint=_hint(key))
    refused = _REFUSED.search(message)
    if refused is None:
        return None
    return HostError(f"set {refused[1]}: the engine lets containers have network settings only", hint=_hint(""))


def _hint(key: str) -> str:
    if key == "net.ipv4.tcp_congestion_control":
        return "--congestion sets it on the route, which the kernel allows"
    return "`sysctl -a | grep ^net` inside a container lists what can be set"
