from netem.spec.errors import SpecError


def test_the_text_has_position_reason_and_hint() -> None:
    error = SpecError("is no time", word="10m", hint="write 10ms").at(1)
    assert str(error) == 'word 2 "10m" is no time; write 10ms'
    assert (error.token, error.position, error.reason, error.hint) == ("10m", 1, "is no time", "write 10ms")


def test_a_text_without_a_position() -> None:
    assert str(SpecError("is wrong")) == "is wrong"
    assert str(SpecError("is wrong", word="delay")) == '"delay" is wrong'
