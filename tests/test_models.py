"""Models as people have them: data frames in and out, their own names for arguments, their own generators, their own
errors.
"""

import copy
import dataclasses
import functools
import importlib.util

import jax
import numpy as np
import pandas as pd
import pytest

import modelcollapse as mc
from modelcollapse.laws import Table

BOTH = pytest.mark.parametrize("wide", [True, False], ids=["float64", "float32"])
PEOPLE = pd.DataFrame(
    {
        "age": [31, 45, 27, 60, 38],
        "height": [1.7, 1.82, np.nan, 1.65, 1.74],
        "city": ["Oslo", "Lima", None, "Oslo", "Pune"],
        "member": [True, False, True, True, False],
        "group": pd.Categorical(["a", "b", "b", "a", "a"], ["b", "a", "unused"], ordered=True),
        "since": pd.to_datetime(["2020-01-02", "2021-05-06", "2019-03-04", "2020-01-02", "2022-07-08"]),
        "visits": pd.array([3, None, 5, 2, 3], dtype="Int64"),
        "id": np.array([2**60 + 1, 2**60 + 3, 5, 7, 9]),
        "ratio": np.array([0.1, 0.2, 0.3, 0.4, 0.5], np.float32),
    }
)


class Resampler:
    """Gives back rows that it was fitted to."""

    def fit(self, X):
        self.X = X
        return self

    def sample(self, n, rng):
        chosen = rng.integers(0, len(self.X), n)
        return self.X.iloc[chosen] if isinstance(self.X, pd.DataFrame) else self.X[chosen]


def frames(make=Resampler, source=PEOPLE, regime=None, generations=3, **options):
    seen = []

    class Watched(make):
        def fit(self, X):
            seen.append(X)
            return super().fit(X)

    mc.simulate_models(
        Watched, source, regime, {"n": lambda f: len(f.sample)}, size=6, generations=generations, **options
    )
    return seen


REGIMES = {
    "Replace": mc.Replace(),
    "Accumulate": mc.Accumulate(),
    "Mixture": mc.Mixture(0.5, 0.3, 0.2),
    "FreshReal": mc.FreshReal(0.5),
    "FixedReal": mc.FixedReal(0.5),
    "Retain": mc.Retain(0.5),
    "Subsample": mc.AccumulateSubsample(),
    "Switch": mc.Switch(mc.Replace(), mc.Accumulate(), 2),
}


@pytest.mark.parametrize("regime", REGIMES)
def test_a_frame_of_any_columns_stays_that_frame_under_every_regime(regime):
    for X in frames(regime=REGIMES[regime]):
        assert list(X.columns) == list(PEOPLE.columns)
        pd.testing.assert_series_equal(X.dtypes, PEOPLE.dtypes)
        # every row is a row of the real data, cell by cell
        rows = [PEOPLE.iloc[i] for i in range(len(PEOPLE))]
        for i in range(len(X)):
            assert any(X.iloc[i].equals(row.rename(X.index[i])) for row in rows), X.iloc[i]


def test_generation_zero_of_a_frame_is_that_of_the_table_of_its_numbers():
    numbers = PEOPLE[["age", "ratio"]]
    (X,) = frames(source=numbers, generations=0, seed=4)
    (rows,) = frames(source=mc.table(numbers.to_numpy(np.float64)), generations=0, seed=4)
    np.testing.assert_array_equal(X.to_numpy(np.float64), rows)


def test_moments_of_frames_of_numbers_and_a_refusal_that_names_the_other_columns():
    numbers = PEOPLE[["age", "ratio"]]
    run = mc.simulate_models(Resampler, numbers, observe=["mean", "squared_mean_error"], size=5, generations=1)
    assert run["mean"].shape == (1, 2, 2)
    assert np.isfinite(run["squared_mean_error"]).all()
    with pytest.raises(ValueError, match=r"'mean' cannot be read.*city, group, since hold others"):
        mc.simulate_models(Resampler, PEOPLE.drop(columns="visits"), size=5, generations=1)
    with pytest.raises(ValueError, match="'squared_mean_error' compares with the truth"):
        mc.simulate_models(Resampler, PEOPLE, observe="squared_mean_error", size=5, generations=1)


def lacking(out):
    return out.drop(columns="city")


def beyond(out):
    return out.assign(extra=1)


def short(out):
    return out.iloc[:-1]


def gap(out):
    return out.assign(age=[None, *out["age"][1:]])


def words(out):
    return out.assign(age="old")


def shuffled(out):
    return out[list(PEOPLE.columns)[::-1]]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lacking, ValueError, "6 rows without city"),
        (beyond, ValueError, "with extra besides"),
        (short, ValueError, "got 5 rows"),
        (gap, ValueError, "missing value in the column 'age'"),
        (words, TypeError, "column 'age' must hold numbers"),
        (shuffled, None, ""),
    ],
)
def test_a_frame_that_a_model_returns_has_the_columns_it_was_fitted_to(change, error, message):
    class Changed(Resampler):
        def sample(self, n, rng):
            return change(super().sample(n, rng))

    if error is None:
        pd.testing.assert_series_equal(frames(Changed)[-1].dtypes, PEOPLE.dtypes)
        return
    with pytest.raises(error, match=message):
        frames(Changed)


def test_new_categories_of_a_model_are_kept():
    class Inventive(Resampler):
        def sample(self, n, rng):
            return super().sample(n, rng).assign(city="Atlantis", group="new")

    last = frames(Inventive)[-1]
    assert set(last["city"]) == {"Atlantis"}
    assert list(last["group"].cat.categories) == ["b", "a", "unused", "new"]


class KeywordOnly(Resampler):
    def sample(self, *, num_rows):
        return Resampler.sample(self, num_rows, np.random.default_rng(num_rows))


class AnyKeyword(Resampler):
    def sample(self, *args, random_state=None):
        return Resampler.sample(self, *args, np.random.default_rng(random_state))


class FrameOut(Resampler):
    """Fitted to an array, it returns a frame, as copula models do."""

    def sample(self, n, rng):
        return pd.DataFrame(super().sample(n, rng))


class NoSignature(Resampler):
    """A compiled method, which does not say what it takes."""

    @property
    def sample(self):
        draw = functools.partial(Resampler.sample, self, rng=np.random.default_rng(0))

        class Compiled:
            __signature__ = "hidden"

            def __call__(self, n):
                return draw(n)

        return Compiled()


@pytest.mark.parametrize(
    ("column", "drawn"),
    [
        (np.array([1, 2, 3]), 1.5),
        (np.array([1, 2, 3], np.int8), 200.0),
        (np.array([1, 2, 3], np.uint16), -1.0),
        (pd.array([1, None, 3], dtype="Int64"), 0.25),
        (np.array([True, False, True]), 0.5),
    ],
    ids=["fraction", "too wide", "negative", "fraction beside gaps", "half true"],
)
@pytest.mark.parametrize("as_frame", [True, False])
def test_draws_that_a_column_cannot_hold_are_refused_and_not_rounded(column, drawn, as_frame):
    class Constant(Resampler):
        def sample(self, n, rng):
            return pd.DataFrame({"a": np.full(n, drawn)}) if as_frame else np.full((n, 1), drawn)

    with pytest.raises(ValueError, match=rf"column 'a' must hold .*, got {drawn:g}: let `sample` round"):
        frames(Constant, pd.DataFrame({"a": column}))


def test_infinite_numbers_are_refused_in_frames_as_in_tables():
    class Endless(Resampler):
        def sample(self, n, rng):
            return pd.DataFrame({"a": np.full(n, -np.inf)})

    with pytest.raises(ValueError, match="column 'a' must be finite, got inf"):
        frames(source=pd.DataFrame({"a": [1.0, np.inf]}))
    with pytest.raises(ValueError, match="column 'a' must be finite, got -inf"):
        frames(Endless, pd.DataFrame({"a": [1.0, 2.0]}))


@pytest.mark.parametrize("make", [KeywordOnly, AnyKeyword, FrameOut, NoSignature])
def test_the_number_of_rows_is_given_in_the_way_that_a_model_takes_it(make):
    rows = frames(make, mc.table(np.arange(12.0).reshape(6, 2)))
    assert [np.shape(X) for X in rows] == [(6, 2)] * 4
    assert all(type(X) is np.ndarray and X.dtype == np.float64 for X in rows)


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        (np.random.RandomState(3), True),
        (np.random.default_rng(3), True),
        (True, True),
        (None, False),
        (7, False),
        (np.int64(7), False),
    ],
)
def test_a_random_state_that_is_no_integer_is_left_alone(state, kept):
    class Stateful(Resampler):
        def __init__(self):
            self.random_state = state

        def fit(self, X):
            states.append(self.random_state)
            return super().fit(X)

    states = []
    mc.simulate_models(Stateful, mc.normal(), size=4, generations=1)
    assert all(found is state for found in states) is kept
    if not kept:
        assert all(isinstance(found, int) for found in states)
        assert len(set(states)) == 2


@BOTH
def test_rows_are_float64_in_both_precisions(wide):
    with jax.enable_x64(wide):
        for source in (mc.normal([0.0, 3.0]), mc.normal_mixture([0.5, 0.5], [[0.0], [1.0]], np.ones((2, 1, 1)))):
            rows = frames(source=source, regime=mc.Accumulate())
            assert all(X.dtype == np.float64 for X in rows)
            assert np.any(rows[0] != rows[0].astype(np.float32))
        run = mc.simulate_models(Resampler, mc.normal(), observe=["mean", "w2_squared"], size=5, generations=1)
    assert {name: values.dtype for name, values in run.trace.items()} == {"mean": np.float64, "w2_squared": np.float64}
    assert run.provenance["dtype"] == "float64"


class Fussy(Resampler):
    error: Exception = TypeError("this model never samples twice")

    def sample(self, n, rng):
        raise type(self).error


@pytest.mark.parametrize("error", [TypeError("no"), AttributeError("no"), KeyError("no"), ValueError("no")])
def test_what_a_model_raises_passes_through_wherever_it_is_asked(error):
    class Failing(Fussy):
        pass

    Failing.error = error
    for observe, where in (("mean", "generation 0"), ({"rows": lambda f: f.rows.sum()}, "generation 1")):
        with pytest.raises(type(error)) as caught:
            mc.simulate_models(Failing, mc.normal(), observe=observe, size=4, generations=1)
        assert caught.value is error
        assert where in caught.value.__notes__[-1]


SHARED = Resampler()


def warm(previous):
    return previous or Resampler()


def test_one_object_twice_is_refused_in_every_guise():
    for make, chains in ((lambda: SHARED, 1), (warm, 1), (functools.lru_cache(lambda: Resampler()), 2)):
        generations = 0 if chains == 2 else 2
        with pytest.raises(TypeError, match=r"must return a new object each time.*same Resampler twice.*deepcopy"):
            mc.simulate_models(make, mc.normal(), size=4, generations=generations, chains=chains)
    mc.simulate_models(lambda previous: copy.deepcopy(previous) or Resampler(), mc.normal(), size=4, generations=2)


def test_a_frame_is_checked_at_the_door():
    with pytest.raises(ValueError, match="at least one row and one column"):
        frames(source=PEOPLE.iloc[:0])
    with pytest.raises(ValueError, match="names of their own, got 'age' twice"):
        frames(source=PEOPLE[["age", "age"]])


class Follows:
    """Continues each row by the number after it, and says by which model in the second column."""

    made = 0
    tokens = True

    def __init__(self):
        type(self).made += 1
        self.number = type(self).made

    def fit(self, X):
        assert X.dtype.kind == "i"

    def sample(self, n, given=None):
        first = np.zeros((n, 2), np.int64) if given is None else given
        return np.stack([first[:, 0] + 1, np.full(n, self.number)], 1)


@mc.part
class Prompted:
    """Every generation learns from what the models make of the same real rows; with ``older``, any of them."""

    older: bool = mc.static(default=False)
    needs_items = True

    def start(self, key, real, size):
        rows = real.draw(key, size)
        return rows, (rows, real.law.params)

    def next(self, key, model, real, memory, size, generation):
        rows, mixed = memory
        mixed = model.family.mix(np.array([0.5, 0.5]), np.stack([mixed, model.law.params])) if self.older else mixed
        law = mc.Law(model.law.family, mixed) if self.older and generation > 1 else model.law
        stream = dataclasses.replace(model, law=law)
        return stream.draw(key, size, given=rows), (rows, model.law.params)


PROMPTS = Table(np.stack([np.arange(100, dtype=np.int32), np.zeros(100, np.int32)], 1), replace=False)


def continued(older=False, make=Follows):
    Follows.made = 0
    rows = []

    def kept(fitted):
        rows.append(fitted.rows)
        return len(fitted.rows)

    mc.simulate_models(make, PROMPTS, Prompted(older), kept, size=100, generations=3)
    return rows


def test_rows_that_a_regime_gives_are_continued_in_their_places_and_integers_stay_integers():
    real, *later = continued()
    assert len(set(real[:, 0])) == 100
    for generation, rows in enumerate(later, 1):
        assert rows.dtype.kind == "i"
        np.testing.assert_array_equal(rows[:, 0], real[:, 0] + 1)
        assert set(rows[:, 1]) == {generation}


def test_each_of_several_laws_continues_the_rows_of_its_own_places():
    real, _, *later = continued(older=True)
    for generation, rows in enumerate(later, 2):
        np.testing.assert_array_equal(rows[:, 0], real[:, 0] + 1)
        assert set(rows[:, 1]) == {generation - 1, generation}
        # which model continues a row is no matter of its place
        assert 30 < np.count_nonzero(np.diff(rows[:, 1])) < 70


def test_a_model_and_a_source_that_continue_nothing_say_so():
    with pytest.raises(TypeError, match=r"a Resampler continues none: give its class a method sample\(n, given\)"):
        continued(make=Resampler)

    @mc.part
    class OfReal(Prompted):
        def next(self, key, model, real, memory, size, generation):
            return real.draw(key, size, given=memory[0]), memory

    with pytest.raises(TypeError, match="given rows can be continued by a model, and the source, Table, is none"):
        mc.simulate_models(Follows, PROMPTS, OfReal(), {"n": lambda f: 1}, size=10, generations=1)


def test_the_adapter_of_transformers_says_what_to_install(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else found(name))
    with pytest.raises(ModuleNotFoundError, match=r"needs torch.*: pip install 'modelcollapse\[transformers\]'"):
        mc.host.HuggingFace(None)


def test_a_detector_that_scores_rows_is_refused_on_the_host():
    class Kept:
        def fit(self, X):
            self.X = X
            return self

        def sample(self, n, random_state=None):
            return self.X[:n]

    for regime in (mc.FreshReal(0.5), mc.Replace()):
        detected = mc.regimes.Detected(regime, score=lambda rows: rows[:, 0], threshold=1.0)
        with pytest.raises(TypeError, match=r"Detected\(score=\) draws rows in the compiled loop"):
            mc.simulate_models(Kept, mc.normal(), detected, "mean", size=10, generations=1, chains=1)
