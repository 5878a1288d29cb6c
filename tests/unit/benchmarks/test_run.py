from collections.abc import Callable

import pytest

from benchmarks import link_figures, run
from benchmarks.revision import VARIABLE, revision_before


@pytest.mark.parametrize(("main", "argv"), [(run.main, ["punctual"]), (run.main, []), (link_figures.main, [])])
def test_an_unknown_revision_is_refused_before_anything_is_measured(
    main: Callable[[list[str]], int],
    argv: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(VARIABLE, "--nosuch")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert f"{VARIABLE}=--nosuch: no such revision; name a commit" in capsys.readouterr().err.splitlines()[-1]


def test_the_revision_is_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "HEAD")
    commit = revision_before()
    assert commit is not None
    assert len(commit) == 40
    monkeypatch.setenv(VARIABLE, "")
    assert revision_before() is None


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run.main(["nosuch"])
    assert ended.value.code == 2
    assert "no such benchmark: nosuch" in capsys.readouterr().err
