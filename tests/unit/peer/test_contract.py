from netem.contract import limits
from testbed.peer.contract import OPTION_SPECS, PORT, OptionSpec


def test_the_sidecar_watches_the_port_that_the_programs_use():
    assert limits.PORT == PORT


def test_names_are_unique_and_derived():
    option = OptionSpec("read-delay-us", 0, "", high=5)
    assert (option.key, option.variable) == ("read_delay_us", "TESTBED_READ_DELAY_US")
    assert len({option.name for option in OPTION_SPECS}) == len(OPTION_SPECS)


def test_a_switch_is_neither_number_nor_text():
    assert [option.name for option in OPTION_SPECS if option.is_switch] == ["nodelay", "verbose"]
    assert not OptionSpec("port", 1, "", high=5).is_switch


def test_a_server_may_have_its_own_default():
    assert OptionSpec("x", "a", "").default_of("server") == "a"
    assert OptionSpec("x", "a", "", server_default="b").default_of("server") == "b"
    assert OptionSpec("x", "a", "", server_default="b").default_of("client") == "a"


def test_defaults_are_allowed():
    for option in OPTION_SPECS:
        for role in option.roles:
            default = option.default_of(role)
            if option.high is not None:
                assert option.low <= default <= option.high, option.name
            elif option.choices and default is not None:
                assert default in option.choices, option.name
