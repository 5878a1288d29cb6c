"""The command line: arguments in, exit codes out; nothing else in the project chooses an exit code.

0 passed, 1 a scenario failed, 2 usage, 3 this machine cannot, 4 time-out, 130 interrupted. Commands are imported when
they are called, so that `testbed --help` answers at once.
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
    PASSED: "everything that was asked for passed",
    FAILED: "a scenario failed, or the programs do not support it",
    USAGE: "usage: an option, a value, a scenario file",
    ENVIRONMENT: "this machine cannot: no engine, no image, no network, a sidecar that fails",
    TIMEOUT: "a cell took longer than its time-out",
    INTERRUPTED: "interrupted",
}

COMMANDS: Final = {
    "run": "Run one cell and show what happened.",
    "matrix": "Run all cells of a scenario file.",
    "explain": "Say why a cell went as it did, with the evidence.",
    "packets": "Show the frames of a cell as a ladder.",
    "analyze": "Analyse an old run again, or any capture.",
    "clean": "Remove what earlier runs have left behind.",
    "vm": "Build and look after guests with a kernel of choice.",
    "doctor": "Try everything a run needs, and say what to do about the rest.",
}


class LazyGroup(click.Group):
    """A group whose commands live in `testbed.cli.NAME_command` and are imported when needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the commands in the order in which people meet them."""
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
    """Show what happens to a sender when the receiver reads slowly: over any link, IPv4 and IPv6, any program.

    Results go to standard output, progress to standard error. Every option has a name in the environment, too.
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def report_error(error: TestbedError) -> int:
    """Print an error and its hint; return the exit code for it."""
    from testbed.wire.text import visible  # noqa: PLC0415 - only what has gone wrong pays for it

    for line in error.problems if isinstance(error, InputError) else (error.message,):
        click.echo(f"testbed: {visible(line)}", err=True)
    if error.hint:
        click.echo(f"testbed: to do: {visible(error.hint)}", err=True)
    if isinstance(error, InputError):
        return USAGE
    return TIMEOUT if isinstance(error, DeadlineError) else ENVIRONMENT


def _from_system(error: OSError) -> TestbedError:
    where = f"{error.filename}: " if error.filename else ""
    return HostError(f"{where}{error.strerror or error}")


def print_json(value: object) -> None:
    """Print one JSON document."""
    import json  # noqa: PLC0415 - --help does not pay for it

    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _document(kind: str, message: str, hint: str = "") -> dict[str, object]:
    return {"schema_version": 1, "error": {"kind": kind, "message": message, "hint": hint}}


def _carry_out(arguments: list[str]) -> tuple[int, dict[str, object]]:
    """Return the exit code and, of an error, the document that --json prints; the error is told by then."""
    try:
        code = cli.main(arguments, prog_name="testbed", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code, _document("UsageError", error.format_message())
    except (TestbedError, OSError) as error:
        told = error if isinstance(error, TestbedError) else _from_system(error)
        return report_error(told), _document(type(told).__name__, told.message, told.hint)
    except (click.Abort, KeyboardInterrupt):
        click.echo("testbed: interrupted", err=True)
        return INTERRUPTED, _document("KeyboardInterrupt", "interrupted")
    return code if isinstance(code, int) else PASSED, {}


def _wants_json(arguments: list[str]) -> bool:
    # Asked for here and not by click, which may have failed before it came to this option.
    requested = [os.environ.get(f"TESTBED_{name.upper()}_JSON", "") for name in arguments[:1]]
    return "--json" in arguments or any(word.lower() in ("1", "t", "true", "y", "yes", "on") for word in requested)


def run_cli(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    code, document = _carry_out(given)
    if document and _wants_json(given):
        # Standard output may be what has failed; the error is told by now.
        with suppress(OSError):
            print_json(document)
    return code
