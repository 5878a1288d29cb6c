"""The keywords, in the order in which tc tries them: an abbreviation means the first keyword with that prefix."""

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
ALIASES = {"latency": "delay", "drop": "loss"}

EXTENSION_KEYWORDS = (
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
"""Extensions to tc. They have no abbreviations, so that no abbreviation of a tc keyword is ambiguous."""


def keyword(word: str) -> str | None:
    """Return the keyword for `word`, None if there is none."""
    if word in EXTENSION_KEYWORDS:
        return word
    full = next((known for known in NETEM_KEYWORDS if known.startswith(word)), None) if word else None
    return ALIASES.get(full, full) if full else None
