"""Read the tables and traces that an impairment names, from the folders that may hold them."""

from pathlib import Path

from netem.contract.errors import SidecarError
from netem.pipeline import Resources
from netem.spec import Impairment
from netem.spec.resources import parse_table, parse_trace, table_names, trace_names

_TC_FOLDERS = (Path("/usr/lib/tc"), *sorted(Path("/usr/lib").glob("*-linux-gnu/tc")))
TC_FOLDER = next((folder for folder in _TC_FOLDERS if (folder / "normal.dist").is_file()), _TC_FOLDERS[0])
"""The folder from which this tc reads tables: Debian compiles in the folder of the architecture."""
GIVEN = Path("/var/lib/testbed/link")
TABLE_FOLDERS = (GIVEN, TC_FOLDER, Path("/usr/share/tc"), Path("/etc/testbed/tables"))
TRACE_FOLDERS = (GIVEN, Path("/etc/testbed/traces"))


def read_resources(impairment: Impairment) -> Resources:
    """Read the tables and traces that `impairment` names.

    Raises SidecarError when a file does not exist, SpecError when its contents are invalid.
    """
    return Resources(
        tables={name: parse_table(_read(f"{name}.dist", TABLE_FOLDERS)) for name in table_names(impairment)},
        traces={name: parse_trace(_read(name, TRACE_FOLDERS)) for name in trace_names(impairment)},
    )


def tables_outside_tc(impairment: Impairment) -> tuple[str, ...]:
    """Return a sentence for each table that tc would not find; the kernel engine does not support it."""
    return tuple(
        f"distribution {name}: tc reads tables from {TC_FOLDER} only."
        for name in table_names(impairment)
        if not (TC_FOLDER / f"{name}.dist").is_file()
    )


def _read(name: str, folders: tuple[Path, ...]) -> str:
    for folder in folders:
        path = folder / name
        if path.parent == folder and path.is_file():
            return path.read_text()
    searched = " or ".join(map(str, folders))
    raise SidecarError(f"read {name}", "no such file", f"put it beside the scenario file, or mount it into {searched}")
