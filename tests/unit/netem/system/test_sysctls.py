from pathlib import Path

import pytest

from netem.contract.errors import SidecarError
from netem.contract.limits import SYSCTL_KEY
from netem.system.sysctls import read_sysctls


def test_values_have_single_spaces(tmp_path: Path) -> None:
    (tmp_path / "net/ipv4").mkdir(parents=True)
    (tmp_path / "net/ipv4/tcp_rmem").write_text("4096\t131072\t33554432\n")
    assert read_sysctls(["net.ipv4.tcp_rmem"], tmp_path) == {"net.ipv4.tcp_rmem": "4096 131072 33554432"}


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(SidecarError, match=r"read net\.ipv4\.nothing: No such file"):
        read_sysctls(["net.ipv4.nothing"], tmp_path)


@pytest.mark.parametrize("key", ["net", "net.", "net..ipv4", "kernel.shmmax", "net.ipv4/x", "net.ipv4.tcp_sack=0"])
def test_invalid_keys(key: str) -> None:
    assert not SYSCTL_KEY.fullmatch(key)
