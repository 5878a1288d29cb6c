"""The grammar against tc itself.

tc parses its text before it asks the kernel, so its verdict shows on any kernel: success, or an answer of the kernel
(it has no such discipline, or it refuses a value), means that the text was taken; any other answer is tc's refusal.
Where the kernel has netem, the discipline is deleted after each text. The container has a network namespace of its own.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from netem.spec import parse, tc_words

pytestmark = pytest.mark.docker

TESTS = Path(__file__).resolve().parents[1]
ROWS = [
    line.split("\t")
    for line in (TESTS / "vectors" / "netem" / "grammar.tsv").read_text().splitlines()
    if not line.startswith("#")
]
ANSWERS_OF_THE_KERNEL = ("Error: ", "RTNETLINK answers: ")
# reads texts from the arguments: one verdict a line, `tc exit status`, tab, first line of the answer
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
    dockerfile = TESTS / "support" / "tools" / "Dockerfile.iproute2"
    image, _ = client.images.build(fileobj=io.BytesIO(dockerfile.read_bytes()), tag="testbed-test-iproute2", rm=True)
    container = client.containers.run(
        image,
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


def test_tc_and_we_take_and_refuse_the_same(tc: Container) -> None:
    assert len(ROWS) >= 80
    texts = [row[2] for row in ROWS]
    wrong = [
        f"{row[2]!r}: tc {'takes' if taken else 'refuses'} it: {answer}"
        for row, (taken, answer) in zip(ROWS, verdicts(tc, texts), strict=True)
        if taken != (row[0] == "yes")
    ]
    assert not wrong, "\n".join(wrong)


def test_tc_takes_what_we_write(tc: Container) -> None:
    """Our words for tc, of every text that we take: units, limit and all."""
    texts = [" ".join(tc_words(parse(row[2]))) for row in ROWS if row[1] == "yes" and "nosuchtable" not in row[2]]
    wrong = [
        f"{text!r}: {answer}" for text, (taken, answer) in zip(texts, verdicts(tc, texts), strict=True) if not taken
    ]
    assert not wrong, "\n".join(wrong)


def test_a_bare_time_is_never_left_to_tc() -> None:
    """tc before 6.9 reads a bare delay as microseconds, later ones as nanoseconds."""
    commands = [tc_words(parse(row[2])) for row in ROWS if row[1] == "yes"]
    times = [words[words.index(name) + 1] for words in commands for name in ("delay", "slot") if name in words]
    assert len(times) > 20
    assert [time for time in times if time != "distribution" and time.isdecimal()] == []
