import pytest

from netem.contract.errors import SidecarError
from netem.system import tc
from netem.system.process import Completed

MESSAGES = [
    ("Error: Specified qdisc kind is unknown.", "NETEM_ENGINE=user"),
    ("Error: Specified qdisc not found.", "NETEM_ENGINE=user"),
    ("RTNETLINK answers: No such file or directory", "NETEM_ENGINE=user"),
    ("RTNETLINK answers: Operation not supported", "NETEM_ENGINE=user"),
    ("modprobe: FATAL: Module sch_netem not found in directory /lib/modules/6.1", "NETEM_ENGINE=user"),
    ("Cannot talk to rtnetlink: Operation not supported", "emulated"),
    ("Error: Failed to load TC action module.", "act_mirred"),
    ("Error: TC classifier not found.", "cls_u32"),
    ('Unknown filter "u32", hence option "match" is unparsable', "cls_u32"),
    ("Error: netem: cannot mix duplicating netems with other netems in tree.", "remove the other"),
    ("Error: Qdisc not found. To create specify NLM_F_CREATE flag.", "another program"),
    ("Error: Parent Qdisc doesn't exists.", "another program"),
    ("Error: Cannot delete qdisc with handle of zero.", "another program"),
    ("Error: Invalid handle.", "another program"),
    ("RTNETLINK answers: Operation not permitted", "NET_ADMIN"),
    ('Cannot find device "eth9"', "NETEM_DEVICE"),
    ("Error: Exclusivity flag on, cannot modify.", "tc qdisc del"),
    ("RTNETLINK answers: File exists", "tc qdisc del"),
    ("No distribution data for uniform (/usr/lib/tc//uniform.dist: No such file or directory)", "normal, pareto"),
    ("RTNETLINK answers: Invalid argument", "dmesg"),
]


@pytest.mark.parametrize(("message", "hint"), MESSAGES)
def test_messages_of_tc_have_hints(message: str, hint: str) -> None:
    assert hint in tc.hint_for(message)


ABSENT = [
    "Error: Specified qdisc kind is unknown.",
    "Error: Specified qdisc not found.",
    "RTNETLINK answers: No such file or directory",
    "RTNETLINK answers: Operation not supported",
]
COMMANDS = [
    ("qdisc replace dev eth0 parent 1:2 handle 20: netem delay 5ms", "sch_netem"),
    ("qdisc add dev eth0 clsact", "sch_ingress"),
    ("filter add dev eth0 egress prio 1 protocol ip u32 match u8 17 0xff at 9 flowid :1", "cls_u32"),
    ("filter add dev eth0 egress prio 9 u32 match u32 0 0 action mirred egress redirect dev netem0", "act_mirred"),
    ("qdisc replace dev eth0 root handle 1: prio bands 3", "sch_prio"),
]


@pytest.mark.parametrize("message", ABSENT)
@pytest.mark.parametrize(("command", "module"), COMMANDS)
def test_the_command_names_the_part_that_the_kernel_lacks(message: str, command: str, module: str) -> None:
    assert module in tc.hint_for(message, command)


def test_a_specific_message_takes_precedence_over_the_command() -> None:
    denied = "RTNETLINK answers: Operation not permitted"
    assert "NET_ADMIN" in tc.hint_for(denied, "qdisc add dev eth0 clsact")


def test_an_unknown_message_has_no_hint() -> None:
    assert not tc.hint_for("an unknown message")


def test_the_most_informative_line_of_several() -> None:
    stderr = "Error: Failed to load TC action module.\nWe have an error talking to the kernel\nCommand failed -:2\n"
    assert tc.first_error(stderr) == "Error: Failed to load TC action module."
    assert tc.first_error("what\never\n") == "what"
    assert tc.first_error("") == "no message"


def test_a_failed_batch_names_attempt_command_and_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []

    def run(argv: list[str], *, text: str = "") -> Completed:
        given.append(text)
        return Completed(1, "", "Error: Specified qdisc kind is unknown.\nCommand failed -:2\n")

    monkeypatch.setattr(tc, "run", run)
    with pytest.raises(SidecarError) as caught:
        tc.batch("put netem on eth0", ["qdisc add one", "qdisc add two prio"])
    assert given == ["qdisc add one\nqdisc add two prio\n"]
    assert caught.value.attempt == "put netem on eth0"
    assert caught.value.message == "Error: Specified qdisc kind is unknown. (tc qdisc add two prio)"
    assert "sch_prio" in caught.value.hint


def test_a_batch_returns_what_its_commands_show(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = '[{"kind":"clsact","packets":3}]\n[]\n'
    monkeypatch.setattr(tc, "run", lambda argv, text: Completed(0, printed, ""))
    assert tc.batch("look", ["filter add", "qdisc show", "qdisc show"]) == [[{"kind": "clsact", "packets": 3}], []]
    monkeypatch.setattr(tc, "run", lambda argv, text: Completed(0, "{\n", ""))
    with pytest.raises(SidecarError, match="JSON"):
        tc.batch("look", ["qdisc show"])


def test_show_reads_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tc, "run", lambda argv: Completed(0, '[{"kind":"netem"}]', ""))
    assert tc.show("qdisc", "show") == [{"kind": "netem"}]
    monkeypatch.setattr(tc, "run", lambda argv: Completed(0, "", ""))
    assert tc.show("qdisc", "show") == []
    monkeypatch.setattr(tc, "run", lambda argv: Completed(0, "{", ""))
    with pytest.raises(SidecarError):
        tc.show("qdisc", "show")
