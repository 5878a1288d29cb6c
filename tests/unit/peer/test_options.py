"""How arguments, environment and defaults come together."""

import re

import pytest

from testbed.peer.contract import OPTION_SPECS
from testbed.peer.errors import UnsupportedError, UsageError
from testbed.peer.options import help_requested, help_text, read_options
from testbed.wire import Caps


def client(*arguments, **environment):
    return read_options("client", arguments, environment)


def server(*arguments, **environment):
    return read_options("server", arguments, environment)


def test_defaults():
    options = client()
    assert (options.role, options.family, options.host, options.port) == ("client", "ipv4", "localhost", 8888)
    assert (options.nodes, options.content_bytes, options.chunk_bytes, options.repeat) == (10, 1000, 10000, 1)
    assert server().family == "dual"
    assert server().caps == Caps()


def test_kept_content_has_a_smaller_total():
    assert server("--content", "keep").max_total_bytes == 268_435_456
    assert server("--content", "keep", "--max-total-bytes", "5").max_total_bytes == 5


def test_positional():
    options = client("v6", "::1", "9000", "5", "100")
    assert (options.family, options.host, options.port, options.nodes) == ("ipv6", "::1", 9000, 5)
    assert options.content_bytes == 100
    short = client("9000", "5")
    assert (short.family, short.host, short.port, short.nodes) == ("ipv4", "localhost", 9000, 5)
    assert client("v4").host == "localhost"
    assert client("--nodelay", "v4", "here").host == "here"
    assert client("--", "v4", "--odd").host == "--odd"


def test_all_from_the_environment():
    options = client(
        TESTBED_ROLE="client",
        TESTBED_FAMILY="ipv6",
        TESTBED_HOST="server",
        TESTBED_CHUNK_BYTES="100",
        TESTBED_NODELAY="1",
        TESTBED_EVENTS="/testbed/events.csv",
        TESTBED_VERBOSE="",
    )
    assert (options.family, options.host, options.chunk_bytes) == ("ipv6", "server", 100)
    assert (options.nodelay, options.verbose, options.events) == (True, False, "/testbed/events.csv")


def test_the_command_line_wins():
    assert client("--port", "1", TESTBED_PORT="2").port == 1
    assert client("v4", "h", "1", TESTBED_PORT="2", TESTBED_FAMILY="ipv6").port == 1
    assert client("v4", TESTBED_FAMILY="ipv6").family == "ipv4"
    assert client("--nodelay=0", TESTBED_NODELAY="1").nodelay is False
    assert client("--port=1", "--port=2").port == 2


def test_leading_zeros_and_a_role_given_twice():
    assert client("--nodes", "0" * 5000 + "7").nodes == 7
    assert client("--read-delay-us", "000").read_delay_us == 0
    assert server("--role=client", "--role=server").role == "server"


def test_what_the_role_does_not_use():
    assert client(TESTBED_READ_BYTES="garbage").read_bytes == 8192
    assert client("--read-bytes", "5").read_bytes == 5
    with pytest.raises(UsageError):
        client("--read-bytes", "garbage")


@pytest.mark.parametrize(
    ("role", "arguments", "environment"),
    [
        ("client", ["v5", "localhost"], {}),
        ("client", ["localhost"], {}),
        ("client", ["8888"], {}),
        ("client", ["--family", "ipv5"], {}),
        ("client", [], {"TESTBED_FAMILY": "ipx"}),
        ("client", [], {"TESTBED_ROLE": "server"}),
        ("server", [], {"TESTBED_ROLE": "client"}),
        ("server", [], {"TESTBED_ROLE": "proxy"}),
        ("server", ["--role", "client"], {}),
    ],
)
def test_unsupported(role, arguments, environment):
    with pytest.raises(UnsupportedError) as caught:
        read_options(role, arguments, environment)
    assert caught.value.exit_code == 127


@pytest.mark.parametrize(
    ("role", "arguments", "environment", "named"),
    [
        ("client", ["--port", "x"], {}, "--port"),
        ("client", ["--port", "-1"], {}, "--port"),
        ("client", ["--port", "٣"], {}, "--port"),
        ("client", ["--port", "65536"], {}, "--port"),
        ("client", ["--port", "0"], {}, "port"),
        ("client", ["--port"], {}, "--port"),
        ("client", ["--nodes", "9" * 5000], {}, "--nodes"),
        ("client", ["--chunk-bytes", "0"], {}, "--chunk-bytes"),
        ("client", ["--nodelay=yes"], {}, "--nodelay"),
        ("client", ["--nodelay=01"], {}, "--nodelay"),
        ("client", [], {"TESTBED_NODELAY": "yes"}, "TESTBED_NODELAY"),
        ("client", [], {"TESTBED_PORT": "http"}, "TESTBED_PORT"),
        ("client", ["--chunk", "5"], {}, "--chunk"),
        ("client", ["v4", "h", "x"], {}, "port"),
        ("client", ["v4", "h", "1", "2", "3", "4"], {}, "'4'"),
        ("client", ["v4", "--family", "ipv4"], {}, "--family"),
        ("client", ["v4", "h", "1", "--port", "1"], {}, "--port"),
        ("server", ["v4"], {}, "v4"),
        ("server", ["--print", "most"], {}, "--print"),
    ],
)
def test_usage_errors_name_the_argument(role, arguments, environment, named):
    with pytest.raises(UsageError, match=re.escape(named)) as caught:
        read_options(role, arguments, environment)
    assert caught.value.exit_code == 1


def test_help():
    assert help_requested(["v4", "--help"])
    assert not help_requested(["v4", "--", "--help"])
    for role in ("client", "server"):
        text = help_text(role)
        named = set(re.findall(r"^  --([a-z-]+)", text, re.MULTILINE))
        assert named == {option.name for option in OPTION_SPECS if role in option.roles} | {"help"}
        assert max(map(len, text.splitlines())) <= 100
    assert "read delay, after each read that brought bytes (0)" in help_text("server")
    assert "(dual)" in help_text("server")
    assert "(ipv4)" in help_text("client")
