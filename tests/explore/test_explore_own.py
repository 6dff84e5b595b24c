"""A person's own data are read as they were meant, or refused with the reason."""

from __future__ import annotations

from typing import Any

import asking
import pytest
from asking import told

from modelcollapse.explore import own, server, settings

served = asking.served


@pytest.mark.parametrize(
    ("text", "kind", "column", "found"),
    [
        ("500, 120, 40 9", "counts", None, {"1": 500, "2": 120, "3": 40, "4": 9}),
        ("cat 3\ndog: 5\n\nSão Paulo = 9", "counts", None, {"cat": 3, "dog": 5, "São Paulo": 9}),
        ("state,count\ncat,3\ndog,5", "counts", None, {"cat": 3, "dog": 5}),
        ('"New York, NY": 4\nBonn\t5', "counts", None, {"New York, NY": 4, "Bonn": 5}),
        ("3\n4\n5", "counts", None, {"1": 3, "2": 4, "3": 5}),
        ("count\n3\n4\n5", "counts", None, {"1": 3, "2": 4, "3": 5}),
        ("500 120 40 9\n3 2 1", "counts", None, {"1": 500, "2": 120, "3": 40, "4": 9, "5": 3, "6": 2, "7": 1}),
        ("500,120,40,9", "counts", None, {"1": 500, "2": 120, "3": 40, "4": 9}),
        ("state,count\n7,120\n8,300", "counts", None, {"7": 120, "8": 300}),
        ("1: 5\n2: 6", "counts", None, {"1": 5, "2": 6}),
        ('route 66: 300\n"area, 51", 200', "counts", None, {"route 66": 300, "area, 51": 200}),
        ("\ufeffcat 3\ndog 5", "counts", None, {"cat": 3, "dog": 5}),
        ("\ufeffcolour\nred\nred\nblue", "csv", None, {"blue": 1, "red": 2}),
        ("cat 9007199254740991\ndog 1", "counts", None, {"cat": 2**53 - 1, "dog": 1}),
        ("cat 3\ndog 0\nox 5", "counts", None, {"cat": 3, "ox": 5}),
        ("The cat and the dog", "words", None, {"the": 2, "and": 1, "cat": 1, "dog": 1}),
        ("colour\nred\nred\nblue", "csv", None, {"blue": 1, "red": 2}),
        ("x;y\na;1\nb;2\na;3", "csv", "x", {"a": 2, "b": 1}),
        ("x;y\na;1\nb;2\na;3", "csv", "y", {"1": 1, "2": 1, "3": 1}),
    ],
)
def test_own_data_are_read_and_simulated(
    served: server.Server, text: str, kind: str, column: str | None, found: dict[str, int]
) -> None:
    answer = told(served, "read", {"text": text, "kind": kind, "column": column})
    assert dict(zip(answer["states"], answer["weights"], strict=True)) == found
    assert answer["said"].startswith("Read ")
    weights = settings.Weights.of({"states": answer["states"], "weights": answer["weights"]})
    assert list(weights.source().names) == list(found)


@pytest.mark.parametrize(
    ("text", "kind", "column", "message"),
    [
        ("", "counts", None, "text is empty"),
        (" \n", "words", None, "text is empty"),
        (3, "words", None, "text must be"),
        ("a b", "letters", None, "kind must be"),
        ("hello", "counts", None, "the table, line 1"),
        ("1.5,2", "counts", None, "counts must be whole numbers"),
        ("-3,2", "counts", None, "counts must be whole numbers"),
        ("a: 3\na: 4", "counts", None, "line 2: the state 'a' has a count in line 1 already"),
        ("cat 1,200\ndog 300", "counts", None, "line 1: '1,200' may be one number or several: write '1200' or '1 200'"),
        ("1,200\n3,400", "counts", None, "line 1: '1,200' may be one number or several"),
        ("cat 5\n1,200 dog", "counts", None, "line 2: '1,200' may be one number or several"),
        ("cat;3\ndog;1,000", "counts", None, "line 2: '1,000' may be one number or several"),
        ("cat 1.000\ndog 2.000", "counts", None, "line 1: '1.000' may be one number or several"),
        ("cat 1 200\ndog 300", "counts", None, "line 1: 'cat 1 200' has two numbers at its end"),
        ("dog 3\ncat 12,5", "counts", None, "line 2: 'cat 12,5' has two numbers at its end"),
        ("cat,1,200\ndog,3,400", "counts", None, "line 1: 'cat,1,200' has two numbers at its end"),
        ("1 5\n2 6", "counts", None, "line 1: '1 5' may be a state and its count or two counts"),
        ("cat 3\n500 120 40 9", "counts", None, "line 2: '500 120 40 9' has a number where the name of a state"),
        ("9007199254740993\n3", "counts", None, "line 1: a count must be below 2**53, to stay exact, got"),
        ("cat " + "9" * 5000 + "\ndog 3", "counts", None, "line 1: a count must be below 2**53"),
        ("state,count\ncat,9007199254740993\ndog,3", "counts", None, "a count that is not below 2**53"),
        ("a: 0\nb: 3", "counts", None, "weights must be above 0 for at least 2 states, got 'b' alone"),
        ("a: 0\nb: 0", "counts", None, "weights must not all be 0"),
        ("123", "words", None, "text must hold at least one word"),
        ("one", "words", None, "states must be 2 to 500, got 1"),
        ("a\ud800", "words", None, "half a character"),
        ("a b", "words", "x", "column is for a table"),
        ("x,y\na,1\nb,2", "csv", "z", "must have one column 'z'; its columns are 'x', 'y'"),
        ("x\n" + "\n".join(map(str, range(600))), "csv", None, "600 different values"),
        ("x,y\na,1\nb", "csv", None, "line 3 has 1 cells"),
    ],
)
def test_data_that_cannot_be_read_are_refused_with_the_reason(
    served: server.Server, text: Any, kind: str, column: str | None, message: str
) -> None:
    refused = told(served, "read", {"text": text, "kind": kind, "column": column})["refused"]
    assert message in refused
    assert "/" not in refused.replace("a JSON", "")  # no path of a file that the person does not know


def test_of_several_columns_one_is_to_be_chosen(served: server.Server) -> None:
    answer = told(served, "read", {"text": "x,y\na,1\nb,2", "kind": "csv", "column": None})
    assert answer == {"refused": "the table has 2 columns: choose the one with the states", "columns": ["x", "y"]}


def test_rare_words_of_a_long_text_are_one_state(served: server.Server) -> None:
    text = " ".join("".join(chr(97 + int(d)) for d in f"{i:04d}") for i in range(700))
    answer = told(served, "read", {"text": text, "kind": "words", "column": None})
    assert len(answer["states"]) == 500
    assert answer["states"][-1] == "all other words"
    assert sum(answer["weights"]) == 700
    assert "499 most frequent" in answer["said"]


@pytest.mark.parametrize(
    "text",
    [
        "12  " * 500_000 + "total",
        "a " * 1_000_000 + "b",
        "1" * 2_000_000,
        "a" + " " * 2_000_000 + "b",
        "," * 2_000_000 + "x",
        "1,123" * 400_000,
        "1 " * 1_000_000 + "1",
        '"' * 2_000_000,
    ],
    ids=["numbers and a word", "words", "one number", "spaces", "commas", "groups", "numbers", "quotation marks"],
)
def test_counts_of_any_form_are_read_or_refused_in_time(text: str) -> None:
    """A pattern that tries again and again would not end."""
    with pytest.raises(ValueError, match=r"."):
        own.read(text, "counts")
