"""What the documentation says about files, commands, settings and dependencies, compared with them."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from netem.contract.settings import variables
from testbed.peer.contract import OPTION_SPECS
from tests.support.command_line import run_testbed
from tests.support.import_graph import imports_of

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "benchmarks").rglob("*.md"),
        *(ROOT / "findings").rglob("*.md"),
    ]
)
COMPOSE = ROOT / "docker-compose.yml"


def page(name: str) -> str:
    return (ROOT / name).read_text()


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(text: str) -> set[str]:
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        found = path.parent / file if file else path
        assert found.exists(), target
        assert not anchor or anchor in anchors(found.read_text()), target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_targets_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", page("Makefile"), re.MULTILINE))
    used = set(re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(), re.MULTILINE))
    assert used <= targets


def documented_commands() -> list[str]:
    """Return every call of `testbed` that the pages and the Makefile make, without comment and prefix."""
    texts = [*(path.read_text() for path in PAGES), page("Makefile")]
    call = re.compile(r"^(?:\t@)?(?:\.venv/bin/|\$\(BIN\)/)?(testbed [^#\n]*)", re.MULTILINE)
    return sorted({match[1].strip() for text in texts for match in call.finditer(text)})


@pytest.mark.parametrize("command", documented_commands())
def test_commands_are_understood(command: str) -> None:
    """Runs are planned without Docker; the other commands print their help."""
    harmless = "--dry-run" if command.split()[1] in ("run", "matrix") else "--help"
    done = run_testbed(*command.split()[1:], harmless, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_readme_has_commands() -> None:
    assert "testbed run --delay 1s --chunk 10k" in documented_commands()


def test_the_readme_has_a_row_for_each_page() -> None:
    rows = re.findall(r"^\| \[(.+?)\]\(\1\) \| .+ \|$", page("README.md"), re.MULTILINE)
    pages = [str(path.relative_to(ROOT)) for path in [*PAGES, ROOT / "LICENSE"]]
    assert sorted(rows) == sorted(set(pages) - {"README.md"})


def test_make_help_names_every_target() -> None:
    makefile = page("Makefile")
    phony = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()
    assert re.findall(r"^([a-z-]+):.*## \w", makefile, re.MULTILINE) == phony


def requirement_name(requirement: str) -> str:
    return re.split(r"[<>=\[; ]", requirement)[0]


def test_every_dependency_has_its_reason_once() -> None:
    project = tomllib.loads(page("pyproject.toml"))
    requested = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    requested += [name for extra in project["project"]["optional-dependencies"].values() for name in extra]
    for file in (ROOT / "requirements").glob("*.in"):
        requested += [line for line in file.read_text().splitlines() if not line.startswith("#")]
    tables = page("docs/dependencies.md").partition("## On the machine")[0]
    rows = re.findall(r"^\| `(.+?)` \| .+ \|$", tables, re.MULTILINE)
    assert sorted(rows) == sorted({requirement_name(requirement) for requirement in requested})


def foreign_imports(paths: Iterable[Path]) -> set[str]:
    """Return the top names of what these files import, less the standard library's and our own."""
    found = {name.split(".")[0] for path in paths for name in imports_of(ast.parse(path.read_text()), "")}
    return found - set(sys.stdlib_module_names) - {"testbed", "netem", "tests", "benchmarks", "tools", ""}


def test_what_is_declared_at_run_time_is_imported_and_the_reverse() -> None:
    declared = tomllib.loads(page("pyproject.toml"))["project"]["dependencies"]
    names = {requirement_name(requirement).partition(".")[0].replace("-", "_") for requirement in declared}
    ours = foreign_imports([*(ROOT / "app").rglob("*.py"), *(ROOT / "netem").rglob("*.py")])
    # The pytest plugin is loaded by pytest alone, and Dask by --dask; both are extras.
    assert ours - {"pytest", "distributed"} == names


def test_what_is_declared_for_tests_and_checks_is_used() -> None:
    extras = tomllib.loads(page("pyproject.toml"))["project"]["optional-dependencies"]
    imported = foreign_imports((ROOT / "tests").rglob("*.py")) | {"pytest_timeout", "xdist"}
    assert "timeout = " in page("pyproject.toml"), "the setting of pytest-timeout, a plugin that nothing imports"
    assert {
        name.replace("-", "_").replace("pytest_xdist", "xdist") for name in map(requirement_name, extras["test"])
    } <= imported
    lanes = page("tools/lanes.py")
    commands = {requirement_name(name).removesuffix("-bin").removesuffix("-py") for name in extras["lint"]}
    assert [name for name in sorted(commands - {"types-docker"}) if f'_tool("{name}"' not in lanes] == []


def test_every_dependency_is_locked_with_hashes() -> None:
    project = tomllib.loads(page("pyproject.toml"))["project"]
    requested = [*project["dependencies"], *(n for extra in project["optional-dependencies"].values() for n in extra)]
    locked = re.findall(r"^([a-z0-9-]+)==[^\\\n]+\\\n    --hash=sha256:", page("requirements/all.txt"), re.MULTILINE)
    assert {re.split(r"[<>=\[; ]", name)[0].replace(".", "-") for name in requested} <= set(locked)


def settings() -> list[tuple[str, str]]:
    """Return the variables of the compose file with their defaults, in its order."""
    return re.findall(r"\$\{(TESTBED_\w+):-(.*?)\}", COMPOSE.read_text())


def test_each_compose_default_stands_once_and_is_documented() -> None:
    rows = re.findall(r"^\| `(TESTBED_\w+)` \| (?:`(.*?)`)? ?\|", page("docs/compose.md"), re.MULTILINE)
    assert sorted(set(settings())) == sorted(rows)
    several = {name for name, _ in settings() if [other for other, _ in settings()].count(name) > 1}
    assert several == {"TESTBED_TAG"}  # part of four names, which no anchor can hold


def _written(default: object) -> str:
    """Return a default as Compose writes it; the sidecar reads an empty text as its default."""
    return "" if default is None else str(default) if isinstance(default, str) else f"{default:g}"


def test_compose_has_the_defaults_of_the_contracts() -> None:
    """Besides the link's delay, which the stack is there to show, and what Compose alone needs."""
    programs = {option.variable: option.default for option in OPTION_SPECS}
    sidecar = {variable.name: default for variable, default in variables()}
    linked = re.findall(r"^  (NETEM_\w+): \$\{(TESTBED_\w+):-.*\}$", COMPOSE.read_text(), re.MULTILINE)
    known = programs | {theirs: sidecar[ours] for ours, theirs in linked if ours != "NETEM_IMPAIRMENT"}
    defaults = {name: _written(known[name]) for name, _ in settings() if name in known}
    assert defaults == {name: default for name, default in settings() if name in known}
    assert {name for name, _ in settings()} - known.keys() == {"TESTBED_NETEM", "TESTBED_SUBNET6", "TESTBED_TAG"}


def test_the_compose_file_keeps_its_rules() -> None:
    model = YAML(typ="safe").load(COMPOSE)
    assert not {"version", "name"} & model.keys()
    for name, service in model["services"].items():
        assert not {"container_name", "ports", "privileged", "user"} & service.keys(), name
        assert service["read_only"] is True
        assert service["init"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["pull_policy"] == "never", "another registry's image may have the same name"
        assert service["security_opt"] == ["no-new-privileges:true"]
        if name.endswith("-netem"):
            assert service["cap_add"] == ["NET_ADMIN", "NET_RAW", "SYS_NICE"]
            assert service["networks"]["link"]["aliases"] == [name.removesuffix("-netem")]
        else:
            assert not {"cap_add", "devices", "networks"} & service.keys(), name
            assert service["network_mode"] == f"service:{name}-netem"
            assert service["depends_on"][f"{name}-netem"] == {"condition": "service_healthy"}


def test_no_path_of_a_machine_and_no_registry_is_named() -> None:
    """Files are the same on every machine; the source of packages depends on the machine."""
    forbidden = re.compile(r"(?<![\w.])/(?:work|home|Users)/\w|pypi\.org|pythonhosted|deb\.debian|crates\.io")
    suffixes = {".md", ".py", ".toml", ".yml", ".yaml", ".txt", ".in", ".c", ".h", ".client", ".server", ".cserver", ""}
    folders = ("app", "netem", "docs", "tests", "tools", "scenarios", "benchmarks", "requirements", ".github", ".ci")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    # Both are written for one checkout; .git is a file in a further work tree.
    files += [path for path in ROOT.iterdir() if path.is_file() and path.name not in (".env", ".git")]
    for path in files:
        if path.suffix in suffixes and "__pycache__" not in path.parts and path != Path(__file__):
            found = forbidden.search(path.read_text(errors="replace"))
            assert not found, f"{path.relative_to(ROOT)}: {found[0]}"


def test_every_benchmark_has_its_row() -> None:
    rows = re.findall(r"^\| `(bench_\w+\.py)` \|", page("benchmarks/README.md"), re.MULTILINE)
    assert sorted(rows) == sorted(path.name for path in (ROOT / "benchmarks").glob("bench_*.py"))


def test_the_changelog_has_its_form() -> None:
    """Keep a Changelog: newest first, known kinds of change, the version of pyproject.toml released or under way."""
    text = page("CHANGELOG.md")
    versions = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d{2}-\d{2}))?$", text, re.MULTILINE)
    assert versions[0] == ("Unreleased", "")
    numbers = [tuple(map(int, version.split("."))) for version, _ in versions[1:]]
    assert numbers == sorted(numbers, reverse=True)
    assert all(date for _, date in versions[1:])
    assert tomllib.loads(page("pyproject.toml"))["project"]["version"] in dict(versions)
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_license_is_the_one_that_the_package_declares() -> None:
    project = tomllib.loads(page("pyproject.toml"))["project"]
    assert project["license"] == "MIT"
    assert page("LICENSE").startswith("MIT License\n")
