"""Sources take numbers and data in whatever users hold them, in either precision, and refuse by name what they cannot
hold.
"""

import collections
import datetime
import decimal
import fractions
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies

import modelcollapse as mc


@pytest.fixture(params=[32, 64], ids=["float32", "float64"])
def bits(request: pytest.FixtureRequest) -> Iterator[int]:
    with jax.enable_x64(request.param == 64):
        yield request.param


def refused(call: Callable[[], Any], kind: type[Exception] | tuple[type[Exception], ...], *parts: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    for part in parts:
        assert part in str(caught.value), f"{part!r} is not in: {caught.value}"
    assert len(str(caught.value)) < 400, caught.value


# one number: argument -> constructor of that argument alone, and a value that it takes
ONE: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "bernoulli chance": (mc.bernoulli, 0.5),
    "binomial trials": (lambda v: mc.binomial(v, 0.5), 2),
    "binomial chance": (lambda v: mc.binomial(2, v), 0.5),
    "poisson mean": (mc.poisson, 0.5),
    "negative_binomial mean": (lambda v: mc.negative_binomial(v, 2), 0.5),
    "negative_binomial successes": (lambda v: mc.negative_binomial(2, v), 0.5),
    "exponential mean": (mc.exponential, 0.5),
    "gamma mean": (lambda v: mc.gamma(v, 2), 0.5),
    "gamma shape": (lambda v: mc.gamma(2, v), 0.5),
    "uniform end": (mc.uniform, 0.5),
    "pareto index": (mc.pareto, 0.5),
    "pareto minimum": (lambda v: mc.pareto(2, v), 0.5),
    "linear noise": (lambda v: mc.linear([1.0], noise=v), 0.5),
    "normal mean": (mc.normal, 0.5),
    "normal covariance": (lambda v: mc.normal(0, v), 0.5),
}
# arrays: argument -> constructor, and a value
MANY: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "categorical weights": (mc.categorical, [0.25, 0.75]),
    "normal mean": (mc.normal, [0.25, 0.75]),
    "normal covariance": (lambda v: mc.normal([0, 0], v), [[2.0, 0.5], [0.5, 1.0]]),
    "normal_mixture weights": (lambda v: mc.normal_mixture(v, [0, 1], [1, 1]), [0.25, 0.75]),
    "normal_mixture means": (lambda v: mc.normal_mixture([0.5, 0.5], v, [1, 1]), [0.25, 0.75]),
    "normal_mixture covariances": (lambda v: mc.normal_mixture([0.5, 0.5], [0, 1], v), [0.25, 0.75]),
    "linear weights": (mc.linear, [0.25, 0.75]),
    "linear covariance": (lambda v: mc.linear([1, 1], v), [[2.0, 0.5], [0.5, 1.0]]),
    "linear design": (lambda v: mc.linear([1, 1], design=v), [[1.0, 0.5], [0.5, 1.0]]),
    "table rows": (mc.table, [[1.0, 0.5], [0.5, 1.0]]),
}
NO_NUMBER = {
    "text": "abc", "a number as text": "0.5", "complex": 0.5 + 1j, "a truth value": True, "nothing": None,
    "an object": object(), "a dictionary": {}, "a time": datetime.date(2020, 1, 1),
}  # fmt: skip


@pytest.mark.parametrize("case", ONE)
def test_one_number_may_be_of_any_type_of_number_and_nothing_else(case: str, bits: int) -> None:
    build, value = ONE[case]
    name = case.split()[1]
    kinds: list[Any] = [np.float32, np.float64, np.float16, np.asarray, jnp.asarray]
    kinds += [fractions.Fraction, decimal.Decimal] if value == 0.5 else []
    if isinstance(value, int):
        kinds = [np.int32, np.uint8, np.asarray, jnp.asarray]
    plain = jax.tree.leaves(build(value))
    for kind in kinds:
        assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(build(kind(value))), plain, strict=True)), kind
    for bad in NO_NUMBER.values():
        refused(lambda bad=bad: build(bad), TypeError, name)
    for bad in (np.nan, np.inf, -np.inf) if value == 0.5 else (-1, 2**31):
        refused(lambda bad=bad: build(bad), ValueError, name)


@pytest.mark.parametrize("case", MANY)
def test_numbers_may_come_in_any_container_and_hold_nothing_else(case: str, bits: int) -> None:
    build, value = MANY[case]
    name = "table" if case == "table rows" else case.split()[1]
    containers: list[Any] = [
        tuple,
        np.array,
        jnp.asarray,
        lambda v: np.array(v, object),
        lambda v: np.array(v, np.float32),
    ]
    if np.ndim(value) == 1:
        containers += [
            pd.Series,
            pd.Index,
            lambda v: pd.Series(v, dtype="Float64"),
            lambda v: [np.float64(x) for x in v],
        ]
    else:
        containers += [pd.DataFrame, lambda v: pd.DataFrame(v, dtype="Float64"), lambda v: [tuple(row) for row in v]]
    plain = jax.tree.leaves(build(value))
    for container in containers:
        leaves = jax.tree.leaves(build(container(value)))
        assert all(np.array_equal(a, b) for a, b in zip(leaves, plain, strict=True)), container(value)
        assert all(leaf.dtype == a.dtype for leaf, a in zip(leaves, plain, strict=True) if hasattr(a, "dtype"))
    for bad in NO_NUMBER.values():
        # alone, in a list, in an array of objects
        if bad is not None or name != "design":
            refused(lambda bad=bad: build(bad), (TypeError, ValueError), name)
        spoilt = np.array(value, object)
        spoilt.flat[-1] = bad
        kind = ValueError if bad is None and name == "table" else TypeError
        refused(lambda spoilt=spoilt: build(spoilt.tolist()), kind, "" if name == "table" else name)
        refused(lambda spoilt=spoilt: build(spoilt), kind)
    for bad in (np.nan, np.inf):
        spoilt = np.array(value)
        spoilt.flat[-1] = bad
        refused(
            lambda spoilt=spoilt: build(spoilt), ValueError, "rows" if name == "table" else name, "finite", str(bad)
        )
        masked = np.ma.array(value, mask=np.isnan(spoilt))
        if np.isnan(bad):
            refused(lambda masked=masked: build(masked), ValueError, "rows" if name == "table" else name, "masked")


LARGE: dict[str, tuple[Callable[[float], Any], str]] = {
    "normal mean": (mc.normal, "mean"),
    "a vector of means": (lambda v: mc.normal([0.0, v]), "mean"),
    "a mixture's means": (lambda v: mc.normal_mixture([0.5, 0.5], [0.0, v], [1.0, 1.0]), "means"),
    "linear weights": (lambda v: mc.linear([1.0, v]), "weights"),
    "linear noise": (lambda v: mc.linear([1.0], noise=v), "noise"),
    "linear design": (lambda v: mc.linear([1.0], design=[[v], [1.0], [2.0]]), "design"),
    "poisson": (mc.poisson, "mean"),
    "exponential": (mc.exponential, "mean"),
    "gamma shape": (lambda v: mc.gamma(1.0, v), "shape"),
    "negative binomial": (lambda v: mc.negative_binomial(1.0, v), "successes"),
    "uniform": (mc.uniform, "end"),
    "pareto minimum": (lambda v: mc.pareto(1.0, v), "minimum"),
    "rows": (lambda v: mc.table([[1.0, v], [2.0, 3.0]]), "row 0, column 1"),
    "measurements": (lambda v: mc.table([1.0, v]), "in place 1"),
    "whole rows": (lambda v: mc.table([[10.0, 2], [v, 3]]), "row 1, column 0"),
    "a frame": (lambda v: mc.table(pd.DataFrame({"a": [1.0, 2.0], "b": [v, 1.0]})), "column 1 ('b')"),
}


@pytest.mark.parametrize("case", LARGE)
def test_what_float32_cannot_hold_is_refused_at_the_door_and_says_how_to_hold_it(case: str) -> None:
    build, where = LARGE[case]
    with jax.enable_x64(True):
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(build(1e39)))
    with jax.enable_x64(False):
        refused(lambda: build(1e39), ValueError, where, "1e+39", "float32", "jax_enable_x64")


def test_weights_of_any_size_become_a_law(bits: int) -> None:
    for weights in ([8e307, 8e307], [1e39, 1e39], [1e-300, 1e-300], [10**30, 10**30]):
        np.testing.assert_array_equal(mc.categorical(weights, normalise=True).params, [0.5, 0.5])
    mixture = mc.normal_mixture([3, 1], [0.0, 5.0], [1.0, 1.0], normalise=True)
    np.testing.assert_array_equal(mixture.params.weights, [0.75, 0.25])


FRAME = pd.DataFrame(
    {
        "height": [1.5, 2.0, 2.5],
        "age": [30, 40, 50],
        "city": ["Oslo", "Rome", "Oslo"],
        "day": pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03"]),
        "code": pd.Categorical(["x", "y", "x"]),
        "note": ["a", 1, None],
    }
)
TABLES: dict[str, tuple[Any, Any, Any]] = {
    # data, points, names
    "measurements": ([1.5, 2], [[1.5], [2]], None),
    "a tuple of rows": (((1.5, 2), (3, 4)), [[1.5, 2], [3, 4]], None),
    "a tuple of rows of integers": (((1, 2), (3, 4)), np.array([[1, 2], [3, 4]], np.int32), None),
    "wide rows are measurements": (np.array([[1, 2**53]]), [[1, float(2**53)]], None),
    "a column of floats": (pd.Series([1.5, 2.0], name="x"), [[1.5], [2]], None),
    "floats by name": (pd.Series([1.5, 2.0], index=["a", "b"]), [[1.5], [2]], None),
    "a column that may have gaps": (pd.Series([1.5, 2.0], dtype="Float64"), [[1.5], [2]], None),
    "a frame": (FRAME[["height", "age"]], [[1.5, 30], [2, 40], [2.5, 50]], ("height", "age")),
    "a frame that may have gaps": (
        FRAME[["height", "age"]].convert_dtypes(), [[1.5, 30], [2, 40], [2.5, 50]], ("height", "age")),
    "a frame of one column": (FRAME[["age"]], [[30.0], [40], [50]], ("age",)),
    "a frame with numbers for names": (pd.DataFrame(np.eye(2)), np.eye(2), (0, 1)),
    "a frame with a name twice": (pd.DataFrame([[1.5, 2.5]], columns=["a", "a"]), [[1.5, 2.5]], ("a", "a")),
    "truth values in a frame": (pd.DataFrame({"a": [True, False], "b": [1.5, 2]}), [[1, 1.5], [0, 2]], ("a", "b")),
    "fractions": ([fractions.Fraction(1, 2), decimal.Decimal("0.25")], [[0.5], [0.25]], None),
    "half precision": (jnp.array([[1.5, 2]], jnp.bfloat16), [[1.5, 2]], None),
    "states": ([0, 2, 1], [0, 2, 1], None),
    "wide integers": (np.array([0, 2**31 - 1], np.uint64), [0, 2**31 - 1], None),
    "truth values": ([True, False], [1, 0], None),
    "an index": (pd.Index([3, 4]), [3, 4], None),
    "whole numbers that may have gaps": (pd.Series([3, 4], dtype="Int64"), [3, 4], None),
    "categories of numbers": (pd.Categorical([3, 4]), [3, 4], None),
    "an array of objects": (np.array([3, 4], object), [3, 4], None),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLES)
def test_tables_take_what_users_hold_rows_in(case: str, bits: int) -> None:
    data, points, names = TABLES[case]
    table = mc.table(data)
    dtype = np.int32 if np.ndim(points) == 1 or getattr(points, "dtype", None) == np.int32 else f"f{bits // 8}"
    np.testing.assert_array_equal(table.points, np.asarray(points, dtype))
    assert table.points.dtype == dtype
    assert table.names == names


def gaps(values: list, dtype: Any = None) -> pd.DataFrame:
    return pd.DataFrame({"a": [1.5, 2.5], "b": pd.Series(values, dtype=dtype)})


COUNTED = pd.Series(["b", "a", "b"], name="word")
NO_TABLE: dict[str, tuple[Any, type[Exception], tuple[str, ...]]] = {
    "identifiers": ([0, 2**32], ValueError, ("states", "2**31 - 1", "4294967296 in row 1", "labels(values)")),
    "unsigned identifiers": (np.array([2**63, 0], np.uint64), ValueError, ("states", "9223372036854775808 in row 0")),
    "identifiers beyond 64 bits": ([1, 10**30], ValueError, ("states", "in row 1", "labels(values)")),
    "rows of identifiers": (
        [[1, 2], [3, 2**53 + 2]], ValueError, ("2**53", "9007199254740994 in row 1, column 1", "labels(values)")),
    "rows beyond 64 bits": ([[1, -(10**30)]], ValueError, ("2**53", "row 0, column 1")),
    "a negative state": ([0, -1], ValueError, ("states", "-1", "row 1")),
    "text": (["a", "b"], TypeError, ("numbers", "text", "labels(values)")),
    "numbers as text": (["1", "2"], TypeError, ("numbers", "text", "labels(values)")),
    "a column of text": (FRAME["city"], TypeError, ("numbers", "text", "labels(values)")),
    "categories of text": (FRAME["code"], TypeError, ("numbers", "text", "labels(values)")),
    "dates": (FRAME["day"], TypeError, ("numbers", "dates")),
    "objects": (FRAME["note"], TypeError, ("numbers", "objects of several types")),
    "records": (np.zeros(2, [("a", float)]), TypeError, ("numbers", "records")),
    "a whole frame": (FRAME, TypeError, (
        "numbers in 'height', 'age'", "text in 'city', 'code'", "dates in 'day'", "objects of several types in 'note'",
        "table(frame[['height', 'age']])", "labels(frame['city'])", "simulate_models")),
    "a frame of text": (FRAME[["city"]], TypeError, ("text in 'city'", "labels(frame['city'])")),
    "a frame without rows": (FRAME[:0], ValueError, ("at least one row", "(0, 6)")),
    "NaN in a frame": (gaps([np.nan, 1]), ValueError, ("column 1 ('b')", "finite", "nan", "row 0")),
    "NA in a frame": (gaps([1, None], "Int64"), ValueError, ("column 1 ('b')", "finite", "row 1")),
    "NA among truth values": (gaps([None, True], "boolean"), ValueError, ("column 1 ('b')", "<NA>", "row 0")),
    "None in a frame": (pd.DataFrame({"a": [1, None]}, dtype=object), ValueError, ("column 0 ('a')", "None", "row 1")),
    "infinity in a frame": (gaps([1, np.inf]), ValueError, ("column 1 ('b')", "finite", "inf", "row 1")),
    "wide identifiers in a frame": (gaps([1, 2**60]), ValueError, ("column 1 ('b')", "2**53", "row 1")),
    "None in a list": ([1.5, None], ValueError, ("rows", "None", "row 1")),
    "NaN in a row": ([[1.5, 2], [np.nan, 1]], ValueError, ("rows", "nan", "row 1, column 0")),
    "a masked entry": (np.ma.array([1.5, 2], mask=[0, 1]), ValueError, ("rows", "masked", "row 1")),
    "rows of two lengths": ([[1.0], [1.0, 2.0]], ValueError, ("rows", "one length")),
    "an index written to a file": (
        pd.DataFrame({"Unnamed: 0": [0, 1], "x": [1.5, 2]}), ValueError, ("column 0 ('Unnamed: 0')", "index_col=0")),
    "counts of words": (COUNTED.value_counts(), TypeError, ("rows", "counts(series)", "to_numpy()")),
    "counts of numbers": (pd.Series([5, 7, 7]).value_counts(), TypeError, ("rows", "counts(series)")),
    "shares of words": (COUNTED.value_counts(normalize=True), TypeError, ("rows", "categorical(series)")),
    "counts by name": (pd.Series([3, 5], index=["x", "y"]), TypeError, ("rows", "counts(series)", "to_numpy()")),
    "a dictionary": ({"a": 3}, TypeError, ("dict", "counts(mapping)")),
    "one text": ("1,2,3", TypeError, ("(N, d)", "str")),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_TABLE)
def test_tables_name_what_they_cannot_take(case: str, bits: int) -> None:
    data, kind, parts = NO_TABLE[case]
    refused(lambda: mc.table(data), kind, *parts)


LABELS: dict[str, tuple[Any, list[int], tuple]] = {
    # values, states, names
    "text": (["dog", "cat", "dog"], [1, 0, 1], ("cat", "dog")),
    "identifiers": ([2**40, 5, 2**40], [1, 0, 1], (5, 2**40)),
    "unsigned identifiers": (np.array([0, 2**63, 1], np.uint64), [0, 2, 1], (0, 1, 2**63)),
    "identifiers beyond 64 bits": ([10**30, -1], [1, 0], (-1, 10**30)),
    "an array of text": (np.array(["q", "p"]), [1, 0], ("p", "q")),
    "a column of text": (FRAME["city"], [0, 1, 0], ("Oslo", "Rome")),
    "an index": (pd.Index(["b", "a"]), [1, 0], ("a", "b")),
    "categories in their order": (pd.Categorical(["b", "a"], ["c", "b", "a"]), [1, 2], ("c", "b", "a")),
    "a column of categories": (FRAME["code"], [0, 1, 0], ("x", "y")),
    "intervals": (pd.cut([1, 4], [0, 2, 5]), [0, 1], ("(0, 2]", "(2, 5]")),
    "numbers that may have gaps": (pd.Series([7, 3], dtype="Int64"), [1, 0], (3, 7)),
    "truth values": ([True, False], [1, 0], (False, True)),
    "days": (np.array(["2020-01-02", "2020-01-01"], "M8[D]"), [1, 0], ("2020-01-01", "2020-01-02")),
    "moments": (np.array(["2020-01-01T00:00:01"], "M8[ns]"), [0], ("2020-01-01T00:00:01.000000000",)),
    "pairs": ([("b", 1), ("a", 2), ("b", 1)], [1, 0, 1], (("a", 2), ("b", 1))),
    "several types, as they come": (["a", 1, "a"], [0, 1, 0], ("a", 1)),
    "an array of JAX": (jnp.array([9, 7]), [1, 0], (7, 9)),
    "counts where rows have names": (pd.Series([3.5, 1.5], index=["x", "y"]), [1, 0], (1.5, 3.5)),
}  # fmt: skip


@pytest.mark.parametrize("case", LABELS)
def test_labels_number_states_and_keep_their_names(case: str, bits: int) -> None:
    values, states, names = LABELS[case]
    table = mc.labels(values)
    np.testing.assert_array_equal(table.points, states)
    assert table.points.dtype == np.int32
    assert table.names == names
    assert list(map(type, table.names)) == list(map(type, names))
    assert table.replace
    assert not mc.labels(values, replace=False).replace


@hypothesis.given(
    strategies.lists(strategies.text() | strategies.integers() | strategies.tuples(strategies.text())),
    strategies.data(),
)
def test_labels_can_be_read_back(values: list, data: Any) -> None:
    hypothesis.assume(values)
    table = mc.labels(values)
    assert [table.names[state] for state in np.asarray(table.points)] == values
    assert len(set(table.names)) == len(table.names) == len(set(values))


NO_LABELS: dict[str, tuple[Any, type[Exception], tuple[str, ...]]] = {
    "none": ([], ValueError, ("values", "at least one")),
    "None": (["a", None], ValueError, ("values", "None in row 1")),
    "NaN": ([1.0, float("nan")], ValueError, ("values", "nan in row 1")),
    "NA": (pd.Series([1, None], dtype="Int64"), ValueError, ("values", "<NA> in row 1")),
    "a gap among categories": (pd.Categorical(["a", None]), ValueError, ("values", "nan in row 1")),
    "one text": ("abc", TypeError, ("values", "one label for each row", "str")),
    "one number": (3, TypeError, ("values", "one label for each row", "int")),
    "rows": ([[1, 2], [3, 4]], TypeError, ("values", "list in row 0")),
    "a matrix": (np.eye(2), TypeError, ("values", "row 0")),
    "numbers and truth values": ([2, True, 1], TypeError, ("values", "must not mix numbers with True and False")),
    "a frame": (FRAME, TypeError, ("values", "DataFrame of shape (3, 6)", 'labels(frame["..."])')),
    "a dictionary": ({"a": 3}, TypeError, ("values", "counts(mapping)")),
    "counts": (COUNTED.value_counts(), TypeError, ("values", "counts(series)")),
    "names that read the same": (
        [datetime.date(2020, 1, 1), "2020-01-01"], ValueError, ("values", "'2020-01-01' twice")),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_LABELS)
def test_labels_name_what_they_cannot_take(case: str) -> None:
    values, kind, parts = NO_LABELS[case]
    refused(lambda: mc.labels(values), kind, *parts)


COUNTS: dict[str, tuple[Any, list[float], tuple]] = {
    "a dictionary": ({"dog": 3, "cat": 1}, [0.75, 0.25], ("dog", "cat")),
    "a counter": (collections.Counter("abba"), [0.5, 0.5], ("a", "b")),
    "value_counts": (pd.Series(["b", "a", "b", "b"]).value_counts(), [0.75, 0.25], ("b", "a")),
    "value_counts of numbers": (pd.Series([2**40, 5, 5, 5]).value_counts(), [0.75, 0.25], (5, 2**40)),
    "value_counts of rows": (
        pd.DataFrame({"a": [1, 1, 1, 2], "b": list("xxxy")}).value_counts(), [0.75, 0.25], ((1, "x"), (2, "y"))),
    "sizes of groups": (FRAME.groupby("city").size(), [2 / 3, 1 / 3], ("Oslo", "Rome")),
    "whole floats": ({"a": 2.0, "b": np.float32(2)}, [0.5, 0.5], ("a", "b")),
    "large": ({"a": 10**400 // 10**100, "b": 10**300}, [0.5, 0.5], ("a", "b")),
    "a zero": ({"a": 0, "b": 2}, [0.0, 1.0], ("a", "b")),
}  # fmt: skip


@pytest.mark.parametrize("case", COUNTS)
def test_counts_are_a_law_with_names(case: str, bits: int) -> None:
    mapping, law, names = COUNTS[case]
    source = mc.counts(mapping)
    np.testing.assert_array_equal(source.params, np.asarray(law, f"f{bits // 8}"))
    assert source.names == names
    assert type(source.family) is mc.Discrete


def test_probabilities_may_have_names() -> None:
    for weights in ({"a": 0.25, "b": 0.75}, pd.Series([0.25, 0.75], index=["a", "b"])):
        source = mc.categorical(weights)
        np.testing.assert_array_equal(source.params, [0.25, 0.75])
        assert source.names == ("a", "b")
    assert mc.categorical(pd.Series([0.25, 0.75])).names is None


NO_LAW: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "a list of counts": (lambda: mc.counts([3, 5]), TypeError, ("names", "list", "categorical(counts, normalise=True)")),
    "codes": (lambda: mc.counts(pd.Series([0, 1, 1])), TypeError, ("names", "Series", "labels(values)")),
    "a frame of counts": (lambda: mc.counts(FRAME), TypeError, ("names", "DataFrame")),
    "shares as counts": (lambda: mc.counts({"a": 0.5, "b": 0.5}), ValueError, ("whole", "0.5 for 'a'", "categorical")),
    "a negative count": (lambda: mc.counts({"a": -1, "b": 2}), ValueError, ("counts", "negative", "-1")),
    "a missing count": (lambda: mc.counts({"a": None}), TypeError, ("counts", "None")),
    "a NaN count": (lambda: mc.counts({"a": 1, "b": np.nan}), ValueError, ("counts", "finite")),
    "no counts": (lambda: mc.counts({}), ValueError, ("counts", "(0,)")),
    "zeros": (lambda: mc.counts({"a": 0}), ValueError, ("counts", "zero")),
    "counts of gaps": (
        lambda: mc.counts(pd.Series(["a", None]).value_counts(dropna=False)), ValueError, ("counts", "gaps", "names")),
    "a name twice": (lambda: mc.counts(pd.Series([1, 2], index=["a", "a"])), ValueError, ("counts", "'a' twice")),
    "text as counts": (lambda: mc.counts({"a": "3"}), TypeError, ("counts", "numbers")),
    "words as weights": (lambda: mc.categorical(["a", "b"]), TypeError, ("weights", "text", "labels(values)")),
    "categories as weights": (lambda: mc.categorical(FRAME["code"]), TypeError, ("weights", "labels(values)")),
    "a frame as weights": (lambda: mc.categorical(FRAME), TypeError, ("weights", "DataFrame", "one column")),
    "counts by name as weights": (
        lambda: mc.categorical(COUNTED.value_counts()), ValueError, ("weights", "sum of 3", "counts(...)")),
    "a dictionary of counts as weights": (
        lambda: mc.categorical({"a": 3, "b": 1}), ValueError, ("weights", "sum of 4", "counts(...)", "normalise=True")),
    "normalise as text": (lambda: mc.categorical([1.0], normalise="yes"), TypeError, ("normalise", "True or False")),
    "replace as a number": (lambda: mc.table([1.0], replace=1), TypeError, ("replace", "True or False")),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_LAW)
def test_laws_name_what_they_cannot_take(case: str) -> None:
    call, kind, parts = NO_LAW[case]
    refused(call, kind, *parts)


PIXELS = np.arange(8).reshape(2, 2, 2) / 8
IMAGES: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "complex pixels": (lambda: mc.images(PIXELS + 1j), ValueError, ("images must be numbers", "complex")),
    "a gap": (lambda: mc.images(pd.DataFrame({"a": [0.5, None]}, dtype="Float64")), ValueError, ("images", "finite", "row 1")),
    "None": (lambda: mc.images([[0.5, None]]), ValueError, ("images", "finite", "None", "row 0, column 1")),
    "a masked pixel": (lambda: mc.images(np.ma.array([[0.5, 1]], mask=[[0, 1]])), ValueError, ("images", "masked")),
    "identifiers as labels": (lambda: mc.images(PIXELS, [0, 2**40]), ValueError, ("labels", "2**31 - 1", "1099511627776")),
    "text as labels": (lambda: mc.images(PIXELS, ["a", "b"]), ValueError, ("labels", "whole numbers", "<U1")),
    "labels with a gap": (
        lambda: mc.images(PIXELS, pd.Series([0, None], dtype="Int64")), ValueError, ("labels", "whole numbers")),
}  # fmt: skip


@pytest.mark.parametrize("case", IMAGES)
def test_images_name_what_they_cannot_take(case: str, bits: int) -> None:
    call, kind, parts = IMAGES[case]
    refused(call, kind, *parts)


def test_images_take_frames_of_pixels_and_columns_of_labels(bits: int) -> None:
    flat = PIXELS.reshape(2, 4)
    expected = np.asarray(mc.images(PIXELS, [1, 0]).points)
    given = mc.images(pd.DataFrame(flat), pd.Series([1, 0], dtype="Int64"))
    np.testing.assert_array_equal(given.points, expected)


SECRET = 0.123456789
BARE = {
    "an array": np.full((500, 2), SECRET),
    "an array of JAX": jnp.full(500, SECRET),
    "a list": [SECRET] * 500,
    "a tuple": (SECRET, 1 - SECRET),
    "a frame": pd.DataFrame({"x": [SECRET] * 500, "y": ["a"] * 500}),
    "a column": pd.Series([SECRET] * 500),
    "counts": collections.Counter({f"{SECRET}": 3}),
    "text": str(SECRET) * 50,
    "a number": SECRET,
    "nothing": None,
}


@pytest.mark.parametrize("data", BARE)
@pytest.mark.parametrize("run", ["simulate", "trace", "predictions", "simulate_models"])
def test_bare_data_are_refused_by_the_functions_that_make_sources_of_them(run: str, data: str) -> None:
    if run == "simulate_models" and data == "a frame":
        pytest.skip("frames are taken whole there")
    first: Any = object if run == "simulate_models" else mc.Discrete()
    with pytest.raises(TypeError) as caught:
        getattr(mc, run)(first, BARE[data], observe="mean", size=20, generations=1)
    message = str(caught.value)
    assert message.startswith("source ")
    assert all(f"{name}(" in message for name in ("table", "categorical", "counts", "labels", "sampler"))
    assert "123456" not in message
    assert len(message) < 400


RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(50, 3))
CONSTANT = ROWS * [1, 0, 1] + [0, 7.1, 0]
COLLINEAR = np.stack([ROWS[:, 0], ROWS[:, 1], 2 * ROWS[:, 0] + 1e3], 1)
SHARES = np.abs(ROWS) / np.abs(ROWS).sum(1, keepdims=True)
CLASSES = np.concatenate([ROWS, np.repeat([[0.0], [1.0]], 25, 0)], 1)
ONE_CLASS = np.where((np.arange(50)[:, None] >= 25) & (np.arange(4) == 2), 3.3, CLASSES)
GAUSSIAN, MIXTURE, SCALED = mc.Gaussian(), mc.GaussianMixture(2), mc.KernelDensity(rule="scott")
DEGENERATE: dict[str, tuple[Any, Any, tuple[str, ...]]] = {
    "a constant column": (GAUSSIAN, CONSTANT, ("Gaussian", "column 1 is constant")),
    "a constant column in a frame": (
        GAUSSIAN,
        pd.DataFrame(CONSTANT, columns=list("abc")),
        ("column 1 ('b') is constant",),
    ),
    "two constant columns": (GAUSSIAN, CONSTANT * [1, 1, 0], ("columns 1 and 2 are constant",)),
    "many constant columns": (
        GAUSSIAN,
        np.concatenate([ROWS, np.ones((50, 9))], 1),
        ("columns 3, 4, 5, 6, 7 and 4 more are constant",),
    ),
    "one row": (GAUSSIAN, [[1.0, 2.0]], ("a single row",)),
    "one number": (GAUSSIAN, [1.5], ("a single row",)),
    "equal rows": (GAUSSIAN, np.full((10, 1), 3.3), ("all 10 rows of this table are equal",)),
    "rows of zeros": (GAUSSIAN, np.zeros((4, 2)), ("all 4 rows of this table are equal",)),
    "columns on a line": (GAUSSIAN, COLLINEAR, ("columns 0 and 2 are linearly dependent", "leave one of them out")),
    "shares that sum to 1": (GAUSSIAN, SHARES, ("columns 0, 1 and 2 are linearly dependent",)),
    "too few rows": (GAUSSIAN, ROWS[:3], ("linearly dependent", "more than the 3 different rows")),
    "too few different rows": (GAUSSIAN, np.repeat(ROWS[:3], 9, 0), ("more than the 3 different rows",)),
    "maximum likelihood": (mc.Gaussian(0), CONSTANT, ("column 1 is constant",)),
    "a mixture": (MIXTURE, CONSTANT, ("GaussianMixture", "column 1 is constant", "reg_covar > 0")),
    "scaled kernels": (SCALED, COLLINEAR, ("KernelDensity", "columns 0 and 2", "scaled=False")),
    "damped": (mc.Damped(GAUSSIAN, 0.5), CONSTANT, ("column 1 is constant",)),
    "rounded": (mc.Rounded(GAUSSIAN), CONSTANT, ("column 1 is constant",)),
    "endless data": (mc.Exact(GAUSSIAN), CONSTANT, ("column 1 is constant",)),
    "without replacement": (GAUSSIAN, mc.table(CONSTANT, replace=False), ("column 1 is constant",)),
    "one class": (mc.Conditional(GAUSSIAN, 2), ONE_CLASS, ("class 1", "column 2 is constant")),
    "all at the minimum": (mc.Pareto(2.0), [2.0, 2.0], ("Pareto", "not all be 2")),
    "all at zero": (mc.Uniform(), [0.0, 0.0], ("Uniform", "not all be 0")),
}


@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.parametrize("run", ["simulate", "trace", "predictions"])
def test_degenerate_rows_are_refused_by_column_before_anything_runs(case: str, run: str, bits: int) -> None:
    family, rows, parts = DEGENERATE[case]
    source = rows if hasattr(rows, "draw_rows") else mc.table(rows)
    call = lambda: getattr(mc, run)(family, source, size=40, generations=1)  # noqa: E731
    refused(call, ValueError, *parts)


TURN = np.linalg.qr(RNG.normal(size=(3, 3)))[0]


def test_rows_that_span_their_dimensions_are_taken_however_thin(bits: int) -> None:
    # from directions that the rows differ along by more than their own rounding
    thin = 1e-4 if bits == 32 else 1e-11
    for rows in (
        ROWS,
        ROWS + 100,
        ROWS * [1, 1e-10, 1e10],
        ROWS * [1, 1, thin] @ TURN,
        np.round(100 * SHARES),
        ROWS * 1e-3 * np.finfo(f"f{bits // 8}").max,
    ):
        run = mc.simulate(GAUSSIAN, mc.table(rows), observe="log_variance", size=40, generations=0, chains=2)
        assert np.isfinite(run["log_variance"]).all()


@pytest.mark.parametrize(
    "family",
    [
        mc.GaussianMean(), mc.PPCA(2),
        *(pytest.param(f, marks=pytest.mark.slow) for f in (mc.KernelDensity(0.5), mc.GaussianMixture(1, reg_covar=0.1))),
    ],
    ids=str,
)  # fmt: skip
def test_families_that_need_no_spread_take_rows_without(family: Any) -> None:
    run = mc.simulate(family, mc.table(CONSTANT), observe="variance", size=40, generations=0, chains=2)
    assert np.isfinite(run["variance"]).all()


WORDS = ["dog", "cat", "dog", "emu", "dog"]
OPTIONS: dict[str, Any] = {"observe": ["probabilities", "support_size"], "size": 6, "generations": 2, "chains": 3}


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda f: f, id="bare"),
        pytest.param(lambda f: mc.Damped(f, 0.5), id="damped", marks=pytest.mark.slow),
        pytest.param(mc.Exact, id="exact"),
    ],
)
def test_the_number_of_states_is_that_of_the_names(wrap: Callable[[Any], Any], bits: int) -> None:
    run = mc.simulate(wrap(mc.Discrete()), mc.labels(WORDS), **OPTIONS)
    told = mc.simulate(wrap(mc.Discrete(3)), mc.table([1, 0, 1, 2, 1]), **OPTIONS)
    for name in OPTIONS["observe"]:
        np.testing.assert_array_equal(run[name], told[name])
    found = [p.observable for p in told.predict()]
    assert [p.observable for p in run.predict()] == found
    known = {name: OPTIONS[name] for name in ("observe", "size", "generations")}
    before = mc.predictions(wrap(mc.Discrete()), mc.labels(WORDS), **known)
    assert [p.observable for p in before] == found
    assert found or type(wrap(mc.Discrete())) is not mc.Discrete
    traced = jax.eval_shape(lambda: mc.trace(wrap(mc.Discrete()), mc.labels(WORDS), **OPTIONS))
    assert traced["probabilities"].shape == run["probabilities"].shape == (3, 3, 3)
    refused(
        lambda: mc.simulate(wrap(mc.Discrete(4)), mc.labels(WORDS), **OPTIONS), ValueError, "states must be 3", "got 4"
    )


@pytest.mark.parametrize(
    "source", [mc.labels(WORDS), mc.counts({"cat": 1, "dog": 3, "emu": 1})], ids=["labels", "counts"]
)
def test_names_are_seen_where_states_are_and_outlive_a_file(source: Any, tmp_path: Path) -> None:
    run = mc.simulate(mc.Discrete(), source, **OPTIONS)
    run.save(tmp_path / "run.npz")
    for one in (run, mc.Run.load(tmp_path / "run.npz"), run.extend(1)):
        assert one.source.names == ("cat", "dog", "emu")
        states = one.to_dataset().coords["state"]
        assert states.values.tolist() == ["cat", "dog", "emu"]
    chosen = run.to_dataset().probabilities.sel(state="dog")
    np.testing.assert_array_equal(chosen, run["probabilities"][..., 1])
    assert "dog" in repr(run.source)


@pytest.mark.parametrize(
    ("names", "coordinate"),
    [
        ([5, 2**40], [5, 2**40]),
        ([-1, 2**63], ["-1", str(2**63)]),
        ([1, "a"], ["1", "a"]),
        ([("a", 1), ("b", 2)], ["('a', 1)", "('b', 2)"]),
    ],
)
def test_a_coordinate_has_one_type(names: list, coordinate: list) -> None:
    run = mc.simulate(mc.Discrete(), mc.counts(dict.fromkeys(names, 1)), **OPTIONS)
    assert run.to_dataset().coords["state"].values.tolist() == coordinate


def test_columns_keep_their_names() -> None:
    frame = pd.DataFrame(ROWS, columns=["a", "b", "c"])
    run = mc.simulate(GAUSSIAN, mc.table(frame), observe="mean", size=40, generations=0, chains=2)
    assert run.to_dataset().coords["dimension"].values.tolist() == ["a", "b", "c"]
    bare = mc.simulate(GAUSSIAN, mc.table(ROWS), observe="mean", size=40, generations=0, chains=2)
    np.testing.assert_array_equal(run["mean"], bare["mean"])
    assert "dimension" not in bare.to_dataset().coords


def test_names_are_no_part_of_a_program() -> None:
    traces = []

    @jax.jit
    def total(source: Any) -> jax.Array:
        traces.append(source)
        return source.points.sum()

    for words in (["a", "b"], ["x", "y"]):
        total(mc.labels(words))
    assert len(traces) == 1
    total(mc.labels(pd.Categorical(["a", "b"], ["a", "b", "c"])))  # another number of states
    assert len(traces) == 2
