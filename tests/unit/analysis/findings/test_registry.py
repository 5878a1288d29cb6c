import re
from typing import get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.analysis.events import parse_log
from testbed.analysis.findings.measured import Fact, Measured, NotMeasured
from testbed.analysis.findings.registry import RULES, measure
from testbed.analysis.findings.verdict import verdict
from testbed.analysis.join.cell_folder import observe_connection
from testbed.analysis.join.observation import End, Observation
from testbed.analysis.join.samples import parse_samples
from testbed.analysis.packets.capture import analyse_capture
from tests.support.captures import pcap
from tests.support.effort import many
from tests.support.transfers import OFFSET_NS, captured, fast_reader, slow_network, slow_reader, slow_sender, swallowed

TRANSFERS = {made.__name__: made() for made in (slow_reader, swallowed, fast_reader, slow_network, slow_sender)}
UNITS = ("_s", "_ms", "_bytes", "_share", "_bytes_per_s", "_ratio", "_per_frame", "_per_segment", "_per_period_median")


def test_every_rule_is_registered_under_its_name() -> None:
    assert all(name == rule.name for name, rule in RULES.items())
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in RULES)
    assert all(rule.question.endswith("?") and rule.looks_at for rule in RULES.values())


@pytest.mark.parametrize("name", TRANSFERS)
def test_every_rule_answers_with_a_fact_of_its_own(name: str) -> None:
    observation = TRANSFERS[name].observe()
    for rule in RULES.values():
        answer = rule.measure(observation)
        assert isinstance(answer, NotMeasured) or type(answer.fact) in rule.facts


@pytest.mark.parametrize("name", TRANSFERS)
def test_answers_are_complete(name: str) -> None:
    answers = measure(TRANSFERS[name].observe())
    assert answers.keys() == RULES.keys()
    measured = [answer for answer in answers.values() if isinstance(answer, Measured)]
    assert list(answers.values())[: len(measured)] == measured
    strengths = [answer.strength for answer in measured]
    assert strengths == sorted(strengths, reverse=True)
    assert all(answer.evidence for answer in measured)
    absent = [name for name, answer in answers.items() if isinstance(answer, NotMeasured) and answer.reason]
    assert absent == [name for name in RULES if name in absent]
    assert len(measured) + len(absent) == len(RULES)


@pytest.mark.parametrize("fact", [fact for rule in RULES.values() for fact in rule.facts])
def test_fields_name_their_unit(fact: type[Fact]) -> None:
    floats = [name for name, kind in get_type_hints(fact).items() if float in (kind, *get_args(kind))]
    assert all(name.endswith(UNITS) for name in floats), floats


@settings(max_examples=many(30), deadline=None)
@given(data=st.data())
def test_whatever_is_missing_no_rule_breaks(data: st.DataObject) -> None:
    """Cut logs, samples and captures anywhere."""
    transfer = data.draw(st.sampled_from(list(TRANSFERS.values())))
    files = transfer.files()
    segments = transfer.segments
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, len(segments))] * 2)))
    capture = analyse_capture(pcap(segments[first:last]))
    for connection in capture.connections():
        observation = observe_connection(connection, capture, "cut.pcap")
        facts = [answer.fact for answer in measure(observation).values() if isinstance(answer, Measured)]
        assert facts or verdict(observation, facts)
    assert measure(_cut(files, data)).keys() == RULES.keys()


def _cut(files: dict[str, bytes], data: st.DataObject) -> Observation:

    ends = []
    for role in ("client", "server"):
        texts = {}
        for name in ("events.csv", "sockets.csv"):
            lines = files[f"{role}/{name}"].decode().splitlines()
            low = data.draw(st.integers(1, len(lines)))
            texts[name] = [lines[0], *lines[low : data.draw(st.integers(low, len(lines)))]]
        log = parse_log(texts["events.csv"])
        capture = captured(files[f"{role}/capture.pcap"]) if data.draw(st.booleans()) else None
        ends.append(
            End(
                "client" if role == "client" else "server",
                log=log if log.by_op else None,
                samples=parse_samples(texts["sockets.csv"]),
                capture=capture,
            )
        )
    return Observation(sender=ends[0], receiver=ends[1], realtime_offset_ns=OFFSET_NS)
