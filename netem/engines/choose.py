"""Which engine carries the impairment out: as asked, or by trying."""

from collections.abc import Sequence

from netem.contract.errors import SidecarError
from netem.contract.settings import Settings
from netem.engines.kernel.engine import KernelEngine
from netem.engines.link import Link, PlainLink
from netem.engines.resources import foreign_tables
from netem.engines.user.engine import UserEngine
from netem.spec import Impairment, kernel_obstacles
from netem.system import tc


def choose_link(settings: Settings, impairment: Impairment, later: Sequence[Impairment] = ()) -> Link:
    """Return the link to start, with an engine that can also do what a profile has for `later`.

    Raises SidecarError when the engine that was asked for cannot do it.
    """
    if settings.engine == "user":
        return _user(settings, impairment, "asked for")
    found = (sentence for each in (impairment, *later) for sentence in (*kernel_obstacles(each), *foreign_tables(each)))
    obstacles = list(dict.fromkeys(found))
    if settings.engine == "kernel":
        if obstacles:
            raise SidecarError("use the kernel engine", " ".join(obstacles), "set NETEM_ENGINE=user or auto")
        return _kernel(settings, impairment, "asked for")
    if impairment == Impairment() and not settings.profile:
        return PlainLink(settings.device, "nothing to impair")
    if obstacles:
        return _user(settings, impairment, " ".join(obstacles))
    refusal = try_kernel()
    if refusal:
        return _user(settings, impairment, f"no netem in this kernel: {refusal}")
    return _kernel(settings, impairment, "a probe qdisc was made")


def try_kernel() -> str:
    """Make a netem that does nothing on `lo` and remove it; return why that failed, empty when it worked."""
    try:
        tc.batch("try netem", ["qdisc add dev lo root netem limit 1000", "qdisc del dev lo root"])
    except SidecarError as error:
        return error.message
    return ""


def _user(settings: Settings, impairment: Impairment, reason: str) -> UserEngine:
    return UserEngine(device=settings.device, impairment=impairment, seed=settings.seed, reason=reason)


def _kernel(settings: Settings, impairment: Impairment, reason: str) -> KernelEngine:
    return KernelEngine(device=settings.device, impairment=impairment, seed=settings.seed, reason=reason)
