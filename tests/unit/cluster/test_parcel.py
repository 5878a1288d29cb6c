"""A cell's folder as one stream: it arrives as it was, and nothing else ever does."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from testbed.cluster.parcel import MAX_FILES, pack, unpack
from testbed.errors import HostError


def cell(folder: Path) -> dict[str, bytes]:
    files = {"cell.json": b"{}", "client/capture.pcap": bytes(range(256)) * 5000, "server/stdout.log": b""}
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return files


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def parcel_of(*members: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    return zstandard.compress(out.getvalue())


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size, made.type, made.linkname = size, kind, "/etc/passwd"
    return made


@pytest.mark.parametrize("size", [1, 1000, 1 << 30])
def test_a_folder_arrives_as_it_was(tmp_path: Path, size: int) -> None:
    files = cell(tmp_path / "there")
    packed_bytes = pack(tmp_path / "there", tmp_path / "parcel")
    assert packed_bytes == (tmp_path / "parcel").stat().st_size < 100_000
    unpack(pieces((tmp_path / "parcel").read_bytes(), size), tmp_path / "here")
    assert contents(tmp_path / "here") == files


def test_a_link_is_not_packed(tmp_path: Path) -> None:
    cell(tmp_path / "there")
    (tmp_path / "there" / "client" / "link").symlink_to("/etc/passwd")
    pack(tmp_path / "there", tmp_path / "parcel")
    unpack([(tmp_path / "parcel").read_bytes()], tmp_path / "here")
    assert "client/link" not in contents(tmp_path / "here")


@pytest.mark.parametrize(
    "wrong",
    [
        member("../escaped"),
        member("/absolute"),
        member("client/../../escaped"),
        member("a/b/c"),
        member(".hidden"),
        member("client/.hidden"),
        member("link", kind=tarfile.SYMTYPE),
        member("hard", kind=tarfile.LNKTYPE),
        member("device", kind=tarfile.CHRTYPE),
        member("folder", kind=tarfile.DIRTYPE),
        member("x" * 200),
    ],
    ids=lambda wrong: wrong.name[:20],
)
def test_anything_but_a_plain_file_is_refused(tmp_path: Path, wrong: tarfile.TarInfo) -> None:
    with pytest.raises(HostError, match="is no file that a cell has"):
        unpack([parcel_of(member("cell.json"), wrong)], tmp_path / "run" / "cell")
    assert contents(tmp_path) == {}, "nothing of it is left"


def test_a_parcel_has_limits(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="larger than 1000 bytes"):
        unpack([parcel_of(member("a", 600), member("b", 600))], tmp_path / "cell", max_bytes=1000)
    with pytest.raises(HostError, match="is no file"):
        unpack([parcel_of(*(member(f"file{number}") for number in range(MAX_FILES + 1)))], tmp_path / "cell")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kept", [0, 10, 200, -1])
def test_a_torn_parcel_leaves_nothing(tmp_path: Path, kept: int) -> None:
    cell(tmp_path / "there")
    pack(tmp_path / "there", tmp_path / "parcel")
    with pytest.raises(HostError, match="unpack a cell's folder"):
        unpack([(tmp_path / "parcel").read_bytes()[:kept]], tmp_path / "run" / "here")
    assert list((tmp_path / "run").iterdir()) == []


def test_a_folder_that_exists_is_not_replaced(tmp_path: Path) -> None:
    files = cell(tmp_path / "there")
    pack(tmp_path / "there", tmp_path / "parcel")
    data = (tmp_path / "parcel").read_bytes()
    unpack([data], tmp_path / "here")
    with pytest.raises(HostError, match="create the folder"):
        unpack([data], tmp_path / "here")
    assert contents(tmp_path / "here") == files
