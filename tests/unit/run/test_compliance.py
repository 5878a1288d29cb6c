import pytest

from testbed.errors import ContractError, HostError
from testbed.ownership import Owner, ResourceLabels
from testbed.run.compliance import check_contract
from testbed.stack.ports import Image
from tests.support.fake_engine import FakeEngine, FakeProcess

LABELS = ResourceLabels("r", "contract", Owner("host.1", "boot", 1, 2))


def check(engine: FakeEngine, user: str = "") -> None:
    check_contract(engine, LABELS, "an/image:1", Image("sha256:x", user=user))


def test_127_for_a_role_that_does_not_exist() -> None:
    engine = FakeEngine()
    engine.scripts["contract"] = lambda process: process.exit(127)
    check(engine)
    spec = engine.processes["contract"].spec
    assert spec.environment["TESTBED_ROLE"].startswith("no-such-role-")
    assert (spec.network, spec.joins, spec.user) == ("", "", "65532:65532")
    assert not spec.init  # an init process exits with 127 itself when it finds no program
    assert engine.resources == {}


@pytest.mark.parametrize("code", [0, 1, 2])
def test_any_other_exit_code_breaks_the_contract(code: int) -> None:
    engine = FakeEngine()
    engine.scripts["contract"] = lambda process: process.exit(code)
    with pytest.raises(ContractError, match=f"exited with code {code}, not 127") as caught:
        check(engine)
    assert "docs/programs.md" in caught.value.hint
    assert engine.resources == {}


def test_the_last_line_is_shown() -> None:
    def writes(process: FakeProcess) -> None:
        process.write("one\nexec \x1b[31m/program: ")
        process.write(f"{'no ' * 100}\n\n", "stderr")
        process.exit(1)

    engine = FakeEngine()
    engine.scripts["contract"] = writes
    with pytest.raises(ContractError, match=r"not 127; its last line: exec \\x1b\[31m/program: (no )+") as caught:
        check(engine)
    assert len(caught.value.message) < 400


def test_an_image_that_cannot_be_started() -> None:
    engine = FakeEngine()
    engine.fail_on["start contract"] = HostError("start x: exec format error")
    with pytest.raises(ContractError, match="cannot be started: start x: exec format error"):
        check(engine)
    assert engine.resources == {}


def test_an_image_that_does_not_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbed.run.compliance.EXIT_S", 0.0)
    engine = FakeEngine()
    engine.scripts["contract"] = lambda process: None
    with pytest.raises(ContractError, match="did not exit within 0 s"):
        check(engine)
    assert engine.resources == {}
