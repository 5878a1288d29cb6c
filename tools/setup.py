"""Prepare a checkout for use: the steps of `make setup`, each quick if there is nothing to do.

Standard library only: it runs before anything is installed. A step checks first and acts only on what is missing; a
stamp next to the output holds a hash of the input files. A step that fails ends the setup with a message and a hint.
"""

import argparse
import hashlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
VENV: Final = ROOT / ".venv"
BASE_IMAGE: Final = "debian:trixie-slim"
ULA_PREFIX: Final = "fd7c:9a41:53be"
PULL_TIMEOUT_S: Final = 120
EMULATOR: Final = "qemu-system-x86_64"
EMULATOR_PACKAGE: Final = "qemu-system-x86"
COMPOSE_PACKAGE: Final = "docker-compose"  # Debian's name for Compose v2
UNPACK_COMPOSE: Final = f"""set -e
apt-get update -qq >&2
cd /tmp
apt-get download -qq {COMPOSE_PACKAGE} >&2
dpkg-deb -x {COMPOSE_PACKAGE}_*.deb unpacked
cat unpacked/usr/libexec/docker/cli-plugins/docker-compose
"""


class SetupError(Exception):
    """Report what is missing (`message`) and what to do about it (`hint`)."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message} {hint}")
        self.message = message
        self.hint = hint


def run(argv: Sequence[str], *, timeout_s: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command and return its result; an absent or too slow command counts as failed."""
    try:
        return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False)
    except FileNotFoundError:
        return subprocess.CompletedProcess(argv, 127, "", f"{argv[0]}: not found")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, 124, "", f"{argv[0]}: no answer within {timeout_s} s")


def run_checked(argv: Sequence[str], hint: str) -> str:
    """Run a command and return its output.

    Raises:
        SetupError: The command failed; the message ends with its last lines.

    """
    done = run(argv)
    if done.returncode:
        output = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise SetupError(f"{' '.join(argv[:4])} ... failed:\n{output}\n", hint)
    return done.stdout


def digest(paths: Iterable[Path], *extra: str) -> str:
    """Return a hash of names and contents of files (folders without caches) and of `extra`."""
    total = hashlib.sha256("\0".join(extra).encode())
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                total.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return total.hexdigest()


def programs() -> str:
    """Check for the programs that the tests need."""
    for name in ("make", "gcc"):
        if not shutil.which(name):
            raise SetupError(f"{name} is not installed.", f"Install it (Debian: apt-get install {name}).")
    return "present"


def environment() -> str:
    """Create the virtual environment and install the locked packages and this project into it."""
    lock = ROOT / "requirements" / "all.txt"
    stamp = VENV / "setup-stamp"
    identity = f"{VENV} {sys.version.splitlines()[0]}"
    key = digest([lock, ROOT / "pyproject.toml"])
    had = stamp.read_text().splitlines() if stamp.exists() else []
    python = str(VENV / "bin" / "python")
    usable = had[:1] == [identity] and run([python, "--version"]).returncode == 0
    if usable and had[1:] == [key]:
        return "ready"
    if not usable:  # absent, broken, moved with the checkout, or of another Python
        run_checked([sys.executable, "-m", "venv", "--clear", str(VENV)], "Is the disk full?")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run_checked([*pip, "--require-hashes", "-r", str(lock)], "Is the package index reachable?")
    run_checked([*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)], "Is pyproject.toml valid?")
    stamp.write_text(f"{identity}\n{key}\n")
    return "created in .venv"


def engine() -> str:
    """Check that a Docker engine answers."""
    if not shutil.which("docker"):
        raise SetupError("Docker is not installed.", "Install it (Debian: apt-get install docker.io) and try again.")
    done = run(["docker", "version", "--format", "{{.Server.Version}}"], timeout_s=30)
    if done.returncode == 0:
        return f"Docker {done.stdout.strip()}"
    if "permission denied" in done.stderr:
        raise SetupError("This user has no permission to use Docker.", "Join the group docker, or run as root.")
    reason = done.stderr.strip().rpartition("\n")[2]
    raise SetupError(
        f"Docker is installed but its engine does not answer ({reason}).",
        "Start it (Debian: systemctl start docker) and try again.",
    )


def install_package(package: str, by_hand: str) -> None:
    """Install one of Debian's packages on this machine, as root; raises SetupError."""
    run(["apt-get", "update", "-qq"])
    run_checked(["apt-get", "install", "-y", "-qq", "--no-install-recommends", package], f"Try by hand: {by_hand}")


def base_image(image: str = BASE_IMAGE) -> str:
    """Provide the base image: from the local store, a registry, or built from Debian's packages."""
    if run(["docker", "image", "inspect", image]).returncode == 0:
        return "ready"
    if run(["docker", "pull", "--quiet", image], timeout_s=PULL_TIMEOUT_S).returncode == 0:
        return f"pulled {image}"
    suite = image.partition(":")[2].removesuffix("-slim")
    bootstrap = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates", suite]
    by_hand = f"{' '.join(bootstrap)} | docker import -c 'CMD [\"bash\"]' - {image}"
    if not shutil.which("mmdebstrap"):
        if os.geteuid() or not shutil.which("apt-get"):
            raise SetupError(
                f"No registry has {image}, and mmdebstrap, which can build it, is not installed.",
                f"Install mmdebstrap, or build the image elsewhere: {by_hand}",
            )
        install_package("mmdebstrap", by_hand)
    with tempfile.TemporaryDirectory() as folder:
        tree = f"{folder}/base.tar"
        run_checked([*bootstrap, tree], f"Try by hand: {by_hand}")
        run_checked(["docker", "import", "-c", 'CMD ["bash"]', tree, image], "Is the disk of Docker full?")
    return f"{image} built from Debian's packages"


def compose_plugin() -> str:
    """Provide Compose v2 as a plugin of the docker command, for this user only."""
    done = run(["docker", "compose", "version", "--short"])
    if done.returncode == 0 and not done.stdout.startswith("1."):
        return f"Compose {done.stdout.strip()}"
    hint = "Install the Compose plugin of Docker by hand (docker compose version must work)."
    folder = Path(os.environ.get("DOCKER_CONFIG", Path.home() / ".docker")) / "cli-plugins"
    folder.mkdir(parents=True, exist_ok=True)
    part, plugin = folder / "docker-compose.part", folder / "docker-compose"
    with part.open("wb") as file:
        argv = ["docker", "run", "--rm", "--label", "testbed.role=setup", BASE_IMAGE, "sh", "-c", UNPACK_COMPOSE]
        fetched = subprocess.run(argv, stdout=file, stderr=subprocess.PIPE, check=False)
    if fetched.returncode:
        part.unlink()
        raise SetupError(f"Fetching Compose failed: {fetched.stderr.decode().strip()}.", hint)
    part.chmod(0o755)
    part.replace(plugin)
    run_checked(["docker", "compose", "version"], f"Remove {plugin}. {hint}")
    return f"Compose from Debian installed in {folder}"


def emulator() -> str:
    """Provide qemu, which the tests under other kernels need."""
    if shutil.which(EMULATOR):
        return "present"
    by_hand = f"apt-get install --no-install-recommends {EMULATOR_PACKAGE}"
    if os.geteuid() or not shutil.which("apt-get"):
        raise SetupError(
            f"{EMULATOR} is not installed; the tests under other kernels need it.", f"Install it (Debian: {by_hand})."
        )
    install_package(EMULATOR_PACKAGE, by_hand)
    return "installed from Debian's packages"


def project() -> str:
    """Give this checkout its own project name, subnet and image tag, so that two can run at the same time."""
    file = ROOT / ".env"
    if file.exists():
        return "ready"
    name = secrets.token_hex(3)
    file.write_text(
        "# Written by make setup; read by docker compose. docs/compose.md lists the other settings.\n"
        f"COMPOSE_PROJECT_NAME=testbed-{name}\n"
        f"TESTBED_SUBNET6={ULA_PREFIX}:{secrets.randbelow(0xFFFE) + 2:x}::/64\n"
        f"TESTBED_TAG={name}\n"
    )
    return "written to .env"


def images() -> str:
    """Build the missing images of this checkout, and tag them for its compose stack."""
    settings = dict(line.split("=", 1) for line in (ROOT / ".env").read_text().splitlines() if "=" in line)
    tag = settings.get("TESTBED_TAG", "latest")
    output = run_checked([".venv/bin/python", "tools/images.py"], "Correct that and try again.")
    built = 0
    for line in output.splitlines():
        outcome, image = line.split()
        built += outcome == "built"
        run_checked(["docker", "tag", image, f"{image.partition(':')[0]}:{tag}"], "Try again.")
    return f"{built} built" if built else "ready"


Step = tuple[str, Callable[[], str]]
WITHOUT_DOCKER: Final[tuple[Step, ...]] = (("programs", programs), ("python", environment))
WITH_DOCKER: Final[tuple[Step, ...]] = (
    *WITHOUT_DOCKER,
    ("engine", engine),
    ("base image", base_image),
    ("compose", compose_plugin),
    ("project", project),
    ("images", images),
)
FOR_TESTS: Final[tuple[Step, ...]] = (("emulator", emulator),)


def main() -> int:
    """Run the steps in order, with a line for each; return the exit code."""
    parser = argparse.ArgumentParser(prog="setup", description="Prepare this checkout for use.")
    parser.add_argument("--no-docker", action="store_true", help="only the steps for the tests without Docker")
    parser.add_argument("--tests", action="store_true", help="also the steps for the tests under other kernels")
    chosen = parser.parse_args()
    steps = WITHOUT_DOCKER if chosen.no_docker else WITH_DOCKER + FOR_TESTS * chosen.tests
    for name, step in steps:
        print(f"setup: {name:<10} ", end="", flush=True)
        start_s = time.monotonic()
        try:
            outcome = step()
        except SetupError as error:
            print("failed", flush=True)
            print(f"setup: {error}", file=sys.stderr)
            return 1
        took_s = time.monotonic() - start_s
        print(f"{outcome} ({took_s:.1f} s)" if took_s >= 1 else outcome, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
