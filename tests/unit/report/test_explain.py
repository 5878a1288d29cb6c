from testbed.report.explain import explanation_lines, finding_lines
from testbed.result import Evidence, Finding, NotReported

FINDING = Finding(
    name="window-closed",
    sentence="The receive window was closed.",
    facts={
        "closed_s": 1.5,
        "periods": 2,
        "limited_by": "receiver",
        "path_causes": ["queue", "losses"],
        "rtt_ms": None,
        "details": [{"kind": "missing"}],
    },
    evidence=[
        Evidence(
            file="server/capture.pcap",
            kind="frames",
            description="zero windows",
            first=4,
            last=9,
            count=2,
            filter="frame.number in {4, 9}",
        ),
        Evidence(file="server/events.csv", kind="events", description="reads", first=3, last=5, count=3),
        Evidence(file="../run.json", kind="file", description="the kernel"),
    ],
    contradicted_by=["no sample shows it"],
    not_observed=["the kernel's count"],
)


def test_a_finding_shows_everything() -> None:
    text = "\n".join(finding_lines(FINDING))
    for part in (
        "facts            closed_s=1.5  periods=2  limited_by=receiver  path_causes=queue,losses",
        "server/capture.pcap, 2 frames between 4 and 9: zero windows",
        "wireshark: frame.number in {4, 9}",
        "server/events.csv, 3 lines between 3 and 5: reads",
        "../run.json: the kernel",
        "confidence       high",
        "contradicted by  no sample shows it",
        "not observed     the kernel's count",
    ):
        assert part in text
    single = FINDING.evidence[0].model_copy(update={"first": 9, "last": 9, "count": 1})
    assert "server/capture.pcap, frame 9: zero" in "\n".join(
        finding_lines(FINDING.model_copy(update={"evidence": [single]}))
    )


def test_the_answer_stands_first_and_the_absent_last() -> None:
    absent = [
        NotReported(name="closing", reason="regular", observable=True),
        NotReported(name="family-pair", reason="no twin", observable=False),
    ]
    lines = explanation_lines("It was slow.", [FINDING], absent)
    assert lines[0] == "It was slow."
    assert lines[-3:] == ["not reported", "  closing      regular", "  family-pair  not observable: no twin"]
    assert explanation_lines("It was slow.", [], machine="kernel 6 in a guest")[1] == "(kernel 6 in a guest)"
    assert explanation_lines("", []) == ["No transfer was observed."]


def test_all_fits_into_a_narrow_terminal() -> None:
    absent = [NotReported(name="x", reason="word " * 40, observable=True)]
    lines = explanation_lines("It was slow. " * 20, [FINDING], absent, width=72)
    assert all(len(line) <= 72 for line in lines if "wireshark:" not in line)
