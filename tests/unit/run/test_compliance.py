import pytest

from testbed.errors import ContractError, HostError
from testbed.ownership import Owner
from testbed.run.compliance import check_contract
from testbed.stack.cell import Identity
from testbed.stack.ports import Image
from tests.support.fake_engine import FakeEngine, FakeProcess

IDENTITY = Identity("r", "contract", Owner("host.1", "boot", 1, 2))


def check(engine: FakeEngine, user: str = "") -> None:
    check_contract(engine, IDENTITY, "an/image:1", Image("sha256:x", user=user))


def test_127_for_a_role_that_does_not_exist() -> None:
    engine = FakeEngine()
    engine.scripts["contract"] = lambda process: process.end(127)
    check(engine)
    spec = engine.processes["contract"].spec
    assert spec.environment["TESTBED_ROLE"].startswith("no-such-role-")
    assert (spec.network, spec.joins, spec.user) == ("", "", "65532:65532")
    assert not spec.init  # an init ends with 127 itself when the program is not there
    assert engine.things == {}


@pytest.mark.parametrize("code", [0, 1, 2])
def test_any_other_exit_status_is_no_compliance(code: int) -> None:
    engine = FakeEngine()
    engine.scripts["contract"] = lambda process: process.end(code)
    with pytest.raises(ContractError, match=f"ended with exit status {code}, not 127") as caught:
        check(engine)
    assert "docs/programs.md" in caught.value.hint
    assert engine.things == {}


def test_the_last_thing_it_said_is_shown() -> None:
    def complains(process: FakeProcess) -> None:
        process.say("one\nexec \x1b[31m/program: ")
        process.say(f"{'no ' * 100}\n\n", "stderr")
        process.end(1)

    engine = FakeEngine()
    engine.scripts["contract"] = complains
    with pytest.raises(ContractError, match=r"not 127; it said: exec \\x1b\[31m/program: (no )+") as caught:
        check(engine)
    assert len(caught.value.message) < 400


def test_an_image_that_cannot_be_started() -> None:
    engine = FakeEngine()
    engine.fail_on["start contract"] = HostError("start x: exec format error")
    with pytest.raises(ContractError, match="cannot be started: start x: exec format error"):
        check(engine)
    assert engine.things == {}


def test_an_image_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbed.run.compliance.ANSWER_S", 0.0)
    engine = FakeEngine()
    engine.scripts["contract"] = lambda process: None
    with pytest.raises(ContractError, match="still runs"):
        check(engine)
    assert engine.things == {}
