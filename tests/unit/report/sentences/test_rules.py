from testbed.analysis.findings.rule import NoLog, NoSamples
from testbed.report.sentences.registry import words


def test_missing_instruments() -> None:
    assert words(NoLog("client")) == "the client left no event log"
    assert words(NoSamples("server")) == "the sockets of the server were not sampled"
    assert words(NoSamples(None)) == "the sockets of both ends were not sampled"
