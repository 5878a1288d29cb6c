"""Set metrics of the routes to the peers: congestion control, MTU, initial windows.

A route applies to every connection of the namespace, also of a program without privileges, and to no other namespace.
It even accepts a congestion control that `tcp_allowed_congestion_control` forbids to programs
(`net/ipv4/fib_semantics.c`).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from netem.contract.errors import SidecarError
from netem.contract.limits import MIN_IPV6_MTU_BYTES
from netem.contract.route_metrics import RouteMetrics
from netem.system.process import run

_FLAGS = {"ipv4": "-4", "ipv6": "-6"}
_AVAILABLE = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")


def ip_words(metrics: dict[str, str | int]) -> list[str]:
    """Return the metrics in the words of ip-route(8)."""
    words: list[str] = []
    for name, value in metrics.items():
        if name == "congestion":
            words += ["congctl", str(value)]
        else:
            words += [name, f"{value}ms" if name == "rto_min" else str(value)]
    return words


def subnet_routes(routes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the routes to the networks of the device, out of all its routes from `ip -j route`."""
    return [
        route
        for route in routes
        if route.get("protocol") == "kernel"
        and "gateway" not in route
        and not str(route.get("dst", "")).startswith(("default", "fe80:", "ff00:", "multicast"))
    ]


def change_words(route: dict[str, Any], device: str, metrics: dict[str, str | int]) -> list[str]:
    """Return the words after `ip route` that set these metrics of a route and keep its other attributes."""
    words = ["change", str(route["dst"]), "dev", device, "proto", "kernel"]
    for key, word in (("scope", "scope"), ("prefsrc", "src"), ("metric", "metric")):
        if key in route:
            words += [word, str(route[key])]
    return words + ip_words(metrics)


def differences(requested: dict[str, str | int], routes: Sequence[dict[str, Any]]) -> list[str]:
    """Return a sentence for each metric that differs from the requested one; `ip` does not print a 0."""
    found = []
    for route in routes:
        has = metrics_of(route)
        found += [
            f"{name} of {route['dst']} is {has.get(name, 'not set')}, not {value}."
            for name, value in requested.items()
            if has.get(name, 0) != value
        ]
    return found


def metrics_of(route: dict[str, Any]) -> dict[str, str | int]:
    """Return the metrics of one route as `ip -j route` prints it."""
    return {name: value for part in route.get("metrics", []) for name, value in part.items()}


def check_mtu(wanted: RouteMetrics, families: Sequence[str], device_mtu_bytes: int) -> None:
    """Raise SidecarError for an MTU that the kernel accepts and cannot apply."""
    mtu_bytes = wanted.mtu_bytes
    if mtu_bytes is None:
        return
    if "ipv6" in families and mtu_bytes < MIN_IPV6_MTU_BYTES:
        raise SidecarError(
            "set the MTU", f"{mtu_bytes} bytes: IPv6 needs {MIN_IPV6_MTU_BYTES}", "use IPv4 for a smaller MTU"
        )
    if mtu_bytes > device_mtu_bytes:
        raise SidecarError(
            "set the MTU", f"{mtu_bytes} bytes: the device has {device_mtu_bytes}", f"use {device_mtu_bytes} or less"
        )


def set_route_metrics(device: str, families: Sequence[str], wanted: RouteMetrics) -> dict[str, dict[str, str | int]]:
    """Set the metrics of the routes of `device` and return, by family, the metrics read back.

    Raises SidecarError with the kernel's message, or with the value that it changed.
    """
    requested = wanted.by_name()
    if not requested:
        return {}
    check_mtu(wanted, families, _device_mtu_bytes(device))
    in_force = {}
    for family in families:
        routes = _routes(device, family)
        if not routes:
            raise SidecarError("set the route", f"{device} has no {family} network", "remove it from NETEM_FAMILIES")
        for route in routes:
            _ip(family, change_words(route, device, requested), wanted)
        changed = _routes(device, family)
        wrong = differences(requested, changed)
        if wrong:
            raise SidecarError("read the route back", " ".join(wrong), "request values that this kernel supports")
        in_force[family] = metrics_of(changed[0])
    return in_force


def clear_route_metrics(device: str, families: Sequence[str]) -> None:
    """Remove all metrics from the routes of `device`. Raises SidecarError with those that are left."""
    for family in families:
        for route in _routes(device, family):
            if metrics_of(route):
                _ip(family, change_words(route, device, {}), RouteMetrics())
        left = [metrics_of(route) for route in _routes(device, family) if metrics_of(route)]
        if left:
            raise SidecarError("remove the metrics of the routes", f"{left} are left")


def _device_mtu_bytes(device: str) -> int:
    try:
        return int(Path(f"/sys/class/net/{device}/mtu").read_text())
    except (OSError, ValueError) as error:
        raise SidecarError(f"read the MTU of {device}", str(error), "set NETEM_DEVICE to an interface") from error


def _routes(device: str, family: str) -> list[dict[str, Any]]:
    words = ["ip", "-j", _FLAGS[family], "route", "show", "dev", device]
    completed = run(words)
    if completed.status:
        raise SidecarError(" ".join(words), completed.stderr.strip())
    return subnet_routes(json.loads(completed.stdout or "[]"))


def _ip(family: str, words: list[str], wanted: RouteMetrics) -> None:
    completed = run(["ip", _FLAGS[family], "route", *words])
    if completed.status:
        message = (completed.stderr.strip().splitlines() or ["no message"])[0].removeprefix("Error: ").rstrip(".")
        raise SidecarError("set the route", f"{message} (ip route {' '.join(words)})", _hint(message, wanted))


def _hint(message: str, wanted: RouteMetrics) -> str:
    if "congestion" not in message:
        return "start the container with the capability NET_ADMIN" if "not permitted" in message else ""
    try:
        available = ", ".join(_AVAILABLE.read_text().split())
    except OSError:
        available = "those in net.ipv4.tcp_available_congestion_control"
    return f"this kernel has {available}; to use another, load its module on the host: modprobe tcp_{wanted.congestion}"
