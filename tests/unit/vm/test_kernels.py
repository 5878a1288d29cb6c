import pytest

from testbed.vm.errors import GuestError
from testbed.vm.kernels import DebianKernel, can_name, is_named, parse_list, select

LIST = """\
sid | linux-image-cloud-amd64 | 7.2.13-1 | http://archive/ sid/main amd64 Packages
bookworm | linux-image-cloud-amd64 | 6.1.176-1 | http://archive/ bookworm/main amd64 Packages
trixie | linux-image-cloud-amd64 | 6.12.107-1 | http://archive/ trixie/main amd64 Packages
trixie | linux-image-cloud-amd64 | 6.12.99-1 | http://archive/ trixie/main amd64 Packages
trixie-backports | linux-image-cloud-amd64 | 7.3.4-1~bpo13+1 | http://archive/ trixie-backports/main amd64 Packages
forky | linux-image-cloud-amd64 | 7.1-1 | http://archive/ forky/main amd64 Packages
garbage
"""


def test_the_newest_of_each_suite() -> None:
    assert parse_list(LIST) == [
        DebianKernel("bookworm", "bookworm", "6.1.176-1"),
        DebianKernel("trixie", "trixie", "6.12.107-1"),
        DebianKernel("backports", "trixie-backports", "7.3.4-1~bpo13+1"),
        DebianKernel("sid", "sid", "7.2.13-1"),
    ]


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("bookworm", "bookworm"),
        ("trixie-backports", "backports"),
        ("backports", "backports"),
        ("6.1", "bookworm"),
        ("6.12", "trixie"),
        ("6.12.107", "trixie"),
        ("6.12.107-1", "trixie"),
        ("7.2", "sid"),
        ("6", "bookworm"),
    ],
)
def test_a_kernel_by_name_or_version(wanted: str, name: str) -> None:
    assert select(parse_list(LIST), wanted).name == name


def test_a_version_means_the_same_before_and_after_the_build() -> None:
    for wanted in ("6.12", "6.12.107", "6.12.107-1", "trixie"):
        assert [kernel.name for kernel in parse_list(LIST) if is_named(wanted, kernel)] == ["trixie"]


def test_every_kernel_on_offer_can_be_named() -> None:
    names = [name for kernel in parse_list(LIST) for name in (kernel.name, kernel.suite, kernel.version)]
    assert all(can_name(name) for name in [*names, "6", "6.12"])
    assert not any(can_name(name) for name in ("", "buster", "v6.12"))


@pytest.mark.parametrize("wanted", ["6.11", "buster", "", "6.1.", "6.12.10", "host"])
def test_what_is_not_offered(wanted: str) -> None:
    with pytest.raises(GuestError, match="does not offer it") as caught:
        select(parse_list(LIST), wanted)
    assert "trixie (6.12.107-1)" in caught.value.hint
