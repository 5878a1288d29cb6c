"""The expressions of --filter, compared with Python's own operators on random ones, and their messages."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.errors import InputError
from testbed.scenario.expand import PlannedCell, expand
from testbed.scenario.filter import MAX_DEPTH, parse_filter
from testbed.scenario.model import FIELDS

CELLS = expand(
    {
        "family": ["ipv4", "ipv6"],
        "server": ["py", "c"],
        "delay": ["0", "250ms", "1s", "1m"],
        "chunk": ["10k", 100],
        "timeout": [None, "5s"],
    }
)
US = {"0": 0, "250ms": 250_000, "1s": 1_000_000, "1m": 60_000_000, "1.5s": 1_500_000}
BYTES = {"10k": 10_240, "100": 100, "1kB": 1000}


def chosen(text: str) -> list[PlannedCell]:
    return list(filter(parse_filter(text), CELLS))


def test_the_example() -> None:
    found = chosen("family == ipv6 and delay >= 1s and not server == c")
    assert found == [
        each
        for each in CELLS
        if each.cell.family == "ipv6" and each.cell.read_delay_us >= 1_000_000 and each.cell.server != "c"
    ]
    assert found


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("id ~ py-c-*", 32),
        ("id !~ 'py-c-*'", 32),
        ("id ~ *delay_60s*", 16),
        ("server ~ [a-c]", 32),
        ("delay<1s", 32),
        ("delay == 0.25s", 16),
        ("delay == 60s or delay == 0", 32),
        ("chunk >= 10KiB", 32),
        ("timeout == none", 32),
        ("timeout != none", 32),
        ("timeout > 1s", 32),
        ("timeout ~ none", 32),
        ("nodelay == true", 0),
        ("nodelay == off", 64),
        ("nodelay ~ false", 64),
        ("netem == ''", 64),
        ("netem_client == none", 64),
        ("sysctl ~ *tcp_sack*", 0),
        ("nodes == 200", 64),
        ("kernel == host", 64),
        ("not not family == ipv4", 32),
        ("(family == ipv4)", 32),
        ("family == ipv4 and server == c or family == ipv6 and server == py", 32),
        ("not (family == ipv4 or server == c) and chunk == 100", 8),
        ("\n family\t==ipv4 ", 32),
    ],
)
def test_what_an_expression_chooses(text: str, count: int) -> None:
    assert len(chosen(text)) == count


def test_values_are_canonical_before_they_are_compared() -> None:
    cells = expand({"rto_min": ["300ms", ""], "mtu": 1400, "sysctl": {"net.ipv4.tcp_sack": "0"}})
    assert [each.cell.rto_min for each in cells if parse_filter("rto_min == 0.3s")(each)] == ["300ms"]
    assert all(map(parse_filter("mtu == client=1400,server=1400".replace("client=1400,server=1400", "1400")), cells))
    assert all(map(parse_filter("mtu == 'client=1400,server=1400'"), cells))
    assert all(map(parse_filter("sysctl ~ '*tcp_sack: 0*'"), cells))


@pytest.mark.parametrize(
    ("text", "column", "message", "hint"),
    [
        ("", 1, "an empty expression chooses nothing", "such as: family"),
        ("family = ipv4", 8, "unexpected '='", "compare with =="),
        ("famly == ipv4", 1, "unknown field 'famly'", "did you mean 'family'?"),
        ("qqqqq == ipv4", 1, "unknown field 'qqqqq'", "a field of a scenario, or id"),
        ("family ipv4", 8, "expected ==, !=, <, <=, >, >=, ~ or !~ after family, not 'ipv4'", "such as"),
        ("family ==", 10, "expected a value, not the end", "such as"),
        ("family == (", 11, "expected a value, not '('", "such as"),
        ("family == ipv7", 11, "family: 'ipv4' or 'ipv6', not 'ipv7'", ""),
        ("family < ipv4", 8, "family has no order", "use ==, !=, ~ or !~"),
        ("nodelay < true", 9, "nodelay has no order", "use =="),
        ("id > a", 4, "id has no order", "use =="),
        ("timeout < none", 11, "none has no order", "use == or !="),
        ("delay == 5", 10, "delay: '5' has no unit: write 5ms or 5s", ""),
        ("nodes == many", 10, "nodes: an integer, not 'many'", ""),
        ("netem == 'foo 3'", 10, 'netem: word 1 "foo" is not a keyword', ""),
        ("profile == x", 9, "profile is not one value", "profile ~ '*...*'"),
        ("(family == ipv4", 16, "expected `)` for the `(` in column 1, not the end", "such as"),
        ("family == ipv4)", 15, "expected `and`, `or` or the end, not ')'", "such as"),
        ("family == ipv4 nodes == 1", 16, "expected `and`, `or` or the end, not 'nodes'", "such as"),
        ("family == ipv4 and", 19, "expected a field, not the end", "such as"),
        ("delay >= 'x", 10, "a quotation mark without its counterpart", "such as"),
        ("not " * (MAX_DEPTH + 1) + "nodes == 1", 4 * MAX_DEPTH + 1, f"nested more than {MAX_DEPTH} deep", "such as"),
    ],
)
def test_a_mistake_is_reported_with_its_column(text: str, column: int, message: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_filter(text)
    first, shown, mark = caught.value.problems
    assert first.startswith(f"--filter:{column}: {message}")
    assert caught.value.hint.startswith(hint) or hint in caught.value.hint
    assert bool(caught.value.hint) == bool(hint)
    assert (shown, mark.index("^")) == (f"  {text}", column + 1)


LEAVES = st.one_of(
    st.tuples(st.just("family"), st.sampled_from(["==", "!="]), st.sampled_from(["ipv4", "ipv6"])),
    st.tuples(st.just("delay"), st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), st.sampled_from(list(US))),
    st.tuples(st.just("chunk"), st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), st.sampled_from(list(BYTES))),
)
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.tuples(st.just("not"), inner), st.tuples(st.sampled_from(["and", "or"]), inner, inner)),
    max_leaves=12,
)


def written(tree: tuple[Any, ...]) -> str:
    if tree[0] == "not":
        return f"not ({written(tree[1])})"
    if tree[0] in ("and", "or"):
        return f"({written(tree[1])}) {tree[0]} ({written(tree[2])})"
    return " ".join(tree)


def holds(tree: tuple[Any, ...], planned: PlannedCell) -> bool:
    if tree[0] == "not":
        return not holds(tree[1], planned)
    if tree[0] in ("and", "or"):
        parts = [holds(each, planned) for each in tree[1:]]
        return all(parts) if tree[0] == "and" else any(parts)
    cell = planned.cell
    own: Any = {"family": cell.family, "delay": cell.read_delay_us, "chunk": cell.chunk_bytes}[tree[0]]
    wanted: Any = {**US, **BYTES}.get(tree[2], tree[2])
    return {
        "==": own == wanted,
        "!=": own != wanted,
        **(
            {"<": own < wanted, "<=": own <= wanted, ">": own > wanted, ">=": own >= wanted}
            if tree[0] != "family"
            else {}
        ),
    }[tree[1]]


@given(EXPRESSIONS)
def test_any_expression_means_what_its_tree_means(tree: tuple[Any, ...]) -> None:
    predicate = parse_filter(written(tree))
    assert [predicate(each) for each in CELLS] == [holds(tree, each) for each in CELLS]


@given(LEAVES, LEAVES, LEAVES)
def test_and_binds_tighter_than_or_and_not_tightest(a: Any, b: Any, c: Any) -> None:
    text = f"not {written(a)} and {written(b)} or {written(c)}"
    tree = ("or", ("and", ("not", a), b), c)
    assert [parse_filter(text)(each) for each in CELLS] == [holds(tree, each) for each in CELLS]


@given(st.lists(st.sampled_from([*FIELDS, "and", "or", "not", "(", ")", "==", "<", "~", "'", "x", "1s", "ipv4", "="])))
def test_any_words_are_an_expression_or_a_mistake_with_a_column(words: list[str]) -> None:
    text = " ".join(words)
    try:
        predicate = parse_filter(text)
    except InputError as error:
        match = re.match(r"--filter:(\d+): ", error.problems[0])
        assert match
        assert 1 <= int(match[1]) <= len(text) + 1
    else:
        assert isinstance(predicate(CELLS[0]), bool)
