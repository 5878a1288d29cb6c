from tools.kernels import lane


def test_a_lane_names_its_kernel_to_the_tests() -> None:
    made = lane("trixie")
    assert made.argv[:2] == ("env", "TESTBED_TEST_KERNEL=trixie")
    assert made.argv[-4:] == ("-m", "vm", "--isolation", "warm")
    assert made.docker
