"""A guest VM for tests that need a kernel with netem, and in it a container that runs the sidecar's code."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docker
from docker.models.containers import Container

from testbed.stack.capabilities import sidecar_capabilities
from testbed.stack.images import DOCKERFILES, Images
from testbed.vm.build import ensure
from testbed.vm.store import GuestImage
from tests.support.archives import packed

KERNEL = os.environ.get("TESTBED_TEST_KERNEL", "bookworm")


def guest_image(images: Images, kernel: str = KERNEL) -> GuestImage:
    """Return the guest image of a kernel with our current images in it."""
    return ensure(kernel, [images.ours(name)[0] for name in DOCKERFILES], print)


def sidecar_tag(image: GuestImage) -> str:
    """Return the tag of the sidecar in a guest image."""
    return next(tag for tag in image.images if tag.startswith("testbed-netem:"))


@contextmanager
def netem_container(docker_url: str, tag: str) -> Iterator[Container]:
    """Create a container of the sidecar's image with its capabilities, a network namespace, and no running program."""
    client = docker.DockerClient(base_url=docker_url, timeout=300)
    container = client.containers.create(
        tag,
        ["3600"],
        entrypoint=["sleep"],
        network_mode="none",
        cap_drop=["ALL"],
        cap_add=list(sidecar_capabilities(real_time=True)),
        init=True,
        labels={"testbed.test": "1"},
    )
    try:
        container.start()
        yield container
    finally:
        container.remove(force=True)
        client.close()


def run_program(container: Container, program: str, given: object) -> Any:
    """Run a Python program that finds its input as JSON in `/given.json`; return the JSON that it prints."""
    container.put_archive("/", packed({"program.py": program.encode(), "given.json": json.dumps(given).encode()}))
    status, output = container.exec_run(["python3", "/program.py"], demux=True)
    assert status == 0, (output[1] or b"").decode()
    return json.loads(output[0])
