from collections.abc import Iterator

import pytest

from testbed.errors import HostError
from testbed.stack.images import DOCKERFILES
from tools import images


class Engine:
    def __init__(self, missing: str = "", broken: str = "") -> None:
        self.missing, self.broken = missing, broken

    def connect(self) -> None:
        if self.broken:
            raise HostError(self.broken, hint="mend it")

    def image(self, tag: str) -> object | None:
        return None if self.missing and tag.startswith(self.missing) else object()

    def build(self, context: bytes, dockerfile: str, tag: str, labels: object) -> Iterator[str]:
        self.missing = ""
        yield f"building {dockerfile}"


def test_each_image_has_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(images, "DockerEngine", lambda: Engine(missing="testbed-netem:"))
    assert images.main() == 0
    shown = capsys.readouterr()
    assert [line.split(":")[0] for line in shown.out.splitlines()] == [
        f"{'built' if name == 'netem' else 'ready'} testbed-{name}" for name in DOCKERFILES
    ]
    assert "building netem/Dockerfile" in shown.err


def test_a_failure_is_reported_with_its_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(images, "DockerEngine", lambda: Engine(broken="no engine"))
    assert images.main() == 1
    assert capsys.readouterr().err == "no engine. mend it\n"
