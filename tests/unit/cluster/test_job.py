"""What client and worker send each other arrives as it was, and a worker with another build finds out."""

from testbed.cluster.job import Build, Job, Reply, build_of, read_job, read_reply, refusal
from testbed.scenario.expand import expand


def job(**fields: object) -> Job:
    planned = expand(fields)[0]
    return Job(
        run="20260101-000000-abcdef",
        folder=planned.folder,
        id=planned.id,
        repetition=1,
        number=2,
        alone=True,
        requested=planned.cell.requested(),
        build=Build("1.0", "abc"),
        files={"trace": b"1 2"},
    )


def test_a_job_arrives_as_it_was() -> None:
    sent = job(delay="1s", chunk="10k", latency="20ms", sysctl={"net.ipv4.tcp_sack": "0"}, timeout="90s")
    received = read_job(sent.document())
    assert received == sent
    assert (
        received.planned
        == expand(
            {"delay": "1s", "chunk": "10k", "latency": "20ms", "sysctl": {"net.ipv4.tcp_sack": "0"}, "timeout": "90s"}
        )[0]
    )


def test_a_reply_arrives_as_it_was() -> None:
    sent = Reply("tcp://a", {"name": "a"}, parcel=b"\0", parcel_bytes=1)
    assert read_reply(sent.document()) == sent


def test_another_build_is_refused_with_the_difference() -> None:
    ours = Build("1.0", "abc")
    assert refusal(ours, Build("1.0", "abc")) == ("", "")
    assert "testbed 0.9, and this client 1.0" in refusal(ours, Build("0.9", "abc"))[0]
    reason, hint = refusal(ours, Build("1.0", "def"))
    assert "source" in reason
    assert "same commit" in hint


def test_the_build_is_read_whatever_else_a_document_has() -> None:
    assert build_of({**job().document(), "later": 1}) == Build("1.0", "abc")
    assert build_of({}) == build_of({"build": 3}) == Build("", "")
