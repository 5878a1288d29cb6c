from testbed.errors import DeadlineError, EndpointError, InputError


def test_input_error_keeps_every_problem() -> None:
    error = InputError(["a.yaml:1:2: x: no", "a.yaml:3:4: y: no"])
    assert error.problems == ("a.yaml:1:2: x: no", "a.yaml:3:4: y: no")
    assert str(error) == "a.yaml:1:2: x: no\na.yaml:3:4: y: no"


def test_deadline_error_names_event_and_timeout() -> None:
    error = DeadlineError("the server to listen", 30, state="the server is running")
    assert str(error) == "waited 30 s for the server to listen; the server is running"
    assert (error.waited_for, error.seconds) == ("the server to listen", 30)


def test_endpoint_error_shows_the_last_lines() -> None:
    assert str(EndpointError("client", 1, tail=["oops", "gone"])) == (
        "the client exited with code 1; its last lines:\n  oops\n  gone"
    )
    assert str(EndpointError("client", 137, oom_killed=True)) == ("the client was OOM-killed (it printed nothing)")
