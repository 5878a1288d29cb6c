import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.errors import HostError
from testbed.stack.collect import extract
from tests.support.archives import packed

CAPS = {"capture.pcap": 10, "endpoint/events.csv": 10}


def pieces(data: bytes, size: int = 100) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for member, data in members:
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def special(name: str, kind: bytes, target: str = "/etc/passwd") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = target
    return member, b""


@pytest.mark.parametrize("size", [1, 7, 512, 100_000])
def test_known_files_are_extracted_whatever_the_chunks(tmp_path: Path, size: int) -> None:
    data = packed({"testbed/capture.pcap": b"frames", "testbed/endpoint/events.csv": b"op\n", "testbed/x": b"no"})
    assert extract(pieces(data, size), tmp_path, CAPS) == []
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "capture.pcap": b"frames",
        "events.csv": b"op\n",
    }


def test_a_file_over_its_cap_is_truncated_with_a_note(tmp_path: Path) -> None:
    data = packed({"t/capture.pcap": b"0123456789", "t/endpoint/events.csv": b"0123456789a"})
    assert extract(pieces(data), tmp_path, CAPS) == ["endpoint/events.csv is larger than 10 bytes; it was truncated"]
    assert (tmp_path / "capture.pcap").read_bytes() == (tmp_path / "events.csv").read_bytes() == b"0123456789"


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_a_file_of_another_type_is_not_extracted(tmp_path: Path, kind: bytes) -> None:
    data = archive(special("t/endpoint/events.csv", kind))
    assert extract(pieces(data), tmp_path, CAPS) == ["endpoint/events.csv is not a regular file; it was not extracted"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../capture.pcap", "/capture.pcap", "t/../capture.pcap", "t/a/capture.pcap", "capture.pcap"]
)
def test_other_paths_are_not_extracted(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    extract(pieces(packed({name: b"x"})), folder, CAPS)
    assert [path for path in tmp_path.rglob("*") if path != folder and path.name != "capture.pcap"] == []
    assert not (tmp_path / "capture.pcap").exists()


def test_a_file_is_written_once(tmp_path: Path) -> None:
    first, second = packed({"t/capture.pcap": b"1"}), packed({"t/capture.pcap": b"2"})
    extract(pieces(first[:1024] + second), tmp_path, CAPS)
    assert (tmp_path / "capture.pcap").read_bytes() == b"1"


def test_no_link_leads_out_of_the_folder(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "capture.pcap").symlink_to(victim)
    extract(pieces(packed({"t/capture.pcap": b"theirs"})), folder, CAPS)
    assert victim.read_text() == "mine"


def test_bytes_that_are_no_archive(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="unpack the raw files"):
        extract(pieces(b"x" * 2000), tmp_path, CAPS)
