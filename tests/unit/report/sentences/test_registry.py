from importlib import import_module
from pkgutil import iter_modules

import pytest

from testbed.analysis import findings
from testbed.analysis.findings.handshake import Attempt
from testbed.analysis.findings.measured import Fact, Measured
from testbed.analysis.findings.registry import RULES, measure
from testbed.analysis.findings.verdict import Transferred, Verdict
from testbed.report.sentences.registry import SENTENCES, words
from tests.support.transfers import fast_reader, slow_network, slow_reader, slow_sender, swallowed


def test_every_fact_has_a_sentence() -> None:
    assert {fact for rule in RULES.values() for fact in rule.facts} <= SENTENCES.keys()


def test_every_kind_of_fact_is_rendered() -> None:
    """What weakens a fact or replaces it has a text, too."""
    modules = [import_module(f"{findings.__name__}.{found.name}") for found in iter_modules(findings.__path__)]
    kinds = {kind for module in modules for kind in vars(module).values() if isinstance(kind, type)}
    kinds = {kind for kind in kinds if issubclass(kind, Fact) and not kind.__subclasses__()}
    of_the_verdict = {Attempt, Transferred, Verdict}
    assert kinds - of_the_verdict == SENTENCES.keys()


@pytest.mark.parametrize("transfer", [slow_reader, slow_network, slow_sender, fast_reader, swallowed])
def test_facts_become_sentences_and_the_rest_clauses(transfer) -> None:
    for answer in measure(transfer().observe()).values():
        if isinstance(answer, Measured):
            assert words(answer.fact).endswith(".")
            assert not any(words(phrase).endswith(".") for phrase in (*answer.contradicted_by, *answer.not_observed))
        else:
            assert not words(answer.reason).endswith(".")


def test_a_constant_phrase_stays_as_it_is() -> None:
    assert words("there is no capture") == "there is no capture"
