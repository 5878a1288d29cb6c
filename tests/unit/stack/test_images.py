import io
import os
import tarfile
from pathlib import Path

import pytest

from testbed.errors import ContractError, HostError
from testbed.stack.images import CHECKOUT, DOCKERFILES, Images, bases, context, copied
from testbed.stack.ports import Image
from tests.support.fake_engine import FakeEngine

DOCKERFILE = """# COPY not/this /x
FROM debian:trixie-slim AS build
COPY --chown=1:1 app/a app/b /opt/
copy netem /opt/netem
RUN cp x \\
  COPY
FROM --platform=linux/amd64 build AS second
COPY --from=build /x /y
FROM other:1
COPY one \\
     /two
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in DOCKERFILES.values():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("FROM base\nCOPY app /opt\n")
    (tmp_path / "app" / "__pycache__").mkdir(parents=True)
    (tmp_path / "app" / "__pycache__" / "a.pyc").write_bytes(b"x")
    (tmp_path / "app" / "a.py").write_text("a\n")
    (tmp_path / "other").write_text("not copied\n")
    return tmp_path


def names(packed: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        return tar.getnames()


def test_what_a_dockerfile_copies_and_builds_on() -> None:
    assert copied(DOCKERFILE) == ["app/a", "app/b", "netem", "one"]
    assert bases(DOCKERFILE) == ["debian:trixie-slim", "other:1"]


def test_the_context_holds_what_is_copied_and_no_more(checkout: Path) -> None:
    assert names(context(checkout, "Dockerfile.client")) == ["Dockerfile.client", "app/a.py"]


def test_the_same_files_are_the_same_bytes(checkout: Path) -> None:
    before = context(checkout, "Dockerfile.client")
    os.utime(checkout / "app" / "a.py", (1, 1))
    assert context(checkout, "Dockerfile.client") == before
    (checkout / "app" / "a.py").chmod(0o755)
    assert context(checkout, "Dockerfile.client") != before


def test_what_is_missing_is_named(checkout: Path) -> None:
    with pytest.raises(HostError, match="not installed from a checkout") as caught:
        context(checkout, "Dockerfile.x")
    assert f"(Dockerfile.x is missing in {checkout})" in caught.value.message
    assert "make setup" in caught.value.hint
    (checkout / "Dockerfile.client").write_text("FROM base\nCOPY gone /x\n")
    with pytest.raises(HostError, match="there is no gone"):
        context(checkout, "Dockerfile.client")


def test_a_changed_checkout_is_another_tag(checkout: Path) -> None:
    engine = FakeEngine()
    first = Images(engine, lambda _: None, checkout).ours("client")[0]
    (checkout / "other").write_text("still not copied\n")
    assert Images(engine, lambda _: None, checkout).ours("client")[0] == first
    (checkout / "app" / "a.py").write_text("b\n")
    second = Images(engine, lambda _: None, checkout).ours("client")[0]
    assert first != second
    assert engine.built == [first, second]


def test_programs(checkout: Path) -> None:
    engine = FakeEngine()
    engine.images["an/image"] = Image("sha256:1")
    images = Images(engine, lambda _: None, checkout)
    assert images.program("py", "client")[0].startswith("testbed-client:")
    assert images.program("py", "server")[0].startswith("testbed-server:")
    assert images.program("c", "client") == images.program("c", "server")
    assert images.program("an/image", "client")[0] == "an/image"
    with pytest.raises(ContractError, match="no such image: 'gone'"):
        images.program("gone", "client")


def test_a_missing_base_image_has_a_hint(checkout: Path) -> None:
    engine = FakeEngine()
    engine.fail_on["Dockerfile.client"] = HostError("build: pull access denied")
    with pytest.raises(HostError) as caught:
        Images(engine, lambda _: None, checkout).ours("client")
    assert caught.value.hint == "the base image base is missing: `make setup` provides it"
    engine.images["base"] = Image("sha256:2")
    engine.fail_on["Dockerfile.client"] = HostError("build: RUN failed")
    with pytest.raises(HostError) as caught:
        Images(engine, lambda _: None, checkout).ours("client")
    assert caught.value.hint == ""


def test_progress_is_reported(checkout: Path) -> None:
    lines: list[str] = []
    Images(FakeEngine(), lines.append, checkout).ours("client")
    assert lines[0].startswith("build testbed-client:")
    assert lines[1].startswith("client: Step 1/1")


def test_images_of_other_states_of_the_checkout_are_outdated(checkout: Path) -> None:
    engine = FakeEngine()
    images = Images(engine, lambda _: None, checkout)
    old = images.ours("client")[0]
    (checkout / "app" / "a.py").write_text("b\n")
    now = Images(engine, lambda _: None, checkout)
    now.ours("client")
    engine.images["testbed-client:latest"] = Image("sha256:1", ("testbed-client:latest",))
    engine.images["other/testbed-client:0123456789ab"] = Image("sha256:2", ("other/testbed-client:0123456789ab",))
    assert now.outdated() == [old]


@pytest.mark.parametrize("dockerfile", DOCKERFILES.values())
def test_the_inputs_of_this_checkout_exist(dockerfile: str) -> None:
    packed = context(CHECKOUT, dockerfile)
    assert dockerfile in names(packed)
    assert len(names(packed)) > 3
    assert len(packed) < 10 << 20
