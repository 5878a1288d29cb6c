"""`testbed analyze`: analyse kept runs again, or a capture from anywhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from testbed import cli
from testbed.analysis.join.cell_folder import observe_connection
from testbed.analysis.packets.model import Capture, Connection
from testbed.cli.lookup import cells, connection_of, find, load_capture, target_argument
from testbed.cli.options import output_option
from testbed.cli.session import shown, width
from testbed.evaluation.cell import analyse
from testbed.evaluation.explanation import explain
from testbed.report.explain import MIN_STRENGTH, explanation_lines
from testbed.report.text import verdict
from testbed.result import SCHEMA_VERSION, Result
from testbed.run.conclusion import read_result
from testbed.run.folder import write_json
from testbed.run.retention import is_retained
from testbed.units import format_bytes, pluralize

HELP = """Analyse a kept run again, or any capture.

RUN is a run or RUN/CELL: its raw files are analysed again and each cell's result.json is replaced, unless the raw files
were not retained (--retain). FILE.pcap is a
capture in pcap or pcapng format from any source: the connections with most payload are explained as far as packets
allow. The default is the newest run.
"""

MOST: Final = 5
"""How many connections of a capture are explained by default."""


def _analyze(target: str, output: Path, **params: Any) -> int:  # noqa: ANN401 - click's options
    path = find(target, output)
    if path.is_dir():
        return _run(path, as_json=params["json"])
    capture = load_capture(path)
    connections = _connections(capture, path, params["stream"])
    if params["json"]:
        documents = [_document(connection, capture, path) for connection in connections]
        cli.print_json(
            {
                "schema_version": SCHEMA_VERSION,
                "file": str(path),
                "packets": capture.facts.packets,
                "connections": documents,
            }
        )
        return 0
    click.echo(f"{path}: {pluralize(capture.facts.packets, 'packet')}, {pluralize(len(capture), 'TCP connection')}")
    for connection in connections:
        click.echo()
        click.echo("\n".join(_lines(connection, capture, path)))
    if len(capture) > len(connections) and params["stream"] is None:
        click.echo(f"\n{pluralize(len(capture) - len(connections), 'more connection')}: --stream N explains one")
    return 0


def _run(path: Path, *, as_json: bool) -> int:
    folders = cells(path)
    results = list(_analysed(folders))
    if len({result.requested.get("family") for result in results}) > 1:
        results = list(_analysed(folders))  # again: each cell of a family pair reads the new result of the other
    if as_json:
        cli.print_json({"schema_version": SCHEMA_VERSION, "results": [result.model_dump() for result in results]})
        return 0
    for folder, result in zip(folders, results, strict=True):
        click.echo(f"{folder.name}: {verdict(result)}")
        click.echo("\n".join(shown(result, folder)))
        click.echo()
    return 0


def _analysed(folders: list[Path]) -> Iterator[Result]:
    for folder in folders:
        if not is_retained(folder):
            yield read_result(folder)
            continue
        result = analyse(folder)
        write_json(folder / "result.json", result.model_dump())
        yield result


def _payload(connection: Connection) -> int:
    return int(connection.frames.payload_bytes.sum(dtype="int64"))


def _connections(capture: Capture, path: Path, stream: int | None) -> list[Connection]:
    if stream is not None:
        return [connection_of(capture, path, stream)]
    return sorted(capture.connections(), key=_payload, reverse=True)[:MOST]


def _lines(connection: Connection, capture: Capture, path: Path) -> list[str]:
    answer = explain(observe_connection(connection, capture, path.name))
    findings = [finding for finding in answer.findings if finding.strength >= MIN_STRENGTH]
    head = (
        f"connection {connection.stream}: {connection.client.endpoint} to {connection.server.endpoint}, "
        f"{len(connection.frames)} frames, {format_bytes(_payload(connection))}"
    )
    return [head, *explanation_lines(answer.verdict, findings, width=width())]


def _document(connection: Connection, capture: Capture, path: Path) -> dict[str, Any]:
    answer = explain(observe_connection(connection, capture, path.name))
    return {
        "stream": connection.stream,
        "client": str(connection.client.endpoint),
        "server": str(connection.server.endpoint),
        "frames": len(connection.frames),
        "payload_bytes": _payload(connection),
        "verdict": answer.verdict,
        "findings": [finding.model_dump() for finding in answer.findings],
        "not_reported": [each.model_dump() for each in answer.not_reported],
    }


command = click.Command(
    "analyze",
    callback=_analyze,
    params=[
        target_argument("RUN|FILE.pcap"),
        click.Option(["--stream"], type=int, help="Explain this connection, by its stream number in Wireshark."),
        output_option(),
        click.Option(["--json"], is_flag=True, show_envvar=True, help="Print one JSON document."),
    ],
    help=HELP,
)
