from testbed.wire.records import MAX_CONTENT_BYTES, MAX_KEPT_BYTES, MAX_NODES, MAX_TOTAL_BYTES, Caps


def test_defaults_are_those_of_the_contract():
    """docs/programs.md states them as numbers."""
    assert Caps() == Caps(100_000, 16_777_216, 17_179_869_184)
    assert MAX_KEPT_BYTES == 268_435_456
    assert MAX_CONTENT_BYTES <= MAX_KEPT_BYTES <= MAX_TOTAL_BYTES
    assert MAX_NODES * 276 < MAX_KEPT_BYTES
