import pytest

from services.runtime.errors import InvalidRequest
from services.runtime.llama.references import References


def test_a_reference_may_go_through_a_list() -> None:
    assert References({"anyOf": [1, {"a/b": 2}]}).target("#/anyOf/1/a~1b") == 2


@pytest.mark.parametrize("index", ["2", "-1", "01", "9" * 5000, "a", ""])
def test_what_is_no_place_in_a_list_is_refused(index: str) -> None:
    with pytest.raises(InvalidRequest, match="there is nothing at #/anyOf/"):
        References({"anyOf": [1, 2]}).target(f"#/anyOf/{index}")
