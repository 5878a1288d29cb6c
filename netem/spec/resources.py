"""The files that an impairment names, and how to parse them."""

import re
from collections.abc import Sequence
from itertools import pairwise

from netem.spec.errors import SpecError
from netem.spec.model import Impairment

BUILT_IN_DISTRIBUTIONS = ("uniform", "normal", "pareto", "paretonormal")
MAX_TABLE_ENTRIES = 16384  # `q_netem.c` MAX_DIST
MAX_TRACE_STAMPS = 10_000_000  # 15 GB delivered
_S16 = range(-(2**15), 2**15)
_MAX_STAMP_MS = 10**12
_INTEGER = re.compile(r"-?[0-9]{1,15}")


def table_names(impairment: Impairment) -> tuple[str, ...]:
    """Return the names of the distribution files that the impairment needs, `NAME.dist` as tc has them."""
    parts = (impairment.delay, impairment.slot)
    names = [part.distribution for part in parts if part is not None and part.distribution is not None]
    return tuple(dict.fromkeys(name for name in names if name not in BUILT_IN_DISTRIBUTIONS))


def trace_names(impairment: Impairment) -> tuple[str, ...]:
    """Return the names of the trace files that the impairment needs."""
    return () if impairment.extension.trace is None else (impairment.extension.trace,)


def _integers(text: str, what: str) -> list[int]:
    numbers = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            continue
        for word in line.split():
            if not _INTEGER.fullmatch(word):
                raise SpecError(f"line {number} of the {what} is not a list of integers", word=word[:40])
            numbers.append(int(word))
    return numbers


def parse_table(text: str) -> Sequence[int]:
    """Return the entries of a distribution file: lines of 16-bit integers; `#` starts a comment line.

    tc stops reading a line at the first word that is not a number, and large numbers overflow; here both are errors.
    """
    entries = _integers(text, "distribution")
    if not 1 <= len(entries) <= MAX_TABLE_ENTRIES:
        raise SpecError(f"the distribution has {len(entries)} entries", hint=f"use 1 to {MAX_TABLE_ENTRIES}")
    wide = next((entry for entry in entries if entry not in _S16), None)
    if wide is not None:
        raise SpecError("does not fit in 16 bits", word=str(wide), hint="scale the distribution: 8192 is one sigma")
    return tuple(entries)


def parse_trace(text: str) -> Sequence[int]:
    """Return the stamps of a Mahimahi trace in ms: one per line, never descending; each delivers 1500 bytes."""
    stamps = _integers(text, "trace")
    if not 1 <= len(stamps) <= MAX_TRACE_STAMPS:
        raise SpecError(f"the trace has {len(stamps)} stamps", hint=f"use 1 to {MAX_TRACE_STAMPS}, one per line")
    if stamps[0] < 0 or any(late < early for early, late in pairwise(stamps)):
        raise SpecError("the stamps of a trace must start at 0 or more and never descend")
    if not 0 < stamps[-1] <= _MAX_STAMP_MS:
        raise SpecError("the last stamp of a trace, its period, is out of range", word=str(stamps[-1]))
    return tuple(stamps)
