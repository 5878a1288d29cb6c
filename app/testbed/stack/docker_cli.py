"""The docker command, for what the API client does not do: BuildKit builds, exports, and copies between two engines.

Building a guest VM needs these. All command lines of `docker` are in this package.
"""

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

from testbed.errors import HostError
from testbed.ownership import ROLE, labels, this_process
from testbed.stack.cancel import active_cancel

COMMAND_S: Final = 60.0
COPY_S: Final = 900.0
_VERSION_S: Final = 30.0
_ERROR_LINES: Final = 8
_BUILD_LINES: Final = 16
_ROLE: Final = "vm-build"
_HINT: Final = "check that `docker version` works, and that its builds can reach Debian's packages"

OnLine = Callable[[str], None]


class DockerCommandError(HostError):
    """Report that a docker command failed; `output` has the last lines that it wrote."""

    def __init__(self, attempt: str, reason: str, *, output: Sequence[str] = ()) -> None:
        self.attempt = attempt
        self.reason = reason
        self.output = tuple(output)
        lines = "".join(f"\n  {line}" for line in self.output)
        super().__init__(f"{attempt}: {reason}" + (f"; its last lines:{lines}" if lines else ""), hint=_HINT)


def _last_lines(stderr: bytes) -> list[str]:
    return stderr.decode(errors="replace").strip().splitlines()[-_ERROR_LINES:]


@contextmanager
def _process(
    argv: Sequence[str],
    attempt: str,
    *,
    stdin: IO[bytes] | int | None = None,
    stderr: IO[bytes] | int = subprocess.PIPE,
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a command for the block; it is killed when the block raises, or when another thread stops the attempt.

    Ctrl-C in a terminal reaches it, too; any other interruption does not.
    """
    try:
        process = subprocess.Popen(argv, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr)
    except OSError as error:
        raise DockerCommandError(attempt, str(error)) from error
    with process:
        try:
            with active_cancel().stopping(attempt, process.kill):
                yield process
        except BaseException:
            process.kill()
            raise


def _output(process: "subprocess.Popen[bytes]") -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout


def _run(argv: Sequence[str], attempt: str, timeout_s: float = COMMAND_S, stdin: IO[bytes] | int | None = None) -> str:
    with _process(argv, attempt, stdin=stdin) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise DockerCommandError(attempt, str(error)) from error
        if process.returncode:
            raise DockerCommandError(attempt, f"exit code {process.returncode}", output=_last_lines(stderr))
    return stdout.decode(errors="replace")


def _check(process: "subprocess.Popen[bytes]", attempt: str, errors: IO[bytes]) -> None:
    """Wait for a command whose errors are in a file; raises DockerCommandError unless it has succeeded."""
    if process.wait():
        errors.seek(0)
        raise DockerCommandError(attempt, f"exit code {process.returncode}", output=_last_lines(errors.read()))


def compose_version() -> str:
    """Return the version of the compose plug-in; raises DockerCommandError when there is none."""
    return _run(["docker", "compose", "version", "--short"], "docker compose version", _VERSION_S).strip()


def build(context: Path, dockerfile: str, tag: str, arguments: Mapping[str, str], on_line: OnLine) -> None:
    """Build an image from a folder and pass Docker's output on line by line; raises DockerCommandError."""
    argv = ["docker", "build", "--file", str(context / dockerfile), "--tag", tag, "--label", f"{ROLE}={_ROLE}"]
    for name, value in arguments.items():
        argv += ["--build-arg", f"{name}={value}"]
    attempt = f"build the image {tag}"
    lines: list[str] = []
    with _process([*argv, str(context)], attempt, stderr=subprocess.STDOUT) as process:
        for raw in _output(process):
            line = raw.decode(errors="replace").rstrip()
            lines = [*lines[1 - _BUILD_LINES :], line]
            on_line(line)
        if process.wait():
            raise DockerCommandError(attempt, f"exit code {process.returncode}", output=lines)


def image_ids(names: Sequence[str], host: str = "") -> dict[str, str]:
    """Return the id of each image in an engine's store; raises DockerCommandError when one is missing."""
    argv = ["docker", *(["--host", host] if host else []), "image", "inspect", "--format", "{{.Id}}", *names]
    ids = _run(argv, f"inspect the images {' '.join(names)}").split()
    return dict(zip(names, ids, strict=True))


def image_tags(host: str) -> set[str]:
    """Return the tags of all images in an engine's store."""
    argv = ["docker", "--host", host, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]
    return set(_run(argv, f"list the images of {host}").split())


@contextmanager
def _container(arguments: Sequence[str], attempt: str) -> Iterator[str]:
    """Create a container without starting it and remove it at the end; its labels let the next sweep remove it, too."""
    argv = ["docker", "create", "--network", "none"]
    for name, value in labels(_ROLE, _ROLE, _ROLE, this_process()).items():
        argv += ["--label", f"{name}={value}"]
    container = _run([*argv, *arguments], attempt).strip()
    try:
        yield container
    finally:
        _run(["docker", "rm", "--force", "--volumes", container], "remove a container")


@contextmanager
def exported(tag: str) -> Iterator[IO[bytes]]:
    """Provide the file system of an image as a tar stream, which must be read to its end."""
    attempt = f"export the image {tag}"
    with _container([tag, "true"], attempt) as container, _stream(["docker", "export", container], attempt) as stream:
        yield stream


@contextmanager
def copied_out(tag: str, path: str) -> Iterator[IO[bytes]]:
    """Provide a path of an image as a tar stream, which must be read to its end."""
    attempt = f"copy {path} out of the image {tag}"
    with (
        _container([tag, "true"], attempt) as container,
        _stream(["docker", "cp", f"{container}:{path}", "-"], attempt) as stream,
    ):
        yield stream


@contextmanager
def _stream(argv: Sequence[str], attempt: str) -> Iterator[IO[bytes]]:
    with TemporaryFile() as errors, _process(argv, attempt, stderr=errors) as process:
        yield _output(process)
        _check(process, attempt, errors)


def save_images(names: Sequence[str], target: Path) -> None:
    """Write images of this machine's store to an archive."""
    _run(["docker", "save", "--output", str(target), *names], f"save {' '.join(names)}", COPY_S)


def through(arguments: Sequence[str], feed: Callable[[IO[bytes]], None], sink: Callable[[IO[bytes]], None]) -> None:
    """Run a container whose input `feed` writes, in a thread of its own, while `sink` reads its output."""
    attempt = f"run the image {arguments[0]}"
    # A volume: some storage drivers find the holes of a file only by reading it. No log: the output may be a disk.
    options = ["--interactive", "--volume", "/tmp", "--log-driver", "none"]  # noqa: S108 - a path in the container
    with _container([*options, *arguments], attempt) as container, TemporaryFile() as errors:
        argv = ["docker", "start", "--attach", "--interactive", container]
        with (
            _process(argv, attempt, stdin=subprocess.PIPE, stderr=errors) as process,
            ThreadPoolExecutor(1) as pool,
        ):
            fed = pool.submit(copy_context().run, _feed, process, feed)
            try:
                sink(_output(process))
            except Exception as error:
                process.kill()
                cause = fed.exception()
                if cause is not None:  # the end of the output is its consequence
                    raise cause from error
                raise
            fed.result()
            _check(process, attempt, errors)


def _feed(process: "subprocess.Popen[bytes]", feed: Callable[[IO[bytes]], None]) -> None:
    assert process.stdin is not None
    try:
        with suppress(BrokenPipeError), process.stdin:  # the exit code explains it
            feed(process.stdin)
    except BaseException:
        process.kill()
        raise


def copy_images(names: Sequence[str], host: str) -> None:
    """Copy images from this machine's store to the engine at `host`; layers that they share are copied once."""
    attempt = f"copy {' '.join(names)} to {host}"
    with _stream(["docker", "save", *names], attempt) as source:
        _run(["docker", "--host", host, "load", "--quiet"], attempt, COPY_S, stdin=source)


def try_images(names: Sequence[str], host: str) -> None:
    """Start each image once, whatever the result, so that the engine has everything that a start needs in memory."""
    for name in names:
        argv = ["docker", "--host", host, "run", "--rm", "--network", "none", name, "--help"]
        with suppress(DockerCommandError):
            _run(argv, f"try {name}", stdin=subprocess.DEVNULL)


def remove_images_except(names: Sequence[str], host: str) -> None:
    """Remove all images of an engine other than these, and the layers that only those use."""
    attempt = f"remove old images from {host}"
    keep = set(image_ids(names, host).values())
    argv = ["docker", "--host", host, "image"]
    present = set(_run([*argv, "ls", "--all", "--quiet", "--no-trunc"], attempt).split())
    if present - keep:
        _run([*argv, "rm", "--force", *sorted(present - keep)], attempt, COPY_S)
