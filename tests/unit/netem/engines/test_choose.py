import pytest

from netem.contract.errors import SidecarError
from netem.contract.settings import Settings
from netem.engines import choose
from netem.spec import parse


@pytest.fixture
def kernel_reports(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    answer = [""]
    monkeypatch.setattr(choose, "try_kernel", lambda: answer[0])
    return answer


def test_auto_of_nothing_is_a_plain_link(kernel_reports: list[str]) -> None:
    link = choose.choose_link(Settings(), parse(""))
    assert (link.engine, link.reason) == ("none", "nothing to impair")


def test_a_profile_needs_an_engine_even_if_it_begins_plain(kernel_reports: list[str]) -> None:
    assert choose.choose_link(Settings(profile="[]"), parse("")).engine == "kernel"


def test_auto_uses_the_kernel_where_it_works(kernel_reports: list[str]) -> None:
    assert choose.choose_link(Settings(), parse("delay 1ms")).engine == "kernel"


def test_auto_falls_back_and_reports_why(kernel_reports: list[str]) -> None:
    kernel_reports[0] = "Error: Specified qdisc kind is unknown."
    link = choose.choose_link(Settings(), parse("delay 1ms"))
    assert link.engine == "user"
    assert "Specified qdisc kind is unknown" in link.reason


def test_auto_uses_the_user_engine_for_what_netem_does_not_support(kernel_reports: list[str]) -> None:
    link = choose.choose_link(Settings(), parse("drop-list 2,3"))
    assert link.engine == "user"
    assert "drop-list" in link.reason


def test_the_kernel_engine_rejects_what_it_does_not_support(kernel_reports: list[str]) -> None:
    with pytest.raises(SidecarError, match=r"drop-list.*NETEM_ENGINE=user"):
        choose.choose_link(Settings(engine="kernel"), parse("drop-list 2,3"))


def test_later_impairments_of_a_profile_count_too(kernel_reports: list[str]) -> None:
    later = (parse("delay 5ms"), parse("drop-list 2"))
    link = choose.choose_link(Settings(profile="[]"), parse("delay 1ms"), later)
    assert link.engine == "user"
    assert "drop-list" in link.reason
    with pytest.raises(SidecarError, match="drop-list"):
        choose.choose_link(Settings(engine="kernel"), parse("delay 1ms"), later)


def test_the_requested_engine_is_used(kernel_reports: list[str]) -> None:
    assert choose.choose_link(Settings(engine="user"), parse("")).engine == "user"
    assert choose.choose_link(Settings(engine="kernel"), parse("")).engine == "kernel"
