from netem.engines.kernel import commands
from netem.spec import parse


def test_everything_but_the_exempt_goes_through_netem() -> None:
    lines = commands.install("eth0", parse("delay 50ms loss 1%"), 7)
    assert lines[0] == f"qdisc replace dev eth0 root handle 1: prio bands 3 priomap {' '.join('1' * 16)}"
    assert lines[1].startswith("qdisc replace dev eth0 parent 1:2 handle 20: netem ")
    assert lines[2].startswith("qdisc replace dev eth0 parent 1:3 handle 30: netem ")
    assert "delay 50ms loss 1%" in lines[1]
    assert "seed 7" in lines[1]
    assert "seed 7" not in lines[2]
    flows = [line.rpartition(" flowid ")[2] for line in lines[3:]]
    assert set(flows) == {"1:1", "1:3"}


def test_neighbour_discovery_is_exempt_unless_requested_otherwise() -> None:
    def nd_rules(text: str) -> list[str]:
        return [line for line in commands.install("eth0", parse(text), 0) if "arp" in line or "match u8 58" in line]

    assert len(nd_rules("delay 1ms")) == 4
    assert nd_rules("delay 1ms nd") == []


def test_masks_cover_icmpv6_133_to_137_and_nothing_else() -> None:
    covered = {kind for kind in range(256) for value, mask in commands._ICMP6_TYPES if kind & mask == value}
    assert covered == set(range(133, 138))


def test_probes_of_a_link_that_duplicates_meet_the_measured_netem() -> None:
    lines = commands.install("eth0", parse("duplicate 1%"), 0)
    assert [line for line in lines if " netem " in line] == lines[1:2]
    assert {line.rpartition(" flowid ")[2] for line in commands.steer_probes("eth0", twin=False)} == {"1:2"}
    assert {line.rpartition(" flowid ")[2] for line in commands.steer_probes("eth0", twin=True)} == {"1:3"}
    assert not commands.has_twin(parse("duplicate 1%"))
    assert commands.has_twin(parse("duplicate 0%"))


def test_rules_are_removed_by_the_preferences_that_added_them() -> None:
    def preferences(lines: list[str]) -> set[str]:
        return {line.split(" prio ")[1].split()[0] for line in lines}

    probes = preferences(commands.steer_probes("eth0", twin=True))
    assert preferences(commands.unsteer_probes("eth0")) == probes
    neighbours = preferences(commands.exempt_neighbours("eth0"))
    assert preferences(commands.impair_neighbours("eth0")) == neighbours
    assert not probes & neighbours


def test_parents_and_handles_are_those_of_the_commands() -> None:
    for words, numbers in commands.PARENT_AND_HANDLE.items():
        major = int(words.rstrip(":"), 16) << 16
        assert numbers[1] == major
    line = commands.install("eth0", parse("delay 1ms"), 0)[1]
    assert f"parent 1:{commands.PARENT_AND_HANDLE[commands.MEASURED][0] & 0xFFFF} handle {commands.MEASURED}" in line
    line = commands.add_twin("eth0", parse("delay 1ms"), 0)[0]
    assert f"parent 1:{commands.PARENT_AND_HANDLE[commands.PROBES][0] & 0xFFFF} handle {commands.PROBES}" in line


def test_mirror_and_removal() -> None:
    assert commands.mirror("eth0", "netem0")[-1].endswith("action mirred egress mirror dev netem0")
    assert commands.unmirror("eth0") == ["qdisc del dev eth0 clsact"]
    assert commands.remove("eth0") == ["qdisc del dev eth0 root"]
