"""The command line: arguments in, exit codes out; nothing else in the project chooses an exit code.

0 passed, 1 a scenario failed, 2 usage error, 3 environment error, 4 time-out, 130 interrupted. A command is imported
when it is called, so that `testbed --help` answers at once.
"""

import importlib
import os
import sys
from contextlib import suppress
from typing import Final

import click

from testbed.errors import DeadlineError, HostError, InputError, TestbedError

PASSED: Final = 0
FAILED: Final = 1
USAGE: Final = 2
ENVIRONMENT: Final = 3
TIMEOUT: Final = 4
INTERRUPTED: Final = 130

EXIT_CODES: Final = {
    PASSED: "all cells passed",
    FAILED: "a cell failed, or the programs support none of the cells",
    USAGE: "usage error: an option, a value or a file is wrong",
    ENVIRONMENT: "environment error: Docker, image, network or sidecar unavailable",
    TIMEOUT: "a cell exceeded its time-out, or --max-duration left cells out",
    INTERRUPTED: "interrupted",
}

COMMANDS: Final = {
    "run": "Run one cell and show the result.",
    "matrix": "Run all cells of a scenario file.",
    "list": "List the runs, or the cells of a run.",
    "merge": "Merge runs: shards, or the same cells on several machines.",
    "explain": "Explain the result of a cell, with evidence.",
    "packets": "Show the frames of a cell as a ladder diagram.",
    "analyze": "Analyse a kept run again, or any capture.",
    "clean": "Remove the leftovers of earlier runs.",
    "vm": "Manage guest VMs that run a chosen kernel.",
    "doctor": "Check this machine for everything a run needs.",
}


class LazyGroup(click.Group):
    """A group whose commands live in `testbed.cli.NAME_command` and are imported when needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the commands in the order of their usual use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"testbed.cli.{cmd_name}_command")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "TESTBED", "max_content_width": 120},
)
@click.version_option(package_name="testbed")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Show what happens to a TCP sender when the receiver reads slowly: any link, IPv4 and IPv6, any program.

    Results go to standard output, progress to standard error. Most options can also be set by an environment variable.
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def report_error(error: TestbedError) -> int:
    """Print an error and its hint; return the exit code for it."""
    from testbed.wire.text import visible  # noqa: PLC0415 - only an error needs it

    for line in error.problems if isinstance(error, InputError) else (error.message,):
        click.echo(f"testbed: {visible(line)}", err=True)
    if error.hint:
        click.echo(f"testbed: hint: {visible(error.hint)}", err=True)
    if isinstance(error, InputError):
        return USAGE
    return TIMEOUT if isinstance(error, DeadlineError) else ENVIRONMENT


def _from_system(error: OSError) -> TestbedError:
    where = f"{error.filename}: " if error.filename else ""
    return HostError(f"{where}{error.strerror or error}")


def print_json(value: object) -> None:
    """Print one JSON document."""
    import json  # noqa: PLC0415 - --help does not need it

    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _document(kind: str, message: str, hint: str = "") -> dict[str, object]:
    return {"schema_version": 1, "error": {"kind": kind, "message": message, "hint": hint}}


def _execute(arguments: list[str]) -> tuple[int, dict[str, object]]:
    """Return the exit code and, after an error, the document for --json; the error itself is already printed."""
    try:
        code = cli.main(arguments, prog_name="testbed", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code, _document("UsageError", error.format_message())
    except (TestbedError, OSError) as error:
        known = error if isinstance(error, TestbedError) else _from_system(error)
        return report_error(known), _document(type(known).__name__, known.message, known.hint)
    except (click.Abort, KeyboardInterrupt):
        click.echo("testbed: interrupted", err=True)
        return INTERRUPTED, _document("KeyboardInterrupt", "interrupted")
    return code if isinstance(code, int) else PASSED, {}


def _wants_json(arguments: list[str]) -> bool:
    # Not from click, which may have failed before it parsed this option.
    values = [os.environ.get(f"TESTBED_{name.upper()}_JSON", "") for name in arguments[:1]]
    return "--json" in arguments or any(word.lower() in ("1", "t", "true", "y", "yes", "on") for word in values)


def run_cli(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    code, document = _execute(given)
    if document and _wants_json(given):
        # Standard output itself may have failed; standard error has the error already.
        with suppress(OSError):
            print_json(document)
    return code
