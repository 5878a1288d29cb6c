"""A pytest plug-in: run cells from tests, with the logs of all roles in the report of a failed one.

In a `conftest.py`: `pytest_plugins = ["testbed.pytest_plugin"]`, or import its names. A test requests the fixture
`testbed_cell` and calls it with the fields of a cell; a test that requests `family` runs once for each family of
`--family`. With `--isolation warm`, cells share networks and sidecars; those of a test with the mark `fresh` do not.
Without a Docker engine these tests fail; they never skip. A test fails, too, when it leaves resources behind.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

import pytest

from testbed.errors import HostError
from testbed.ownership import RUN, this_process
from testbed.result import Isolation, Result
from testbed.run.executor import Attempt
from testbed.run.folder import new_run_id
from testbed.run.machines import Guests
from testbed.run.run import Run, RunReport
from testbed.run.site import LocalSite
from testbed.run.warm import WarmRigs
from testbed.scenario.expand import Scenario, expand
from testbed.stack.docker_engine import DockerEngine
from testbed.stack.images import Images

FAMILIES: Final = ("ipv4", "ipv6")
SHOWN_LINES: Final = 60
SHOWN_LOGS: Final = ("stdout.log", "stderr.log", "netem.jsonl", "netem.log")

_FOLDERS: Final = pytest.StashKey[list[Path]]()


@dataclass(frozen=True, slots=True)
class CellShown:
    """One cell after its run: its result and the folder with its raw files."""

    result: Result
    folder: Path
    report: RunReport


class _Notes:
    """An observer that records the notes for the report."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def phase(self, attempt: Attempt, name: str) -> None:
        """Ignore it."""

    def progress(self, attempt: Attempt, bytes_written: int, bytes_read: int) -> None:
        """Ignore it."""

    def begin(self, attempt: Attempt, number: int, count: int) -> None:
        """Ignore it."""

    def end(self, attempt: Attempt, result: Result) -> None:
        """Ignore it."""

    def note(self, sentence: str) -> None:
        """Record it."""
        self.notes.append(sentence)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --family and --isolation."""
    group = parser.getgroup("testbed")
    group.addoption("--family", choices=[*FAMILIES, "both"], default="both", help="address families to test")
    group.addoption(
        "--isolation",
        choices=get_args(Isolation),
        default="fresh",
        help="fresh: everything of a cell is new (the default); warm: tests share networks and sidecars",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark of this plug-in."""
    config.addinivalue_line("markers", "fresh: the cells of this test are fresh, also with --isolation warm")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that requests `family` once for each selected family."""
    if "family" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--family", default="both")
        metafunc.parametrize("family", FAMILIES if chosen == "both" else [chosen])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the last lines of all logs to the report of a failed test."""
    report = yield
    if report.failed:
        for folder in item.stash.get(_FOLDERS, []):
            report.sections += list(_sections(folder))
    return report


def _sections(folder: Path) -> Iterator[tuple[str, str]]:
    for role in ("client", "server"):
        for name in SHOWN_LOGS:
            path = folder / role / name
            if path.is_file() and path.stat().st_size:
                lines = path.read_text(errors="backslashreplace").splitlines()
                yield f"{role} {name}", "\n".join(lines[-SHOWN_LINES:])


@pytest.fixture(scope="session")
def testbed_engine() -> Iterator[DockerEngine]:
    """Provide the Docker engine; the test fails when there is none."""
    engine = DockerEngine()
    try:
        engine.connect()
    except HostError as error:
        pytest.fail(f"{error.message}; {error.hint}", pytrace=False)
    with closing(engine):
        yield engine


@pytest.fixture(scope="session")
def testbed_images(testbed_engine: DockerEngine) -> Images:
    """Return the images of the checkout, each built when it is first needed."""
    return Images(testbed_engine, lambda _line: None)


@pytest.fixture(scope="session")
def testbed_guests(testbed_engine: DockerEngine, testbed_images: Images) -> Iterator[Guests]:
    """Provide the machines of cells: the host, and a guest VM per kernel, booted when a cell first requests it."""
    with Guests(testbed_engine, testbed_images, print, stay=True) as guests:
        yield guests


@pytest.fixture(scope="session")
def testbed_rigs(testbed_engine: DockerEngine, testbed_guests: Guests) -> Iterator[WarmRigs]:
    """Provide the networks and sidecars of warm cells; a rig is made when a cell first needs it."""
    del testbed_guests  # which has to outlive the rigs in it
    run = new_run_id()
    with closing(WarmRigs(run, this_process(), print)) as rigs:
        yield rigs
    _assert_nothing_left(testbed_engine, [run])


def _isolation(request: pytest.FixtureRequest) -> Isolation:
    if request.node.get_closest_marker("fresh"):
        return "fresh"
    chosen: Isolation = request.config.getoption("--isolation", default="fresh")
    return chosen


def _assert_nothing_left(engine: DockerEngine, runs: list[str]) -> None:
    left = [found.handle for name in runs for found in engine.find(f"{RUN}={name}")]
    assert not left, f"left behind in the engine: {left}"


@pytest.fixture
def testbed_cell(
    request: pytest.FixtureRequest,
    testbed_engine: DockerEngine,
    testbed_images: Images,
    testbed_guests: Guests,
    tmp_path: Path,
) -> Iterator[Callable[..., CellShown]]:
    """Return a function that runs the cell with the given fields."""
    runs: list[str] = []
    isolation = _isolation(request)
    rigs = request.getfixturevalue("testbed_rigs") if isolation == "warm" else None
    folders = request.node.stash.setdefault(_FOLDERS, [])

    def run(**fields: object) -> CellShown:
        observer = _Notes()
        site = LocalSite(
            testbed_engine,
            testbed_images,
            observer,
            engine_version=testbed_engine.version,
            machines=testbed_guests,
            isolation=isolation,
            rigs=rigs,
        )
        scenario = Scenario(request.node.name, "", tuple(expand(fields)))
        report = Run(site, observer, output=tmp_path / "runs").run(scenario)
        runs.append(report.run)
        result = report.results[0]
        folder = report.folder / result.folder
        folders.append(folder)
        return CellShown(result, folder, report)

    yield run
    _assert_nothing_left(testbed_engine, runs)
