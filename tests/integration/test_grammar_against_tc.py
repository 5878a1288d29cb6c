"""Compare the grammar with tc itself.

tc parses its text before it queries the kernel, so its verdict shows on any kernel: success, or an answer of the kernel
(it has no such discipline, or it rejects a value), means that the text was accepted; any other answer is a rejection.
Where the kernel has netem, the discipline is deleted after each text. The container has a network namespace of its own.
"""

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from netem.spec import parse, tc_words
from tests.support.image_builds import IPROUTE2, build_tools

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("tc")]

TESTS = Path(__file__).resolve().parents[1]
ROWS = [
    line.split("\t")
    for line in (TESTS / "vectors" / "netem" / "grammar.tsv").read_text().splitlines()
    if not line.startswith("#")
]
ANSWERS_OF_THE_KERNEL = ("Error: ", "RTNETLINK answers: ")
# Reads texts from the arguments and prints a line for each: exit code of tc, tab, first line of its output.
VERDICTS = r"""
for text in "$@"; do
  answer=$(tc qdisc add dev lo root netem $text 2>&1 </dev/null); status=$?
  printf '%s\t%s\n' "$status" "$(printf '%s' "$answer" | head -n 1)"
  tc qdisc del dev lo root 2>/dev/null
done
"""


@pytest.fixture(scope="module")
def tc() -> Iterator[Container]:
    client = docker.from_env()
    container = client.containers.run(
        build_tools(client, IPROUTE2),
        ["sleep", "300"],
        network_mode="none",
        cap_drop=["ALL"],
        cap_add=["NET_ADMIN"],
        init=True,
        detach=True,
        labels={"testbed.test": "1"},
    )
    try:
        yield container
    finally:
        container.remove(force=True)
        client.close()


def verdicts(tc: Container, texts: list[str]) -> list[tuple[bool, str]]:
    status, output = tc.exec_run(["sh", "-c", VERDICTS, "sh", *texts])
    assert status in (0, 1, 2), output
    lines = [line.partition("\t") for line in output.decode().splitlines()]
    assert len(lines) == len(texts), output
    return [(code == "0" or answer.startswith(ANSWERS_OF_THE_KERNEL), answer) for code, _, answer in lines]


def test_tc_and_the_grammar_accept_and_reject_the_same(tc: Container) -> None:
    assert len(ROWS) >= 80
    texts = [row[2] for row in ROWS]
    wrong = [
        f"{row[2]!r}: tc {'accepts' if accepted else 'rejects'} it: {answer}"
        for row, (accepted, answer) in zip(ROWS, verdicts(tc, texts), strict=True)
        if accepted != (row[0] == "yes")
    ]
    assert not wrong, "\n".join(wrong)


def test_tc_accepts_our_words(tc: Container) -> None:
    """Check the words that we pass to tc for every text that we accept, with units and limit."""
    texts = [" ".join(tc_words(parse(row[2]))) for row in ROWS if row[1] == "yes" and "nosuchtable" not in row[2]]
    wrong = [
        f"{text!r}: {answer}"
        for text, (accepted, answer) in zip(texts, verdicts(tc, texts), strict=True)
        if not accepted
    ]
    assert not wrong, "\n".join(wrong)


def test_tc_never_gets_a_time_without_a_unit() -> None:
    """tc before 6.9 takes a delay without a unit for microseconds, later versions for nanoseconds."""
    commands = [tc_words(parse(row[2])) for row in ROWS if row[1] == "yes"]
    times = [words[words.index(name) + 1] for words in commands for name in ("delay", "slot") if name in words]
    assert len(times) > 20
    assert [time for time in times if time != "distribution" and time.isdecimal()] == []
