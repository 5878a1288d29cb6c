"""Choose the emulation engine: the requested one, or the kernel's where it works."""

from collections.abc import Iterable, Iterator, Sequence

from netem.contract.errors import SidecarError
from netem.contract.settings import Settings
from netem.engines.kernel.engine import KernelEngine
from netem.engines.link import Link, PlainLink
from netem.engines.resources import tables_outside_tc
from netem.engines.user.engine import UserEngine
from netem.spec import Impairment, kernel_obstacles
from netem.system import tc


def choose_link(settings: Settings, impairment: Impairment, later: Sequence[Impairment] = ()) -> Link:
    """Return the link to start, with an engine that also supports the impairments that a profile applies `later`.

    Raises SidecarError when the requested engine does not support one of them.
    """
    if settings.engine == "user":
        return _user(settings, impairment, "requested")
    obstacles = list(dict.fromkeys(_obstacles((impairment, *later))))
    if settings.engine == "kernel":
        if obstacles:
            raise SidecarError("use the kernel engine", " ".join(obstacles), "set NETEM_ENGINE=user or auto")
        return _kernel(settings, impairment, "requested")
    if impairment == Impairment() and not settings.profile:
        return PlainLink(settings.device, "nothing to impair")
    if obstacles:
        return _user(settings, impairment, " ".join(obstacles))
    failure = try_kernel()
    if failure:
        return _user(settings, impairment, f"no netem in this kernel: {failure}")
    return _kernel(settings, impairment, "a test qdisc could be added")


def try_kernel() -> str:
    """Add a netem without impairment to `lo` and remove it; return why that failed, or an empty text."""
    try:
        tc.batch("try netem", ["qdisc add dev lo root netem limit 1000", "qdisc del dev lo root"])
    except SidecarError as error:
        return error.message
    return ""


def _obstacles(impairments: Iterable[Impairment]) -> Iterator[str]:
    """Yield a sentence for everything that the kernel engine does not support."""
    for each in impairments:
        yield from kernel_obstacles(each)
        yield from tables_outside_tc(each)


def _user(settings: Settings, impairment: Impairment, reason: str) -> UserEngine:
    return UserEngine(
        device=settings.device,
        impairment=impairment,
        seed=settings.seed,
        reason=reason,
        realtime=settings.realtime,
    )


def _kernel(settings: Settings, impairment: Impairment, reason: str) -> KernelEngine:
    return KernelEngine(device=settings.device, impairment=impairment, seed=settings.seed, reason=reason)
