from testbed.analysis.findings.context import Context
from testbed.report.sentences.registry import words


def test_what_it_ran_on() -> None:
    assert words(Context("6.18.0", "cubic", ("user",), ())) == (
        "Linux 6.18.0, congestion control cubic, impairments by the user engine."
    )


def test_what_is_not_known() -> None:
    assert words(Context(None, "bbr", (), ("total_rto", "rcv_wnd"))) == (
        "A kernel that run.json does not name, congestion control bbr, a link without impairment; this kernel does not "
        "report total_rto, rcv_wnd."
    )
