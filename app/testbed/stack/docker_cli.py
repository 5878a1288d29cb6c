"""The docker command, for what the API client does not do: BuildKit builds, exports, and copies between two engines.

Building a guest VM needs these. All command lines of `docker` are in this package.
"""

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from testbed.errors import HostError
from testbed.ownership import ROLE, labels, this_process

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


def _run(argv: Sequence[str], attempt: str, timeout_s: float = COMMAND_S, stdin: IO[bytes] | None = None) -> str:
    try:
        done = subprocess.run(argv, stdin=stdin, capture_output=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DockerCommandError(attempt, str(error)) from error
    if done.returncode:
        raise DockerCommandError(attempt, f"exit code {done.returncode}", output=_last_lines(done.stderr))
    return done.stdout.decode(errors="replace")


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
    try:
        with subprocess.Popen(
            [*argv, str(context)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process:
            try:
                for line in process.stdout or ():
                    lines = [*lines[1 - _BUILD_LINES :], line.rstrip()]
                    on_line(line.rstrip())
            except BaseException:
                process.kill()  # Ctrl-C in a terminal reaches it, too; any other interruption does not
                process.wait()
                raise
    except OSError as error:
        raise DockerCommandError(attempt, str(error)) from error
    if process.returncode:
        raise DockerCommandError(attempt, f"exit code {process.returncode}", output=lines)


def image_ids(names: Sequence[str], host: str = "") -> dict[str, str]:
    """Return the id of each image in an engine's store; raises DockerCommandError when one is missing."""
    argv = ["docker", *(["--host", host] if host else []), "image", "inspect", "--format", "{{.Id}}", *names]
    ids = _run(argv, f"inspect the images {' '.join(names)}").split()
    return dict(zip(names, ids, strict=True))


def read_file(tag: str, path: str) -> str:
    """Return a text file of an image."""
    attempt = f"read {path} of the image {tag}"
    with _container(["--entrypoint", "cat", tag, path], attempt) as container:
        return _run(["docker", "start", "--attach", container], attempt)


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


def write_disk(tag: str, maker: Sequence[str], sink: Callable[[IO[bytes]], None]) -> None:
    """Pipe an image's file system as a tar stream through a container of `maker`, and its output to `sink`."""
    attempt = f"write a disk with the contents of the image {tag}"
    # A volume: some storage drivers find the holes of a file only by reading it. No log: the output is the disk.
    options = ["--interactive", "--volume", "/tmp", "--log-driver", "none"]  # noqa: S108 - a path in the container
    with _container([tag, "true"], attempt) as content, _container([*options, *maker], attempt) as writer:
        argv = ["docker", "start", "--attach", "--interactive", writer]
        with (
            subprocess.Popen(["docker", "export", content], stdout=subprocess.PIPE) as source,
            subprocess.Popen(argv, stdin=source.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writing,
        ):
            if source.stdout is None or writing.stdout is None or writing.stderr is None:
                raise DockerCommandError(attempt, "a pipe is missing")
            source.stdout.close()
            try:
                sink(writing.stdout)
            except BaseException:
                source.kill()
                writing.kill()
                raise
            finally:
                writing.stdout.close()
                lines = _last_lines(writing.stderr.read())
        if source.returncode or writing.returncode:
            raise DockerCommandError(attempt, f"exit code {writing.returncode}", output=lines)


def copy_out(tag: str, path: str, target: Path) -> None:
    """Copy one file out of an image."""
    attempt = f"copy {path} out of the image {tag}"
    with _container([tag, "true"], attempt) as container:
        _run(["docker", "cp", f"{container}:{path}", str(target)], attempt)


def copy_images(names: Sequence[str], host: str) -> None:
    """Copy images from this machine's store to the engine at `host`; layers that they share are copied once."""
    attempt = f"copy {' '.join(names)} to {host}"
    with subprocess.Popen(["docker", "save", *names], stdout=subprocess.PIPE) as source:
        _run(["docker", "--host", host, "load", "--quiet"], attempt, COPY_S, stdin=source.stdout)
    if source.returncode:
        raise DockerCommandError(attempt, f"docker save: exit code {source.returncode}")


def try_images(names: Sequence[str], host: str) -> None:
    """Start each image once, whatever the result, so that the engine has everything that a start needs in memory."""
    for name in names:
        argv = ["docker", "--host", host, "run", "--rm", "--network", "none", name, "--help"]
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_S, check=False)


def remove_images_except(names: Sequence[str], host: str) -> None:
    """Remove all images of an engine other than these, and the layers that only those use."""
    attempt = f"remove old images from {host}"
    keep = set(image_ids(names, host).values())
    argv = ["docker", "--host", host, "image"]
    present = set(_run([*argv, "ls", "--all", "--quiet", "--no-trunc"], attempt).split())
    if present - keep:
        _run([*argv, "rm", "--force", *sorted(present - keep)], attempt, COPY_S)
