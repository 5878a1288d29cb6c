from pathlib import Path

from testbed.run.host import host_facts, sysctls


def test_sysctls_that_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "net" / "ipv4").mkdir(parents=True)
    (tmp_path / "net" / "ipv4" / "tcp_rmem").write_text("4096\t131072\t33554432\n")
    assert sysctls(tmp_path) == {"net.ipv4.tcp_rmem": "4096 131072 33554432"}


def test_facts() -> None:
    facts = host_facts({"Version": "20.10.24", "ApiVersion": "1.41", "KernelVersion": "6.18"})
    assert facts["engine"]["version"] == "20.10.24"
    assert facts["kernel"] == "6.18"
    assert facts["versions"]["python"]
    assert facts["versions"]["docker"]
