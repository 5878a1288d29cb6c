from netem.observe.tcpdump import CaptureCounters, arguments, counters, has_reported, is_listening, unfiltered_frames

AT_START = "tcpdump: listening on eth0, link-type EN10MB (Ethernet), snapshot length 128 bytes\n"
ON_USR1 = "tcpdump: 0 packets captured, 3 packets received by filter, 0 packets dropped by kernel\n"
AT_END = "75 packets captured\n78 packets received by filter\n0 packets dropped by kernel\n"


def test_the_command_line_has_every_option_that_matters() -> None:
    argv = arguments("eth0", "/x/part", port=8888, snaplen_bytes=128, inbound_only=True)
    assert argv[0] == "tcpdump"
    assert argv[-1] == "tcp port 8888"
    for words in (["-i", "eth0"], ["-Q", "in"], ["-s", "128"], ["-w", "/x/part"], ["-Z", "root"]):
        assert any(argv[at : at + 2] == words for at in range(len(argv)))
    assert {"--immediate-mode", "-U", "-p", "-n", "--time-stamp-precision=nano"} <= set(argv)
    assert "-Q" not in arguments("eth0", "/x/part", port=1, snaplen_bytes=64, inbound_only=False)


def test_whole_frames_need_a_larger_buffer_and_a_cap_needs_several_files() -> None:
    argv = arguments("eth0", "/x", port=1, snaplen_bytes=0, inbound_only=False, segment_units=7)
    for words in (["-s", "65600"], ["-B", "65536"], ["-C", "7"]):
        assert any(argv[at : at + 2] == words for at in range(len(argv)))
    assert "-C" not in arguments("eth0", "/x", port=1, snaplen_bytes=128, inbound_only=False)


def test_listening() -> None:
    assert is_listening(AT_START)
    assert not is_listening("tcpdump: eth9: No such device exists\n")


def test_counters_are_those_printed_last() -> None:
    assert counters("") == CaptureCounters()
    assert counters(AT_START + ON_USR1) == CaptureCounters(0, 3, 0)
    assert counters(AT_START + ON_USR1 + AT_END) == CaptureCounters(75, 78, 0)
    single = (
        "1 packet captured\n1 packet received by filter\n2 packets dropped by kernel\n4 packets dropped by interface\n"
    )
    assert counters(single) == CaptureCounters(1, 1, 6)


def test_the_final_counters_differ_from_those_of_sigusr1() -> None:
    assert has_reported(AT_START + ON_USR1 + AT_END)
    assert not has_reported(AT_START + ON_USR1)
    assert not has_reported(AT_START + AT_END.removesuffix("\n").removesuffix("kernel"))


def test_frames_from_before_the_filter_are_not_missing() -> None:
    assert unfiltered_frames(AT_START + ON_USR1 + AT_END) == 3
    assert unfiltered_frames(AT_START + AT_END) == 0
    assert not CaptureCounters(75, 78, 0).problem(unfiltered=3)
    assert CaptureCounters(75, 78, 0).problem(unfiltered=0) == "3 of 78 frames were not written"
    assert CaptureCounters(77, 78, 0).problem(unfiltered=0) == "1 of 78 frames was not written"
    assert "dropped 2 frames" in CaptureCounters(75, 78, 2).problem(unfiltered=3)


def test_counters_in_the_middle_of_a_line_count_too() -> None:
    """The handler of SIGUSR1 prints immediately, and tcpdump prints `listening` in several pieces."""
    assert unfiltered_frames(AT_START.replace("eth0", "eth0" + ON_USR1) + AT_END) == 3


def test_frames_of_the_other_direction_are_not_missing() -> None:
    assert not CaptureCounters(99, 184, 0).problem(unfiltered=0, inbound_only=True)
    assert "dropped 1 frame " in CaptureCounters(99, 184, 1).problem(unfiltered=0, inbound_only=True)
