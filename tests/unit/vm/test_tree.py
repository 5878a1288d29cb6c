import io
import tarfile

from testbed.vm.tree import Tree, clean, members


def unpacked(data: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return archive.getmembers()


def test_names_are_relative() -> None:
    assert [clean(name) for name in ("./", ".", "./a/", "/a/b", "a", "./.b")] == ["", "", "a", "a/b", "a", ".b"]


def test_folders_above_a_file_are_written_once_and_first() -> None:
    out = io.BytesIO()
    with Tree(out) as tree:
        tree.file("a/b/c", b"1")
        tree.file("a/b/d", b"2", 0o755)
        tree.directory("a/b")
        tree.symlink("e/f", "../a")
    found = unpacked(out.getvalue())
    assert [member.name for member in found] == ["a", "a/b", "a/b/c", "a/b/d", "e", "e/f"]
    assert [member.mode for member in found[:4]] == [0o755, 0o755, 0o644, 0o755]
    assert (found[5].issym(), found[5].linkname) == (True, "../a")


def source() -> io.BytesIO:
    """Return an archive as Docker writes it: a root, owners, a hard link, an attribute in bytes, a long name."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind in (("./", tarfile.DIRTYPE), ("./bin/", tarfile.DIRTYPE)):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode, folder.uid = kind, 0o701, 7
            archive.addfile(folder)
        file = tarfile.TarInfo("./bin/ping")
        file.size, file.uid, file.gid, file.mode, file.mtime = 3, 1, 2, 0o755, 1000
        file.pax_headers = {"SCHILY.xattr.security.capability": "\udcff\x01"}
        archive.addfile(file, io.BytesIO(b"png"))
        link = tarfile.TarInfo("./bin/ping6")
        link.type, link.linkname = tarfile.LNKTYPE, "bin/ping"
        archive.addfile(link)
        long = tarfile.TarInfo("./bin/" + "n" * 150)
        archive.addfile(long, io.BytesIO())
    return io.BytesIO(packed.getvalue())


def test_members_are_copied_with_all_their_facts() -> None:
    out = io.BytesIO()
    with Tree(out) as tree:
        for member, content in members(source()):
            tree.copy(member, content, "layer/diff")
    root, *_, ping, ping6, long = unpacked(out.getvalue())[1:]
    assert (root.name, root.mode, root.uid) == ("layer/diff", 0o701, 7)
    assert (ping.name, ping.uid, ping.gid, ping.mode, ping.mtime) == ("layer/diff/bin/ping", 1, 2, 0o755, 1000)
    assert ping.pax_headers["SCHILY.xattr.security.capability"] == "\udcff\x01"
    assert (ping6.islnk(), ping6.linkname) == (True, "layer/diff/bin/ping")
    assert long.name == "layer/diff/bin/" + "n" * 150


def test_of_two_members_with_a_path_the_first_is_written() -> None:
    out = io.BytesIO()
    with Tree(out) as tree:
        tree.file("bin/ping", b"ours")
        for member, content in members(source()):
            tree.copy(member, content)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        content = archive.extractfile("bin/ping")
        assert content is not None
        assert content.read() == b"ours"
        assert archive.getnames().count("bin/ping") == 1


def test_a_stream_that_fails_has_no_end() -> None:
    out = io.BytesIO()
    tree = Tree(out)
    tree.file("a", b"1")
    tree.__exit__(ValueError, ValueError(), None)
    assert not out.getvalue().endswith(bytes(1024))
