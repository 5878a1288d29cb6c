"""The keywords, in the order in which tc tries them: a shortened word means the first one that it begins."""

NETEM_KEYWORDS = (
    "limit",
    "latency",
    "delay",
    "loss",
    "drop",
    "seed",
    "ecn",
    "reorder",
    "corrupt",
    "gap",
    "duplicate",
    "distribution",
    "rate",
    "slot",
)
SAME_AS = {"latency": "delay", "drop": "loss"}

OUR_KEYWORDS = (
    "drop-list",
    "blackhole",
    "keep-order",
    "per-segment",
    "per-skb",
    "correlation",
    "trace",
    "filter",
    "nd",
)
"""Words that tc does not know: never shortened, so that no shortened word of tc's can mean one of them."""


def keyword(word: str) -> str | None:
    """Return the keyword that `word` stands for, None if there is none."""
    if word in OUR_KEYWORDS:
        return word
    full = next((known for known in NETEM_KEYWORDS if known.startswith(word)), None) if word else None
    return SAME_AS.get(full, full) if full else None
