import pytest

from benchmarks.generated import END, begin_of, put

BEGIN = begin_of("benchmarks.example")


def test_only_the_generated_part_is_replaced() -> None:
    document = f"# Head\n{BEGIN}\nold\n{END}\ntail\n"
    assert put(document, BEGIN, "new") == f"# Head\n{BEGIN}\n\nnew\n\n{END}\ntail\n"
    assert put(put(document, BEGIN, "new"), BEGIN, "new") == put(document, BEGIN, "new")


@pytest.mark.parametrize("document", ["", f"{BEGIN}\n", f"{END}\n", f"{END}\n{BEGIN}\n"])
def test_a_page_without_its_marks_is_not_changed(document: str) -> None:
    with pytest.raises(ValueError, match=r"benchmarks\.example"):
        put(document, BEGIN, "new")
