"""tc: batches in one process, and its terse refusals turned into what to do about them."""

import json
from typing import Any

from netem.contract.errors import SidecarError
from netem.system.process import run

_OTHER_ENGINE = "take the user engine (--engine user, NETEM_ENGINE=user)"
_NO_NETEM = f"this kernel has no sch_netem; {_OTHER_ENGINE}, or load the module on the host: modprobe sch_netem"
_NO_ACTIONS = "this kernel lacks a traffic control action; load act_mirred and act_gact on the host"
_NO_U32 = "this kernel lacks cls_u32; load it on the host: modprobe cls_u32"
_PRIVILEGE = "start the container with the capability NET_ADMIN"
_TAKEN_AWAY = "another program has changed the qdiscs of the interface; keep it off while the sidecar runs"

ABSENT: tuple[str, ...] = (
    "Specified qdisc kind is unknown",
    "Specified qdisc not found",
    "No such file or directory",
    "Operation not supported",
)
"""What the kernel says for any part that it lacks: the command tells which."""
PARTS: tuple[tuple[str, str], ...] = (
    ("netem", _NO_NETEM),
    ("clsact", "this kernel has no sch_ingress (clsact); load it on the host: modprobe sch_ingress"),
    ("mirred", _NO_ACTIONS),
    ("u32", _NO_U32),
    ("prio", f"this kernel has no sch_prio; {_OTHER_ENGINE}, or load it on the host: modprobe sch_prio"),
)
"""Words of a command with what to do when the kernel lacks them; `prio` last, it also is a word of every filter."""

TRANSLATIONS: tuple[tuple[str, str], ...] = (
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
    ("cannot mix duplicating netems", "this kernel takes no other netem beside one that duplicates; remove the other"),
    ("Qdisc not found. To create", _TAKEN_AWAY),
    ("Parent Qdisc doesn't exist", _TAKEN_AWAY),
    ("Cannot delete qdisc with handle of zero", _TAKEN_AWAY),
    ("Invalid handle", _TAKEN_AWAY),
    *((piece, _NO_NETEM) for piece in ABSENT),
    ("Invalid argument", "this kernel does not take one of the values; look at the last line of `dmesg` on the host"),
)
"""Pieces of what tc and the kernel say, most telling first, with the hint."""


def hint_for(message: str, command: str = "") -> str:
    """Return what to do about a message of tc; empty for one that is not known.

    Without the command that failed, a part that the kernel lacks is taken for netem.
    """
    piece, hint = next(((piece, hint) for piece, hint in TRANSLATIONS if piece in message), ("", ""))
    if piece not in ABSENT:
        return hint
    words = command.split()
    return next((lacking for word, lacking in PARTS if word in words), hint)


def first_complaint(stderr: str) -> str:
    """Return the line of tc's error output that tells most."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    known = [line for line in lines if hint_for(line)]
    return (known or lines or ["no message"])[0]


def batch(attempt: str, lines: list[str]) -> None:
    """Carry out tc commands in one process, stopping at the first that fails.

    Raises SidecarError with `attempt`, the failing command, tc's message and what to do.
    """
    completed = run(["tc", "-batch", "-"], text="".join(f"{line}\n" for line in lines))
    if completed.status:
        message = first_complaint(completed.stderr)
        command = _failed_line(completed.stderr, lines)
        raise SidecarError(attempt, f"{message} (tc {command})" if command else message, hint_for(message, command))


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
        message = first_complaint(completed.stderr)
        raise SidecarError(f"tc {' '.join(words)}", message, hint_for(message))
    try:
        document = json.loads(completed.stdout or "[]")
    except ValueError as error:
        raise SidecarError(f"tc {' '.join(words)}", f"no JSON: {error}") from error
    return list(document)
