from pathlib import Path

from testbed.run.host import has_device, host_facts, sysctls


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


def test_a_device_of_this_host_counts_only_below_its_own_kernel(tmp_path: Path) -> None:
    device = tmp_path / "tun"
    version = {"KernelVersion": "6.18.44"}
    assert not has_device(device, version, "6.18.44")
    device.touch()
    assert has_device(device, version, "6.18.44")
    assert not has_device(device, version, "6.18.45"), "the engine runs in a virtual machine, or elsewhere"
    assert not has_device(device, {}, "6.18.44"), "the engine does not say on which kernel it runs"
