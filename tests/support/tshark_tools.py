"""A container with tshark, tcpdump and traffic tools, in a network namespace of its own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import docker
from docker.models.containers import Container

from testbed.analysis.packets.capture import analyse_capture
from tests.support import tshark_oracle
from tests.support.archives import RUNNABLE, packed, unpacked
from tests.support.image_builds import build_tools

TOOLS = Path(__file__).resolve().parent / "tools"
LABELS = {"testbed.test": "1"}


class Tools:
    """A container with tshark, controlled through the Docker engine."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.output = ""  # of the last recording's program

    def put(self, files: dict[str, bytes]) -> None:
        assert self.container.put_archive("/tools", packed(files, RUNNABLE))

    def get(self, path: str) -> bytes:
        chunks, _ = self.container.get_archive(path)
        return unpacked(chunks)

    def run(self, *argv: str) -> str:
        status, output = self.container.exec_run(list(argv), demux=True)
        assert status == 0, (argv, output)
        return cast("bytes", output[0] or b"").decode()

    def compare(self, data: bytes) -> tshark_oracle.Comparison:
        """Compare our analysis of a capture with tshark's."""
        self.put({"judged": data})
        rows = tshark_oracle.parse(self.run(*tshark_oracle.arguments("/tools/judged")))
        return tshark_oracle.compare(analyse_capture(data), rows)

    def try_to_record(self, impairment: str, settings: dict[str, Any]) -> tuple[bytes, str]:
        """Return a capture, empty if packets are missing in it, and tcpdump's log."""
        self.output = self.run("bash", "/tools/record.sh", "/tools/recorded", impairment, json.dumps(settings))
        log = self.run("cat", "/tools/recorded.log")
        return self.get("/tools/recorded") if "\n0 packets dropped by kernel" in log else b"", log

    def record(self, impairment: str, settings: dict[str, Any]) -> bytes:
        data, log = self.try_to_record(impairment, settings)
        assert data, log
        return data


@contextmanager
def provide_tools(lifetime_s: int = 1800) -> Iterator[Tools]:
    """Build the image, start a container and remove it afterwards; it exits by itself after `lifetime_s`."""
    client = docker.from_env()
    container = client.containers.run(
        build_tools(client),
        ["sleep", str(lifetime_s)],
        detach=True,
        init=True,
        network_mode="none",
        cap_drop=["ALL"],
        cap_add=["NET_ADMIN", "NET_RAW"],
        sysctls={"net.ipv6.conf.all.disable_ipv6": "0"},
        labels=LABELS,
    )
    try:
        made = Tools(container)
        container.exec_run(["mkdir", "/tools"])
        made.put({name: (TOOLS / name).read_bytes() for name in ("reader.py", "record.sh")})
        yield made
    finally:
        container.remove(force=True)
        client.close()
