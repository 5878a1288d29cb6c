"""The docker command, as far as building a guest needs it: its own image recipes, and images copied into a guest."""

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from testbed.stack.labels import ROLE, labels, this_process
from testbed.vm.errors import GuestError

BUILD_S: Final = 1800.0
COPY_S: Final = 900.0
_ROLE: Final = "vm-build"
_HINT: Final = "Docker has to answer (docker version), and its builds have to reach Debian's packages."

OnLine = Callable[[str], None]


def _run(argv: Sequence[str], attempt: str, timeout_s: float, stdin: IO[bytes] | None = None) -> str:
    try:
        done = subprocess.run(argv, stdin=stdin, capture_output=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GuestError(attempt, str(error), hint=_HINT) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-8:]
        raise GuestError(attempt, f"exit status {done.returncode}", console=said, hint=_HINT)
    return done.stdout.decode(errors="replace")


def build(context: Path, dockerfile: str, tag: str, arguments: Mapping[str, str], on_line: OnLine) -> None:
    """Build an image from a folder; what Docker says is passed on line by line; raises GuestError."""
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
                    lines = [*lines[-15:], line.rstrip()]
                    on_line(line.rstrip())
            except BaseException:
                process.kill()  # only a terminal interrupts it, too; else it goes on without anybody
                process.wait()
                raise
    except OSError as error:
        raise GuestError(attempt, str(error), hint=_HINT) from error
    if process.returncode:
        raise GuestError(attempt, f"exit status {process.returncode}", console=lines, hint=_HINT)


def image_ids(names: Sequence[str], host: str = "") -> dict[str, str]:
    """Return the id of each image in an engine's store; raises GuestError when one is not there."""
    argv = ["docker", *(["--host", host] if host else []), "image", "inspect", "--format", "{{.Id}}", *names]
    ids = _run(argv, f"look at the images {' '.join(names)}", 60).split()
    return dict(zip(names, ids, strict=True))


def read_file(tag: str, path: str) -> str:
    """Return a text file of an image."""
    with _container(["--entrypoint", "cat", tag, path], f"read {path} of the image {tag}") as container:
        return _run(["docker", "start", "--attach", container], f"read {path} of the image {tag}", 60)


@contextmanager
def _container(arguments: Sequence[str], attempt: str) -> Iterator[str]:
    """Lend a container that is not started; one whose owner is killed is swept like those of runs, by its labels."""
    argv = ["docker", "create", "--network", "none"]
    for name, value in labels(_ROLE, _ROLE, _ROLE, this_process()).items():
        argv += ["--label", f"{name}={value}"]
    container = _run([*argv, *arguments], attempt, 60).strip()
    try:
        yield container
    finally:
        _run(["docker", "rm", "--force", "--volumes", container], "remove a container", 60)


def write_disk(tag: str, maker: Sequence[str], sink: Callable[[IO[bytes]], None]) -> None:
    """Send an image's file system as a tar stream through a container of `maker`, and what that writes to `sink`."""
    attempt = f"write a disk with what is in the image {tag}"
    # Holes are found in a volume at once, through some storage drivers by reading; and the engine would log the disk.
    options = ["--interactive", "--volume", "/tmp", "--log-driver", "none"]  # noqa: S108 - a path in there
    with _container([tag, "true"], attempt) as content, _container([*options, *maker], attempt) as writer:
        argv = ["docker", "start", "--attach", "--interactive", writer]
        with (
            subprocess.Popen(["docker", "export", content], stdout=subprocess.PIPE) as source,
            subprocess.Popen(argv, stdin=source.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writing,
        ):
            if source.stdout is None or writing.stdout is None or writing.stderr is None:
                raise GuestError(attempt, "a pipe is missing")
            source.stdout.close()
            try:
                sink(writing.stdout)
            except BaseException:
                source.kill()
                writing.kill()
                raise
            finally:
                writing.stdout.close()
                said = writing.stderr.read().decode(errors="replace").strip().splitlines()[-8:]
        if source.returncode or writing.returncode:
            raise GuestError(attempt, f"exit status {writing.returncode}", console=said, hint=_HINT)


def copy_out(tag: str, path: str, target: Path) -> None:
    """Copy one file out of an image."""
    attempt = f"copy {path} out of the image {tag}"
    with _container([tag, "true"], attempt) as container:
        _run(["docker", "cp", f"{container}:{path}", str(target)], attempt, 60)


def copy_images(names: Sequence[str], host: str) -> None:
    """Copy images from this machine's store to another engine's, layers that they share only once."""
    attempt = f"copy {' '.join(names)} into the guest"
    with subprocess.Popen(["docker", "save", *names], stdout=subprocess.PIPE) as source:
        _run(["docker", "--host", host, "load", "--quiet"], attempt, COPY_S, stdin=source.stdout)
    if source.returncode:
        raise GuestError(attempt, f"docker save ended with status {source.returncode}", hint=_HINT)


def try_images(names: Sequence[str], host: str) -> None:
    """Start each image once, whatever comes of it, so that what a start needs is in the engine's memory."""
    for name in names:
        argv = ["docker", "--host", host, "run", "--rm", "--network", "none", name, "--help"]
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)


def remove_images_but(names: Sequence[str], host: str) -> None:
    """Remove all images of an engine other than these, and what they alone are made of."""
    attempt = "remove old images from the guest"
    keep = set(image_ids(names, host).values())
    argv = ["docker", "--host", host, "image"]
    there = set(_run([*argv, "ls", "--all", "--quiet", "--no-trunc"], attempt, 60).split())
    if there - keep:
        _run([*argv, "rm", "--force", *sorted(there - keep)], attempt, COPY_S)
