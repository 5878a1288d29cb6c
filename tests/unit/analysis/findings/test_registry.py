import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.analysis.findings.registry import RULES, explain
from testbed.analysis.join.calls import parse_calls
from testbed.analysis.join.load import observe_connection
from testbed.analysis.join.observation import End, Observation
from testbed.analysis.join.samples import parse_samples
from testbed.analysis.packets.capture import analyse_capture
from tests.support.captures import pcap
from tests.support.transfers import OFFSET_NS, captured, fast_reader, slow_network, slow_reader, slow_sender, swallowed

TRANSFERS = {made.__name__: made() for made in (slow_reader, swallowed, fast_reader, slow_network, slow_sender)}
UNITS = ("_s", "_ms", "_bytes", "_share", "_bytes_per_s", "_ratio", "_per_frame", "_per_segment", "_per_closure_median")


def test_every_rule_is_registered_under_its_name() -> None:
    assert len(RULES) == 17
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in RULES)
    assert all(rule.question.endswith("?") and rule.looks_at for rule in RULES.values())


@pytest.mark.parametrize("name", TRANSFERS)
def test_every_rule_answers_under_its_name(name: str) -> None:
    observation = TRANSFERS[name].observe()
    assert [rule.explain(observation).name for rule in RULES.values()] == list(RULES)


@pytest.mark.parametrize("name", TRANSFERS)
def test_answers_are_complete(name: str) -> None:
    explanation = explain(TRANSFERS[name].observe())
    assert len(explanation.findings) + len(explanation.silent) == len(RULES)
    strengths = [finding.strength for finding in explanation.findings]
    assert strengths == sorted(strengths, reverse=True)
    for finding in explanation.findings:
        assert finding.sentence.endswith(".")
        assert finding.evidence, finding.name
        floats = [key for key, value in finding.numbers.items() if isinstance(value, float)]
        assert all(key.endswith(UNITS) for key in floats), floats
    assert all(silence.reason for silence in explanation.silent)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_is_missing_no_rule_breaks(data: st.DataObject) -> None:
    """Cut logs, samples and captures anywhere."""
    transfer = data.draw(st.sampled_from(list(TRANSFERS.values())))
    files = transfer.files()
    segments = transfer.segments
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, len(segments))] * 2)))
    capture = analyse_capture(pcap(segments[first:last]))
    for connection in capture.connections():
        told = explain(observe_connection(connection, capture, "cut.pcap"))
        assert told.verdict or len(told.silent) < len(RULES)
    observation = _cut(files, data)
    answers = explain(observation)
    assert len(answers.findings) + len(answers.silent) == len(RULES)


def _cut(files: dict[str, bytes], data: st.DataObject) -> Observation:

    ends = []
    for role in ("client", "server"):
        texts = {}
        for name in ("events.csv", "sockets.csv"):
            lines = files[f"{role}/{name}"].decode().splitlines()
            low = data.draw(st.integers(1, len(lines)))
            texts[name] = [lines[0], *lines[low : data.draw(st.integers(low, len(lines)))]]
        log = parse_calls(texts["events.csv"])
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
