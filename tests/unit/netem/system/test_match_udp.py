from netem.system.match_udp import match_udp


def words(rule: str) -> list[str]:
    return rule.split()


def test_source_and_destination_of_both_families_are_matched() -> None:
    rules = match_udp("filter add dev eth0 egress", 8887, preference=4)
    assert len(rules) == 4
    assert all(rule.startswith("filter add dev eth0 egress prio ") for rule in rules)
    assert [rule.rpartition("match u16 8887 0xffff at ")[2] for rule in rules] == ["20", "22", "40", "42"]


def test_each_family_has_a_preference_of_its_own() -> None:
    rules = [words(rule) for rule in match_udp("filter add", 1, preference=4)]
    found = {(rule[rule.index("protocol") + 1], rule[rule.index("prio") + 1]) for rule in rules}
    assert found == {("ip", "4"), ("ipv6", "5")}


def test_ipv4_with_options_or_fragmented_does_not_match() -> None:
    for rule in match_udp("filter add", 1, preference=1)[:2]:
        assert "match u8 0x45 0xff at 0" in rule
        assert "match u16 0 0x1fff at 6" in rule
