"""Facts about the machine and the software that a run depends on, for `run.json`."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

SYSCTLS: Final = (
    "net/core/rmem_default",
    "net/core/rmem_max",
    "net/core/wmem_default",
    "net/core/wmem_max",
    "net/ipv4/tcp_rmem",
    "net/ipv4/tcp_wmem",
    "net/ipv4/tcp_congestion_control",
    "net/ipv4/tcp_moderate_rcvbuf",
    "net/ipv4/tcp_window_scaling",
    "net/ipv4/tcp_adv_win_scale",
    "net/ipv4/tcp_notsent_lowat",
    "net/ipv4/tcp_timestamps",
    "net/ipv4/tcp_sack",
)
"""Sysctls that determine how much the kernel buffers; a new network namespace starts with the host's values."""

_PACKAGES: Final = ("testbed", "docker", "pydantic", "click")


def sysctls(root: Path = Path("/proc/sys")) -> dict[str, str]:
    """Return the sysctls that can be read here, by their dotted names."""
    found = {}
    for name in SYSCTLS:
        try:
            found[name.replace("/", ".")] = (root / name).read_text().strip().replace("\t", " ")
        except OSError:
            continue
    return found


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def has_device(path: Path, engine_version: dict[str, Any], release: str) -> bool:
    """Return whether the Docker engine runs on the kernel of this process, of that release, and the device exists here.

    False also means "unknown": an engine elsewhere, or a testbed that itself runs in a container.
    """
    return engine_version.get("KernelVersion") == release and path.exists()


def host_facts(engine_version: dict[str, Any]) -> dict[str, Any]:
    """Return versions and settings; `engine_version` is the Docker engine's own description."""
    return {
        "machine_name": platform.node(),
        "versions": {"python": platform.python_version(), **{name: _package(name) for name in _PACKAGES}},
        "engine": {
            "version": engine_version.get("Version", ""),
            "api_version": engine_version.get("ApiVersion", ""),
            "os": engine_version.get("Os", ""),
            "arch": engine_version.get("Arch", ""),
        },
        "kernel": engine_version.get("KernelVersion", ""),
        "sysctls": sysctls(),
    }
