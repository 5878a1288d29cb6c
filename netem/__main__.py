"""The sidecar's command line, `python3 -m netem COMMAND`; only this module chooses the exit code."""

# ruff: noqa: PLC0415 - a command imports only what it needs: the start counts
import json
import os
import sys

from netem.contract.errors import SidecarError

_USAGE = "usage: python3 -m netem run | session | change TEXT | doctor\n"


def main(arguments: list[str]) -> int:
    """Run one command; return 0 for done, 1 for failed, 2 for misuse."""
    if arguments == ["run"]:
        return _run()
    if arguments == ["session"]:
        return _session()
    if len(arguments) == 2 and arguments[0] == "change":
        return _change(arguments[1])
    if arguments == ["doctor"]:
        return _doctor()
    sys.stderr.write(_USAGE)
    return 2


def _run() -> int:
    from netem.sidecar.cell import run_alone

    return run_alone(os.environ)


def _session() -> int:
    from netem.sidecar.cell import run_session

    return run_session(os.environ)


def _change(text: str) -> int:
    from netem.sidecar.control import CONTROL_SOCKET, send_request

    try:
        answer = send_request(CONTROL_SOCKET, {"command": "change", "impairment": text})
    except SidecarError as error:
        answer = {"error": error.facts()}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 1 if "error" in answer else 0


def _doctor() -> int:
    """Print the document and return 0; the reader judges what it reports."""
    from netem.sidecar.doctor import examine

    sys.stdout.write(json.dumps(examine()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
