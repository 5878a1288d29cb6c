from netem.contract.ports import CONTROL_PORT, PROBE_PORT
from netem.engines.user import redirect


def test_everything_else_is_decided_last() -> None:
    (line,) = redirect.begin("eth0", "netem0")
    assert line.endswith("protocol all u32 match u32 0 0 action mirred egress redirect dev netem0")
    assert preference(line) > max(preference(rule) for rule in redirect.install("eth0", "netem1")[1:])


def test_the_end_names_exactly_the_rule_of_the_beginning() -> None:
    (begin,), (end,) = redirect.begin("eth0", "netem0"), redirect.end("eth0")
    assert begin.replace("filter add", "filter del").startswith(f"{end} u32")


def preference(rule: str) -> int:
    words = rule.split()
    return int(words[words.index("prio") + 1])


def test_probes_have_their_own_device_and_control_messages_pass() -> None:
    hook, *lines = redirect.install("eth0", "netem1")
    assert hook == "qdisc add dev eth0 clsact"
    control = [line for line in lines if f"match u16 {CONTROL_PORT} " in line]
    probes = [line for line in lines if f"match u16 {PROBE_PORT} " in line]
    assert len(control) == len(probes) == 4
    assert len(lines) == 8
    assert all(line.endswith("flowid :1") for line in control)
    assert all(line.endswith("redirect dev netem1") for line in probes)


def test_a_preference_holds_one_protocol() -> None:
    protocols: dict[str, set[str]] = {}
    for line in [*redirect.install("eth0", "netem1")[1:], *redirect.begin("eth0", "netem0")]:
        words = line.split()
        protocols.setdefault(words[words.index("prio") + 1], set()).add(words[words.index("protocol") + 1])
    assert all(len(names) == 1 for names in protocols.values())


def test_removal() -> None:
    assert redirect.remove("eth0") == ["qdisc del dev eth0 clsact"]
