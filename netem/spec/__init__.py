"""The grammar and the model of an impairment: text to frozen values and back, without I/O.

    impairment = parse("delay 40ms 5ms loss 1% drop-list 3")
    format_impairment(impairment)  # the canonical text; parse() reads it back as the same model
    kernel_obstacles(impairment)   # sentences: what the kernel engine does not support; empty if it supports everything
    tc_words(impairment)           # the words for `tc qdisc replace dev eth0 root netem ...`

`netem.spec.model` defines the parts; every error is a `SpecError` with token, position, reason and hint.
"""

from netem.spec.errors import SpecError
from netem.spec.format import format_impairment
from netem.spec.kernel import as_netem, kernel_obstacles, limit_packets, tc_words
from netem.spec.model import Impairment
from netem.spec.parse import parse

__all__ = [
    "Impairment",
    "SpecError",
    "as_netem",
    "format_impairment",
    "kernel_obstacles",
    "limit_packets",
    "parse",
    "tc_words",
]
