from testbed.report.sentences.wording import joined, sentence_of


def test_a_clause_becomes_a_sentence() -> None:
    assert sentence_of("the buffer grew") == "The buffer grew."


def test_clauses_are_joined() -> None:
    assert joined(["a", "b"]) == "a and b"
    assert joined([]) == ""
