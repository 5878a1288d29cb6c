"""`testbed packets`: show the exchange as a ladder diagram in the terminal."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from testbed import cli
from testbed.analysis.findings.measured import Measured, Source
from testbed.analysis.findings.registry import RULES
from testbed.analysis.join.cell_folder import load_cell, observe_connection
from testbed.analysis.join.observation import Observation, Role
from testbed.analysis.packets.model import Connection
from testbed.cli.lookup import (
    chosen_names,
    connection_of,
    find,
    load_capture,
    one_cell,
    target_argument,
)
from testbed.cli.options import output_option
from testbed.compressed.expand import stored
from testbed.errors import InputError
from testbed.report.ladder import frame_document, ladder
from testbed.report.sentences.registry import words
from testbed.report.text import machine_text
from testbed.run.retention import is_retained
from testbed.scenario.ends import ROLES
from testbed.units import pluralize

Evidence = Mapping[str, Sequence[Source]]
"""The frames that are evidence, by the name of their finding."""

HELP = """Show the frames of a cell, or of a capture, as a ladder: time, direction, flags, seq, ack, window, marks.

RUN/CELL is a cell's folder, or a run with a single cell; the default is the newest run. Sequence numbers are relative
to the sender's first; S is SYN, F FIN, R RST, P PSH, A ACK.
"""


def _packets(target: str, output: Path, **params: Any) -> int:  # noqa: ANN401 - click's options
    path = find(target, output)
    names = chosen_names(params["finding"], list(RULES))
    observation, connection, file, evidence = _source(path, params["end"], params["stream"], names)
    chosen = np.ones(len(connection.frames), np.bool_)
    if params["range"]:
        chosen &= _in_range(connection, params["range"])
    for name, sources in evidence.items():
        chosen &= _of_finding(connection, file, name, sources)
    if params["json"]:
        at = np.flatnonzero(chosen)[: params["limit"] or None].tolist()
        frames = [frame_document(connection, position) for position in at]
        cli.print_json({"schema_version": 1, "file": file, "chosen": int(chosen.sum()), "frames": frames})
        return 0
    machine = machine_text(observation.host)
    if machine:
        click.echo(machine, err=True)
    if names and not params["end"] and path.is_dir():
        click.echo(f"{file} has the evidence", err=True)
    for line in ladder(connection, chosen, params["limit"] or None):
        click.echo(line)
    return 0


def _source(
    path: Path, role: Role | None, stream: int | None, names: Sequence[str]
) -> tuple[Observation, Connection, str, Evidence]:
    """Return the observation, the connection to show with its file, and the frame evidence of the findings."""
    if path.is_file():
        capture = load_capture(path)
        connection = connection_of(capture, path, stream)
        observation = observe_connection(connection, capture, path.name)
        return observation, connection, path.name, _evidence(observation, names, f"testbed analyze {path}")
    folder = one_cell(path)
    if not is_retained(folder):
        raise InputError([f"{folder}: its captures were not retained"], hint="run the matrix with --retain all")
    observation = load_cell(folder)
    evidence = _evidence(observation, names, f"testbed explain {path}")
    file = f"{role or _end_with(evidence)}/capture.pcap"
    capture_path = stored(folder / file) or folder / file
    return observation, connection_of(load_capture(capture_path), capture_path, stream), file, evidence


def _evidence(observation: Observation, names: Sequence[str], command: str) -> Evidence:
    """Return the frames that are evidence of each finding; raises InputError when one has none."""
    found = {}
    for name in names:
        answer = RULES[name].measure(observation)
        if not isinstance(answer, Measured):
            raise InputError([f"{name} does not apply: {words(answer.reason)}"])
        found[name] = [source for source in answer.evidence if source.kind == "frames"]
        if not found[name]:
            option = f" --finding {name}" if command.startswith("testbed explain") else ""
            raise InputError([f"{name} has no frame evidence"], hint=f"`{command}{option}` shows its evidence")
    return found


def _end_with(evidence: Evidence) -> Role:
    """Return the end whose capture has evidence of all findings; the client where both or neither do."""
    for role in ROLES:
        if all(any(s.file.startswith(f"{role}/") for s in sources) for sources in evidence.values()):
            return role
    return "client"


def _in_range(connection: Connection, text: str) -> NDArray[np.bool_]:
    match = re.fullmatch(r"(\d*)(?:(-)(\d*))?", text)
    if match is None or not any(match.group(1, 3)):
        raise InputError([f"--range {text}: write FIRST-LAST, FIRST-, -LAST or one frame number"])
    low = int(match[1] or 0)
    high = low if match[2] is None else int(match[3]) if match[3] else np.iinfo(np.int64).max
    if low > high:
        raise InputError([f"--range {text}: the first frame number is above the last"])
    number = connection.frames.number
    found: NDArray[np.bool_] = (number >= low) & (number <= high)
    if not found.any():
        here = f"connection {connection.stream} has {pluralize(len(number), 'frame')} from {number[0]} to {number[-1]}"
        raise InputError([f"--range {text}: no such frame; {here}"])
    return found


def _of_finding(connection: Connection, file: str, name: str, sources: Sequence[Source]) -> NDArray[np.bool_]:
    here = [source.numbers for source in sources if source.file == file]
    if not here:
        other = sources[0].file.partition("/")[0]
        raise InputError([f"the evidence of {name} is in {sources[0].file}"], hint=f"--end {other}")
    found: NDArray[np.bool_] = np.isin(connection.frames.number, np.concatenate(here))
    return found


command = click.Command(
    "packets",
    callback=_packets,
    params=[
        target_argument("RUN/CELL|FILE.pcap"),
        click.Option(
            ["--end"],
            type=click.Choice(["client", "server"]),
            help="The end whose capture is shown.  [default: client; with --finding, the end that has the evidence]",
        ),
        click.Option(["--range"], metavar="FIRST-LAST", help="Only frames with these numbers."),
        click.Option(["--finding"], multiple=True, metavar="NAME", help="Only frames that are evidence of a finding."),
        click.Option(["--stream"], type=int, help="Show this connection, by its stream number in Wireshark."),
        click.Option(
            ["--limit"],
            type=click.IntRange(min=0),
            default=400,
            show_default=True,
            help="Frames shown at most; 0 = all.",
        ),
        output_option(),
        click.Option(["--json"], is_flag=True, show_envvar=True, help="Print one JSON document."),
    ],
    help=HELP,
)
