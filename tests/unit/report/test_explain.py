from testbed.report.explain import explanation_lines, finding_lines
from testbed.result import Evidence, Finding, Silence

FINDING = Finding(
    name="window-closed",
    sentence="The receive window was closed.",
    numbers={"closed_s": 1.5, "closures": 2, "limited_by": "receiver"},
    evidence=[
        Evidence(
            file="server/capture.pcap",
            kind="frames",
            says="zero windows",
            first=4,
            last=9,
            count=2,
            filter="frame.number in {4, 9}",
        ),
        Evidence(file="server/events.csv", kind="events", says="reads", first=3, last=5, count=3),
        Evidence(file="../run.json", kind="file", says="the kernel"),
    ],
    contradicting=["no sample shows it"],
    not_observed=["the kernel's count"],
)


def test_a_finding_shows_everything() -> None:
    text = "\n".join(finding_lines(FINDING))
    for part in (
        "closed_s=1.5  closures=2  limited_by=receiver",
        "server/capture.pcap, frames 4 to 9 (2): zero windows",
        "wireshark: frame.number in {4, 9}",
        "server/events.csv, lines 3 to 5 (3): reads",
        "../run.json: the kernel",
        "sure      high",
        "against   no sample shows it",
        "not seen  the kernel's count",
    ):
        assert part in text
    single = FINDING.evidence[0].model_copy(update={"first": 9, "last": 9, "count": 1})
    assert "server/capture.pcap, frame 9: zero" in "\n".join(
        finding_lines(FINDING.model_copy(update={"evidence": [single]}))
    )


def test_the_answer_stands_first_and_the_silent_last() -> None:
    silent = [
        Silence(name="closing", reason="regular", observable=True),
        Silence(name="family-pair", reason="no twin", observable=False),
    ]
    lines = explanation_lines("It was slow.", [FINDING], silent)
    assert lines[0] == "It was slow."
    assert lines[-3:] == ["silent", "  closing      regular", "  family-pair  cannot be told: no twin"]
    assert explanation_lines("It was slow.", [], machine="kernel 6 in a guest")[1] == "(kernel 6 in a guest)"
    assert explanation_lines("", []) == ["Nothing was seen of a transfer."]


def test_all_fits_into_a_narrow_terminal() -> None:
    silent = [Silence(name="x", reason="word " * 40, observable=True)]
    lines = explanation_lines("It was slow. " * 20, [FINDING], silent, width=72)
    assert all(len(line) <= 72 for line in lines if "wireshark:" not in line)
