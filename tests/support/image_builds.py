"""Images for tests, built by one process at a time: the others find its layers in the engine's cache."""

import fcntl
import io
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import docker

from testbed.stack.docker_engine import DockerEngine
from tests.support.archives import packed

FILES = Path(__file__).with_name("tools")
TOOLS = "tshark"
IPROUTE2 = "iproute2"


_built: set[str] = set()
"""What this process has built: to find all layers of an image in the cache still costs a request for each."""


@contextmanager
def building() -> Iterator[None]:
    """Keep other processes of this user from building."""
    with Path(tempfile.gettempdir(), f"testbed-test-builds-{os.getuid()}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # closing the file unlocks it, whatever ends the process
        yield


def build_tools(client: docker.DockerClient, name: str = TOOLS) -> str:
    """Build the image of a Dockerfile beside this module, and return its tag; it stays for the next tests."""
    tag = f"testbed-test-{name}:latest"
    if name not in _built:
        dockerfile = (FILES / f"Dockerfile.{name}").read_bytes()
        with building():
            client.images.build(fileobj=io.BytesIO(dockerfile), tag=tag, rm=True, forcerm=True)
        _built.add(name)
    return tag


def build_image(engine: DockerEngine, tag: str, files: Mapping[str, bytes]) -> None:
    """Build the image of one test, from files among which is a Dockerfile."""
    with building():
        list(engine.build(packed(files), "Dockerfile", tag, {"testbed.image": "test"}))


def remove_image(tag: str) -> None:
    """Remove the image of one test, but not the layers that others may share."""
    client = docker.from_env()
    client.api.remove_image(tag, noprune=True)
    client.close()
