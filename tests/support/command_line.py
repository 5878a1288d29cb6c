"""The command `testbed` in this process: a process of its own takes most of a second to import everything."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from testbed.__main__ import main


def run_testbed(*arguments: str, cwd: Path | None = None, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `testbed ARGUMENTS`, with these variables added to the environment."""
    stdout, stderr = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with (
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        contextlib.chdir(cwd or Path.cwd()),
        mock.patch.dict(os.environ, environment),
        mock.patch.object(sys, "argv", ["testbed", *arguments]),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    code = ended.value.code
    assert isinstance(code, int)
    written = (stream.detach().getvalue().decode() for stream in (stdout, stderr))
    return subprocess.CompletedProcess(arguments, code, *written)
