"""The impairment that applies to probes; both engines build it and the prober compares with it."""

from dataclasses import replace

from netem.spec import Impairment


def for_probes(impairment: Impairment) -> Impairment:
    """Return `impairment` without what selects packets by number, time or protocol: it would not apply to probes."""
    extension = replace(
        impairment.extension,
        drop_list=(),
        blackholes=(),
        filter=None,
    )
    return replace(impairment, extension=extension)
