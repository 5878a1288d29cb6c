"""Explain errors of a container runtime about a sysctl."""

import re
from typing import Final

from testbed.errors import HostError

# runc: `write /proc/sys/net/x: invalid argument`; crun: "write to `/proc/sys/net/x`: Invalid argument".
_RUNTIME_ERROR: Final = re.compile(r"(open|write)(?: to)? `?/proc/sys/(net/[^\s`]+)`?: ([A-Za-z ]+)")
_ENGINE_ERROR: Final = re.compile(r"sysctl '?([\w./-]+)[^']*'? is not (?:allowed|whitelisted|in a separate)")

_NOT_HERE: Final = "this kernel has no such setting per network namespace; it belongs to the host, or to another kernel"
_REASONS: Final = {
    ("open", "no such file or directory"): _NOT_HERE,
    ("open", "permission denied"): "it belongs to the host, not to a network namespace, and cannot be set here",
    ("write", "operation not permitted"): "the host does not allow this value in a namespace",
    ("write", "no such file or directory"): "this kernel does not know this value",
    ("write", "invalid argument"): "the kernel rejects this value",
    ("write", "numerical result out of range"): "the kernel rejects this value",
}


def rejected_sysctl(message: str) -> HostError | None:
    """Return the error to raise in place of the engine's own `message`; None when that is not about a sysctl."""
    runtime = _RUNTIME_ERROR.search(message)
    if runtime is not None:
        verb, path, error = runtime[1], runtime[2], runtime[3].strip().lower()
        key = path.replace("/", ".")
        reason = _REASONS.get((verb, error), error)
        return HostError(f"set {key}: {reason} ({verb} /proc/sys/{path}: {error})", hint=_hint(key))
    engine = _ENGINE_ERROR.search(message)
    if engine is None:
        return None
    return HostError(f"set {engine[1]}: Docker accepts network settings only", hint=_hint(""))


def _hint(key: str) -> str:
    if key == "net.ipv4.tcp_congestion_control":
        return "use --congestion, which sets it on the route"
    return "`sysctl -a | grep ^net` inside a container lists the settings that can be changed"
