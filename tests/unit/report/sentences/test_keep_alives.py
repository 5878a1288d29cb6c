from testbed.analysis.findings.keep_alives import KeepAlives
from testbed.report.sentences.registry import words


def test_keep_alives() -> None:
    assert words(KeepAlives(3, 1, 1.02)) == (
        "3 keep-alives (1 from the sender) went into an open window, after 1.02 s without traffic: SO_KEEPALIVE is "
        "set; these are not window probes."
    )
    assert words(KeepAlives(1, 1, 1.02)).endswith("SO_KEEPALIVE is set; this is not a window probe.")
