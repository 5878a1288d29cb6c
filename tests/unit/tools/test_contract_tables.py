"""The tables that are generated from the contracts; that the files hold them is the lane `generated`."""

import re

from netem.contract.events import EVENT_KINDS
from netem.contract.settings import variables
from testbed.peer.contract import OPTION_SPECS
from tools.contract_tables import (
    contract_h,
    endpoint_variables,
    option_rows_h,
    program_options,
    sidecar_events,
    sidecar_variables,
)


def rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_each_variable_of_the_sidecar_has_its_row() -> None:
    found = {row[0].strip("`"): row for row in rows(sidecar_variables())}
    assert list(found) == [variable.name for variable, _ in variables()]
    assert found["NETEM_PROBES"][1:3] == ["20", "an integer from 0 to 100000"]
    assert found["NETEM_FAMILIES"][1] == "`ipv4 ipv6`"
    assert found["NETEM_CAPTURE"][1] == "1"
    assert found["NETEM_REALTIME"][1:3] == ["`auto`", "one of auto, off, require"]
    assert found["NETEM_ROUTE_MTU"][1] == found["NETEM_PEERS"][1] == found["NETEM_DELAY_TOLERANCE_MS"][1] == ""


def test_each_event_has_its_row() -> None:
    found = {row[0].strip("`"): row for row in rows(sidecar_events())}
    assert list(found) == [kind.name for kind in EVENT_KINDS]
    assert [found[name][3] for name in ("link", "change", "ready")] == ["the last", "all", ""]


def test_each_option_has_a_row_in_both_tables() -> None:
    options = {row[0].strip("`"): row[1:] for row in rows(program_options())}
    environment = {row[0].strip("`"): row[1:] for row in rows(endpoint_variables())}
    assert list(options) == [*(f"--{option.name}" for option in OPTION_SPECS), "--help"]
    assert environment == {option.variable: options[f"--{option.name}"] for option in OPTION_SPECS}
    assert options["--family"][:4] == ["x", "x", "client `ipv4`, server `dual`", "`ipv4`, `ipv6`, `dual`"]
    assert options["--read-bytes"][:4] == ["", "x", "8192", "1 to 67108864"]
    assert options["--nodelay"][2:4] == ["0", "0, 1"]


def test_the_rows_of_the_c_programs() -> None:
    found = dict(re.findall(r'^\{"([a-z-]+)", (.*)\},$', option_rows_h(), re.MULTILINE))
    assert list(found) == [option.name for option in OPTION_SPECS]
    assert found["read-bytes"].startswith(
        'NUMBER, SERVER, AT(read_bytes), .default_value = "8192", .min = 1u, .max = UINT64_C('
    )
    assert found["nodelay"].startswith('SWITCH, BOTH, AT(nodelay), .default_value = "0", .max = 1u, ')
    assert found["events"].startswith("TEXT, BOTH, AT(events), .help = ")
    assert '.server_default = "dual", .choices = {"ipv4", "ipv6", "dual"}' in found["family"]


def test_the_constants_of_the_c_programs() -> None:
    assert "#define EXIT_UNSUPPORTED 127\n" in contract_h()
    assert "#define MAX_TOTAL_BYTES_KEPT 268435456u\n" in contract_h()
