"""Run tc: batches in one process, and hints for its terse error messages."""

import json
from typing import Any

from netem.contract.errors import SidecarError
from netem.system.process import run

_USE_USER_ENGINE = "use the user engine (--engine user, NETEM_ENGINE=user)"
_NO_NETEM = f"this kernel has no sch_netem; {_USE_USER_ENGINE}, or load the module on the host: modprobe sch_netem"
_NO_ACTIONS = "this kernel lacks a traffic control action; load act_mirred and act_gact on the host"
_NO_U32 = "this kernel lacks cls_u32; load it on the host: modprobe cls_u32"
_PRIVILEGE = "start the container with the capability NET_ADMIN"
_CHANGED_BY_OTHERS = "another program has changed the qdiscs of the interface; stop it while the sidecar runs"

ABSENT: tuple[str, ...] = (
    "Specified qdisc kind is unknown",
    "Specified qdisc not found",
    "No such file or directory",
    "Operation not supported",
)
"""Messages of the kernel for any part that it lacks; the command names the part."""
PARTS: tuple[tuple[str, str], ...] = (
    ("netem", _NO_NETEM),
    ("clsact", "this kernel has no sch_ingress (clsact); load it on the host: modprobe sch_ingress"),
    ("mirred", _NO_ACTIONS),
    ("u32", _NO_U32),
    ("prio", f"this kernel has no sch_prio; {_USE_USER_ENGINE}, or load it on the host: modprobe sch_prio"),
)
"""Words of a command, with the hint for a kernel that lacks them; `prio` last, because every filter has that word."""

HINTS: tuple[tuple[str, str], ...] = (
    ("Module sch_netem not found", _NO_NETEM),
    ("No distribution data for", "name a table that the image has: normal, pareto, paretonormal or experimental"),
    ("Failed to load TC action module", _NO_ACTIONS),
    ("TC classifier not found", _NO_U32),
    ("Unknown filter", _NO_U32),
    ("Cannot talk to rtnetlink", "the kernel's network interface is emulated (qemu-user, gVisor) and has no tc"),
    ("Operation not permitted", _PRIVILEGE),
    ("Cannot find device", "set NETEM_DEVICE to an interface of this namespace (ip link)"),
    ("Exclusivity flag on, cannot modify", "another program has put a qdisc there; remove it: tc qdisc del"),
    ("File exists", "another program has put a qdisc or filter there; remove it: tc qdisc del dev DEVICE clsact"),
    (
        "cannot mix duplicating netems",
        "this kernel accepts no netem beside one that duplicates; remove the other",
    ),
    ("Qdisc not found. To create", _CHANGED_BY_OTHERS),
    ("Parent Qdisc doesn't exist", _CHANGED_BY_OTHERS),
    ("Cannot delete qdisc with handle of zero", _CHANGED_BY_OTHERS),
    ("Invalid handle", _CHANGED_BY_OTHERS),
    *((piece, _NO_NETEM) for piece in ABSENT),
    ("Invalid argument", "this kernel rejects one of the values; the last line of `dmesg` on the host may say which"),
)
"""Parts of messages of tc and the kernel, most specific first, with the hint."""


def hint_for(message: str, command: str = "") -> str:
    """Return the hint for a message of tc; empty for an unknown message.

    Without the failed command, a missing part of the kernel is assumed to be netem.
    """
    piece, hint = next(((piece, hint) for piece, hint in HINTS if piece in message), ("", ""))
    if piece not in ABSENT:
        return hint
    words = command.split()
    return next((lacking for word, lacking in PARTS if word in words), hint)


def first_error(stderr: str) -> str:
    """Return the most informative line of tc's error output."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    known = [line for line in lines if hint_for(line)]
    return (known or lines or ["no message"])[0]


def batch(attempt: str, lines: list[str]) -> list[Any]:
    """Run tc commands in one process, up to the first that fails; return what `qdisc show` among them printed.

    Raises SidecarError with `attempt`, the failed command, tc's message and a hint.
    """
    completed = run(["tc", "-j", "-s", "-batch", "-"], text="".join(f"{line}\n" for line in lines))
    if completed.status:
        message = first_error(completed.stderr)
        command = _failed_line(completed.stderr, lines)
        raise SidecarError(attempt, f"{message} (tc {command})" if command else message, hint_for(message, command))
    try:
        return [json.loads(line) for line in completed.stdout.splitlines() if line]
    except ValueError as error:
        raise SidecarError(attempt, f"tc printed invalid JSON: {error}") from error


def _failed_line(stderr: str, lines: list[str]) -> str:
    for line in stderr.splitlines():
        if line.startswith("Command failed -:"):
            number = line.removeprefix("Command failed -:").strip()
            if number.isdecimal() and 1 <= int(number) <= len(lines):
                return lines[int(number) - 1]
    return ""


def show(*words: str) -> list[dict[str, Any]]:
    """Return what `tc -j -s WORDS` prints. Raises SidecarError."""
    completed = run(["tc", "-j", "-s", *words])
    if completed.status:
        message = first_error(completed.stderr)
        raise SidecarError(f"tc {' '.join(words)}", message, hint_for(message))
    try:
        document = json.loads(completed.stdout or "[]")
    except ValueError as error:
        raise SidecarError(f"tc {' '.join(words)}", f"invalid JSON: {error}") from error
    return list(document)
