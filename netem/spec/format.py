"""Model to text: the canonical words of an impairment, which `parse` reads back as the same model."""

from netem.spec.model import (
    Corrupt,
    Delay,
    Duplicate,
    Extension,
    Filter,
    Impairment,
    Loss,
    RandomLoss,
    Rate,
    Reorder,
    Slot,
    StateLoss,
)
from netem.spec.quantity import complement, format_probability, format_rate, format_time


def _random(name: str, part: Corrupt | Duplicate | Reorder | RandomLoss) -> list[str]:
    words = [name, format_probability(part.probability)]
    return [*words, format_probability(part.correlation)] if part.correlation else words


def _delay(delay: Delay) -> list[str]:
    words = ["delay", format_time(delay.delay_ns)]
    if delay.jitter_ns or delay.correlation:
        words.append(format_time(delay.jitter_ns))
    if delay.correlation:
        words.append(format_probability(delay.correlation))
    return words if delay.distribution is None else [*words, "distribution", delay.distribution]


def _without_defaults(values: tuple[float, ...], defaults: tuple[float, ...]) -> list[str]:
    count = len(values)
    while count > 1 and values[count - 1] == defaults[count - 1]:
        count -= 1
    return [format_probability(value) for value in values[:count]]


def _loss(loss: Loss) -> list[str]:
    if isinstance(loss, RandomLoss):
        return _random("loss", loss)
    if isinstance(loss, StateLoss):
        states = (loss.p13, loss.p31, loss.p32, loss.p23, loss.p14)
        return ["loss", "state", *_without_defaults(states, (0.0, complement(loss.p13), 0.0, 1.0, 0.0))]
    moves = (loss.to_bad, loss.to_good, loss.bad_loss, loss.good_loss)
    return ["loss", "gemodel", *_without_defaults(moves, (0.0, complement(loss.to_bad), 1.0, 0.0))]


def _reorder(reorder: Reorder) -> list[str]:
    words = _random("reorder", reorder)
    return words if reorder.gap == 1 else [*words, "gap", str(reorder.gap)]


def _rate(rate: Rate) -> list[str]:
    numbers = [rate.overhead_bytes, rate.cell_bytes, rate.cell_overhead_bytes]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return ["rate", format_rate(rate.rate_bps), *map(str, numbers)]


def _slot(slot: Slot) -> list[str]:
    if slot.distribution is None:
        words = ["slot", format_time(slot.min_ns)]
        words += [format_time(slot.max_ns)] if slot.max_ns != slot.min_ns else []
    else:
        words = ["slot", "distribution", slot.distribution, format_time(slot.delay_ns), format_time(slot.jitter_ns)]
    words += ["packets", str(slot.max_packets)] if slot.max_packets else []
    return [*words, "bytes", str(slot.max_bytes)] if slot.max_bytes else words


def _filter(rule: Filter) -> list[str]:
    fields = (("family", rule.family), ("protocol", rule.protocol), ("port", rule.port))
    return ["filter", *(str(word) for name, value in fields if value is not None for word in (name, value))]


def _drop_list(ranges: tuple[tuple[int, int], ...]) -> list[str]:
    return ["drop-list", ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)]


def format_extension(extension: Extension) -> list[str]:
    """Return the words of the extensions to tc."""
    words = _drop_list(extension.drop_list) if extension.drop_list else []
    for hole in extension.blackholes:
        words += ["blackhole", format_time(hole.start_ns), format_time(hole.duration_ns)]
    flags = ((extension.keep_order, "keep-order"), (extension.per_segment, "per-segment"), (extension.impair_nd, "nd"))
    words += [word for enabled, word in flags if enabled]
    words += ["correlation", "true"] if extension.true_correlation else []
    words += ["trace", extension.trace] if extension.trace is not None else []
    return [*words, *_filter(extension.filter)] if extension.filter is not None else words


def format_netem(impairment: Impairment) -> list[str]:
    """Return the words of tc-netem(8)."""
    words = [] if impairment.limit_packets is None else ["limit", str(impairment.limit_packets)]
    words += _delay(impairment.delay) if impairment.delay else []
    words += _loss(impairment.loss) if impairment.loss else []
    words += ["ecn"] if impairment.ecn else []
    words += _random("corrupt", impairment.corrupt) if impairment.corrupt else []
    words += _random("duplicate", impairment.duplicate) if impairment.duplicate else []
    words += _reorder(impairment.reorder) if impairment.reorder else []
    words += _rate(impairment.rate) if impairment.rate else []
    words += _slot(impairment.slot) if impairment.slot else []
    return [*words, "seed", str(impairment.seed)] if impairment.seed is not None else words


def format_impairment(impairment: Impairment) -> str:
    """Return the canonical text; it is empty for an unimpaired link."""
    return " ".join(format_netem(impairment) + format_extension(impairment.extension))
