"""Models that are called in ways of their own: pomegranate's, that of copulas, SDV's, and pairs of functions.

The toys have nothing of these packages but the way they are called; each resamples what it was fitted to.
"""

# ruff: noqa: NPY002 - global generators and RandomState are what these tests are about

import copy
import datetime
import decimal
import random
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

import modelcollapse as mc
from modelcollapse import adapters

MIXED = pd.DataFrame(
    {
        "age": [31, 45, 27, 60, 38],
        "city": ["Oslo", "Lima", None, "Oslo", "Pune"],
        "member": [True, False, True, True, False],
        "group": pd.Categorical(["a", "b", "b", "a", "a"]),
        "since": pd.to_datetime(["2020-01-02", "2021-05-06", "2019-03-04", "2020-01-02", "2022-07-08"]),
        "height": [1.7, 1.82, np.nan, 1.65, 1.74],
    }
)
NUMBERS = mc.table(np.arange(12.0).reshape(6, 2))
RECORDED = {"numbers": lambda fitted: np.asarray(fitted.sample, np.float64)}


class Pomegranate:
    """Draws from the generator that the whole process shares."""

    def fit(self, X):
        self.X = X

    def sample(self, n):
        return self.rows(np.random.randint(0, len(self.X), n))

    def rows(self, chosen):
        return self.X.iloc[chosen].reset_index(drop=True)

    def save(self, path):
        self.X.to_pickle(path)

    @classmethod
    def load(cls, path):
        model = cls()
        model.X = pd.read_pickle(path)
        return model


class Copulas(Pomegranate):
    """Keeps a RandomState in ``random_state``; draws with it alone."""

    def __init__(self):
        self.random_state = np.random.RandomState()

    def fit(self, X):
        assert isinstance(X, pd.DataFrame)
        super().fit(X)

    def sample(self, num_rows=1):
        return self.rows(self.random_state.randint(0, len(self.X), num_rows))


class Settable(Copulas):
    """The same with the method that copulas has."""

    def __init__(self):
        super().__init__()
        self.set_random_state(None)

    def set_random_state(self, random_state):
        self.random_state = None if random_state is None else np.random.RandomState(random_state)


class Generators(Copulas):
    def __init__(self):
        self.random_state = np.random.default_rng()

    def sample(self, num_rows=1):
        return self.rows(self.random_state.integers(0, len(self.X), num_rows))


class SDV(Pomegranate):
    """Takes and gives ``{table: frame}``; draws with one seed after each fit, unless it is told another."""

    def fit(self, data):
        self.X, self.state = data["people"], None

    def _set_random_state(self, random_state):
        self.state = np.random.RandomState(random_state)

    def sample(self, num_rows, main_table_name=None):
        if self.state is None:
            self._set_random_state(73251)
        return {"people": self.rows(self.state.randint(0, len(self.X), num_rows))}


KINDS = {
    "pomegranate": (Pomegranate, {}),
    "copulas": (Copulas, {}),
    "copulas, by its method": (Settable, {}),
    "a generator": (Generators, {}),
    "SDV": (SDV, {"table": "people"}),
}


def run(make, source=NUMBERS, observe=None, regime=None, **options):
    given = {"size": 5, "generations": 3, "chains": 2, **options}
    return mc.simulate_models(make, source, regime, observe or RECORDED, **given)


@pytest.mark.parametrize("kind", KINDS)
def test_runs_repeat_and_chains_and_generations_differ(kind):
    cls, options = KINDS[kind]
    make = adapters.frames(cls, **options)
    first = run(make, size=40)["numbers"]
    np.random.seed(1)
    random.seed(1)
    assert_array_equal(run(make, size=40)["numbers"], first)
    assert not np.array_equal(first[0], first[1])
    # which rows are drawn is another choice in each generation, not one seed over and over
    chosen = [places(cls, options, seed) for seed in (0, 1)]
    assert len({one.tobytes() for several in chosen for one in several}) == 8


def places(cls, options, seed):
    """Where a model draws each time from, in a run whose data sets stay the rows 0, 1, ..."""

    class Still(cls):
        def fit(self, X):
            frame = pd.DataFrame({"place": np.arange(30)})
            super().fit(frame if "table" not in options else {"people": frame})
            self.X.columns = ["x0"]

    done = run(adapters.frames(Still, **options), mc.table(np.zeros((4, 1))), size=30, chains=1, seed=seed)
    return [np.asarray(sample) for sample in done["numbers"][0]]


def test_the_shared_generators_go_on_as_if_nothing_had_been_drawn():
    np.random.seed(5)
    random.seed(5)
    expected = np.random.random(3), random.random()
    np.random.seed(5)
    random.seed(5)
    run(adapters.frames(Pomegranate))
    run(adapters.functions(*FUNCTIONS))
    assert_array_equal(np.random.random(3), expected[0])
    assert random.random() == expected[1]


def test_a_seed_of_the_users_comes_first():
    told = []

    def seed(model, number):
        told.append(number)
        model.random_state = np.random.RandomState(number)

    first = run(adapters.frames(Settable, seed=seed))["numbers"]
    assert len(told) == len(set(told)) == 2 * (4 + 4 + 3)  # fits, looks, and draws for the next generation
    assert_array_equal(run(adapters.frames(Settable, seed=seed))["numbers"], first)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("regime", [mc.Replace(), mc.Accumulate(), mc.FreshReal(0.5)], ids=["R", "A", "F"])
def test_mixed_columns_keep_types_and_values(kind, regime):
    cls, options = KINDS[kind]
    seen = []

    def quality(fitted):
        seen.append((fitted.rows, fitted.sample))
        assert isinstance(fitted.model, cls)
        return fitted.rows["member"].mean()

    run(adapters.frames(cls, **options), MIXED, quality, regime, size=8)
    real = {tuple(map(str, row)) for row in MIXED.itertuples(index=False)}
    for frame in (one for both in seen for one in both):
        pd.testing.assert_series_equal(frame.dtypes, MIXED.dtypes)
        assert {tuple(map(str, row)) for row in frame.itertuples(index=False)} <= real


def test_arrays_get_names_and_types_and_come_back_as_arrays():
    seen = []

    class Watched(Copulas):
        def fit(self, X):
            seen.append(X.dtypes.astype(str).to_dict())
            super().fit(X)

        def sample(self, num_rows=1):
            return super().sample(num_rows)[["b", "a"]]  # in an order of its own

    done = run(adapters.frames(Watched, ["a", "b"], {"a": int, "b": "category"}))
    assert seen[0] == {"a": "int64", "b": "category"}
    rows = {tuple(row) for row in np.arange(12.0).reshape(6, 2)}
    assert {tuple(row) for row in done["numbers"].reshape(-1, 2)} <= rows
    seen.clear()
    run(adapters.frames(type("Plain", (Watched,), {"sample": Copulas.sample})))
    assert seen[0] == {"x0": "float64", "x1": "float64"}


def worded(n):
    return pd.DataFrame({"x0": ["a"] * n, "x1": 1.0})


REFUSED = {
    "text for numbers": (lambda n: worded(n), TypeError, "'x0' must hold numbers, as the source does.*data frame as"),
    "other columns": (lambda n: worded(n).rename(columns={"x0": "z"}), ValueError, "x0, x1, and returned z, x1"),
    "tables": (lambda n: {"t": worded(n)}, ValueError, "returned the tables 't', and `table` is not given"),
    "few rows": (lambda n: np.zeros((n - 1, 2)), ValueError, r"sample\(5\) must return 5 rows"),
    "gaps": (lambda n: pd.DataFrame({"x0": [np.nan] * n, "x1": 1.0}), ValueError, "must return finite rows"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_draws_that_cannot_be_taken_are_refused_by_name(case):
    drawn, error, message = REFUSED[case]

    class Wrong(Pomegranate):
        def sample(self, n):
            return drawn(n)

    with pytest.raises(error, match=message):
        run(adapters.frames(Wrong))


ONE = Copulas()
BAD = {
    "make": (lambda: adapters.frames(3), TypeError, "make must be a function"),
    "no columns": (lambda: adapters.frames(SDV, []), ValueError, r"columns must be at least one name, each once, got \[\]"),
    "columns twice": (lambda: adapters.frames(SDV, ["a", "a"]), ValueError, "each once"),
    "a text": (lambda: adapters.frames(SDV, "ab"), TypeError, "columns must be a list"),
    "dtypes": (lambda: adapters.frames(SDV, dtypes=["a"]), TypeError, "dtypes must be a mapping"),
    "a type": (lambda: adapters.frames(SDV, dtypes={"a": "nonsense"}), TypeError, r"dtypes\['a'\] must be a type"),
    "no type": (lambda: adapters.frames(SDV, dtypes={"a": None}), TypeError, r"dtypes\['a'\] must be a type.*got None"),
    "a column": (lambda: adapters.frames(SDV, ["a"], {"b": int}), ValueError, "dtypes must name columns, a, got 'b'"),
    "table": (lambda: adapters.frames(SDV, table=1), TypeError, "table must be text"),
    "seed": (lambda: adapters.frames(SDV, seed=1), TypeError, "seed must be a function"),
    "width": (lambda: run(adapters.frames(Copulas, ["a"])), ValueError, "columns must be 2 names"),
    "other names": (lambda: run(adapters.frames(Copulas, ["a"]), MIXED), ValueError, "those of the source, age, city"),
    "an unknown column": (lambda: run(adapters.frames(Copulas, dtypes={"a": int})), ValueError, "x0, x1, got 'a'"),
    "fractions": (
        lambda: run(adapters.frames(Copulas, dtypes={"x0": int}), mc.table([[1.5, 2.0], [1.5, 3.0]])),
        ValueError,
        "'x0' cannot be int64: it holds 1.5",
    ),
    "no fit": (lambda: run(adapters.frames(object)), TypeError, "no fit"),
    "the same model": (lambda: run(adapters.frames(lambda: ONE)), TypeError, "a new object each time"),
    "another table": (
        lambda: run(adapters.frames(type("S", (SDV,), {"fit": lambda self, d: SDV.fit(self, {"people": d["x"]})}), table="x")),
        ValueError,
        "returned the tables 'people', without 'x'",
    ),
    "train": (lambda: adapters.functions(None, len), TypeError, "train must be a function"),
    "sample": (lambda: adapters.functions(len, None), TypeError, "sample must be a function"),
    "save alone": (lambda: adapters.functions(len, len, save=print), ValueError, "save needs load beside it"),
    "nothing": (lambda: run(adapters.functions(lambda X: None, len)), TypeError, "got None"),
    "in place": (
        lambda: run(adapters.functions(lambda X, previous: previous or ONE, lambda m, n: np.ones((n, 2)))),
        TypeError,
        "begin with copy.deepcopy",
    ),
    "prompts": (
        lambda: run(adapters.functions(*FUNCTIONS), regime=mc.regimes.Rewrite(0.5)),
        TypeError,
        "give `sample` a parameter given",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_makes_no_sense_is_refused_by_name(case):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call()


def fit(data, seed):
    return {"rows": data, "seed": seed}


def draw(model, n, seed):
    return np.random.default_rng(seed).choice(model["rows"], n)


FUNCTIONS = (fit, draw)


class Tensor:
    """What a tensor of torch can do before it is an array."""

    def __init__(self, values):
        self.values = values

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self.values


def test_functions_get_what_they_name():
    seen = []

    def train(data, *, previous, random_state, rng):
        seen.append((previous, random_state))
        assert isinstance(rng, np.random.Generator)
        model = {"steps": 0} if previous is None else copy.deepcopy(previous)
        model["steps"] += 1
        model["mean"] = data.mean(0)
        return model

    def sample(model, n):
        return Tensor(model["mean"] + np.random.standard_normal((n, 2)))

    make = adapters.functions(train, sample)
    steps = {"steps": lambda fitted: fitted.model["steps"], "mean": "mean"}
    done = run(make, observe=steps)
    assert done["steps"].tolist() == [[1, 2, 3, 4]] * 2
    assert [previous is None for previous, _ in seen] == [True, False, False, False] * 2
    assert len({number for _, number in seen}) == 8
    assert_array_equal(run(make, observe=steps)["mean"], done["mean"])
    # the moments are those of draws: nothing is read from an object of another world
    assert_array_equal(run(make, observe={"m": lambda f: f.sample.mean(0)})["m"], done["mean"])
    assert done.params[0].sample(4).shape == (4, 2)


COINS = {
    "number": lambda heads: heads,
    "numpy": np.int64,
    "truth": bool,
    "text": str,
    "tuple": lambda heads: (heads, "heads"),
    "made once": lambda heads: COUNTS[heads],
}
COUNTS = [[heads] for heads in range(6)]


@pytest.mark.parametrize("kind", COINS)
def test_a_model_that_comes_out_as_the_last_is_taken(kind):
    def train(data):
        return COINS[kind](int((data[:, 0] > 3).sum()))

    def warm(data, previous):
        assert previous is None or type(previous) is type(train(data))
        return train(data)

    def sample(model, n, seed):
        return np.random.default_rng(seed).choice([[0.0, 1.0], [9.0, 1.0]], n)

    for trains in (train,) if kind == "made once" else (train, warm):
        models = run(adapters.functions(trains, sample), generations=20).params
        assert type(models[0].inner) is type(train(np.zeros((5, 2))))


def test_every_call_has_the_whole_address():
    numbers, seeds = [], []

    def train(data, rng, seed):
        numbers.append(rng.bit_generator.state["state"]["state"])
        seeds.append(seed)
        # the shared generators begin with the number
        assert np.random.random() == np.random.RandomState(seed).random()
        return {}

    make = adapters.functions(train, lambda model, n, rng: rng.normal(size=(n, 2)))
    run(make, observe={"one": lambda fitted: 1.0})
    assert len(set(numbers)) == len(set(seeds)) == 8

    class Model(Pomegranate):
        def fit(self, X, rng):
            super().fit(X)
            numbers.append(rng.bit_generator.state["state"]["state"])

    # what `fit` of a plain model gets, the adapters pass on
    numbers.clear()
    run(Model, MIXED[["age", "height"]], observe={"one": lambda fitted: 1.0})
    plain = list(numbers)
    numbers.clear()
    run(adapters.frames(Model), MIXED[["age", "height"]], observe={"one": lambda fitted: 1.0})
    assert numbers == plain


def test_functions_of_frames():
    def sample(model, n, rng):
        return model["rows"].iloc[rng.integers(0, len(model["rows"]), n)]

    done = run(adapters.functions(fit, sample), MIXED, {"old": lambda fitted: (fitted.rows["age"] > 40).mean()})
    assert np.isfinite(done["old"]).all()


def test_rows_can_be_continued():
    def go_on(model, n, given):
        assert len(given) == n
        return given + 100

    done = run(adapters.functions(fit, go_on), regime=mc.regimes.Rewrite(0.5), observe={"m": lambda f: f.rows.max()})
    assert done["m"].max() > 100


def pickled(model, path):
    np.savez(path, **model)
    path.with_name(f"{path.name}.npz").rename(path)


def unpickled(path):
    with np.load(path) as found:
        return dict(found)


MAKERS = {
    "frames": lambda: adapters.frames(Pomegranate),
    "tables": lambda: adapters.frames(SDVSaved, table="people"),
    "functions": lambda: adapters.functions(fit, draw, save=pickled, load=unpickled),
}


class SDVSaved(SDV):
    def save(self, path):
        self.X.to_pickle(path)

    @classmethod
    def load(cls, path):
        model = super().load(path)
        model.state = None
        return model


@mc.register
def total(fitted):
    return np.asarray(fitted.rows, np.float64).sum()


@pytest.mark.parametrize("kind", MAKERS)
def test_runs_are_saved_loaded_and_go_on(kind, tmp_path):
    make, regime = MAKERS[kind](), mc.Mixture(0.5, 0.3, 0.2)
    whole = run(make, observe=total, regime=regime, generations=4)
    begun = run(make, observe=total, regime=regime, generations=2)
    begun.save(tmp_path / "run.npz")
    found = mc.Run.load(tmp_path / "run.npz")
    assert_array_equal(found["total"], begun["total"])
    assert_array_equal(found.extend(2)["total"], whole["total"])
    assert_array_equal(begun.extend(2)["total"], whole["total"])
    run(make, observe=total, regime=regime, generations=2, checkpoint=tmp_path / "folder")
    again = run(make, observe=total, regime=regime, generations=4, checkpoint=tmp_path / "folder")
    assert_array_equal(again["total"], whole["total"])


def test_what_another_process_lacks_stands_for_itself(tmp_path):
    run(adapters.functions(fit, draw, save=pickled, load=unpickled), observe=total).save(tmp_path / "run.npz")
    code = """
import sys
import modelcollapse as mc
run = mc.Run.load(sys.argv[1])
print(run["total"].shape, "pandas" in sys.modules)
try:
    run.extend(1)
except ValueError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "run.npz"], capture_output=True, text=True, check=True
    )
    assert "(2, 4) False" in done.stdout
    assert "the saved run uses the function" in done.stdout


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: adapters.functions(*FUNCTIONS), r"give it save=\.\.\. and load="),
        (lambda: adapters.frames(type("Bare", (Copulas,), {"save": None})), "a Bare cannot be kept in a file"),
    ],
)
def test_models_without_files_are_named_when_a_run_is_saved(make, message, tmp_path):
    with pytest.raises(TypeError, match=message):
        run(make()).save(tmp_path / "run.npz")


@mc.register
def old(fitted):
    return fitted.rows["age"].mean()


def test_a_frame_with_any_columns_is_saved_as_it_is(tmp_path):
    frame = MIXED.assign(
        zone=pd.to_datetime(["2020-01-02 03:04:05.123456789"] * 5).tz_localize("Europe/Oslo"),
        month=pd.period_range("2020-01", periods=5, freq="M"),
        span=pd.to_timedelta([1, 2, 3, 4, 5], unit="h"),
        mixed=[1, True, 1.0, "a", None],
        visits=pd.array([3, None, 5, 2, 3], dtype="Int64"),
    )
    first = run(adapters.frames(Pomegranate), frame, old, size=60)
    assert set(map(type, first.params[0].inner.X["mixed"])) == {int, bool, float, str, type(None)}
    first.save(tmp_path / "run.npz")
    found = mc.Run.load(tmp_path / "run.npz")
    pd.testing.assert_frame_equal(
        found.source.shape.given(found.source.points), first.source.shape.given(first.source.points)
    )
    pd.testing.assert_series_equal(found.source.shape.given(found.source.points).dtypes, frame.dtypes)


DAY = datetime.date(2020, 1, 2)
UNKEPT = {
    "lists": (
        [[1], [2]],
        r"'a' must hold numbers, text or dates, got \[1\]: convert it, by frame\['a'\].astype\(str\)",
    ),
    "dates of Python": ([DAY, DAY], r"got datetime.date\(2020, 1, 2\): .* pandas.to_datetime\(frame\['a'\]\)"),
    "decimals": ([decimal.Decimal(1), decimal.Decimal(2)], r"got Decimal\('1'\): convert it"),
    "bytes": ([b"a", b"b"], "got b'a': convert it"),
    "numbers of the plane": ([1j, 2j], "got 1j: convert it"),
    "intervals": (pd.interval_range(0, 2), "got Interval.*convert it"),
    "bins": (pd.cut([1.0, 2.0], 2), r"categories that are text or numbers, got Interval.*frame\['a'\].cat.rename_cat"),
    "groups of dates": (pd.Categorical(pd.to_datetime(["2020-01-02", None])), r"'a' .* got Timestamp.*cat.rename_cat"),
}


@pytest.mark.parametrize("kind", UNKEPT)
def test_values_that_no_file_can_hold_are_refused(kind):
    values, message = UNKEPT[kind]
    with pytest.raises(TypeError, match=message):
        run(adapters.frames(Pomegranate), pd.DataFrame({"a": values}))


def test_names_of_columns_that_no_file_can_hold_are_refused():
    with pytest.raises(TypeError, match="must have names that are text or numbers, got datetime"):
        run(adapters.frames(Pomegranate), pd.DataFrame({DAY: [1, 2]}))


def test_draws_that_no_file_can_hold_are_refused():
    class Dated(Pomegranate):
        def rows(self, chosen):
            return pd.DataFrame({"a": [DAY] * len(chosen)})

    with pytest.raises(TypeError, match="'a' must hold numbers, text or dates, got datetime"):
        run(adapters.frames(Dated), pd.DataFrame({"a": ["u", "v"]}))


@mc.register
def first(fitted):
    return float(fitted.rows["a"].iloc[0] in {"u", "2.0", 1})


KEPT = {
    "text of NumPy": pd.Series([np.str_("u"), np.str_("v")], dtype=object),
    "numbers of NumPy": pd.Series([np.int64(1), np.float32(2.5), np.bool_(True)], dtype=object),
    "pairs": pd.Series([("u", np.int64(1)), ("v", None)], dtype=object),
    "groups of NumPy": pd.Series(pd.Categorical([np.str_("u"), np.str_("v")])),
    "bins as text": pd.Series(pd.cut([1.0, 2.0], 2)).cat.rename_categories(str),
    "sparse": pd.Series(pd.arrays.SparseArray([0.0, 1.0])),
}


@pytest.mark.parametrize("kind", KEPT)
def test_what_runs_is_saved_and_goes_on(kind, tmp_path):
    frame = pd.DataFrame({"a": KEPT[kind], np.str_("b"): 1.0})
    whole, begun = (run(adapters.frames(Pomegranate), frame, first, generations=g) for g in (4, 2))
    begun.save(tmp_path / "run.npz")
    loaded = mc.Run.load(tmp_path / "run.npz")
    assert_array_equal(loaded.extend(2)["first"], whole["first"])
    found = loaded.source.shape.given(loaded.source.points)
    pd.testing.assert_frame_equal(found, frame)
    assert not any(isinstance(value, np.generic) for value in found["a"] if found["a"].dtype == object)


TORCH = """
import random

class Generator:
    def __init__(self):
        self.numbers, self.first = random.Random(67), 67

    def manual_seed(self, seed):
        self.numbers.seed(seed)
        self.first = seed
        return self

    def initial_seed(self):
        return self.first

    def get_state(self):
        return self.numbers.getstate(), self.first

    def set_state(self, state):
        self.numbers.setstate(state[0])
        self.first = state[1]

class Device:
    def __init__(self, begun):
        self.generator, self.begun = Generator(), begun

    def is_initialized(self):
        return self.begun

    is_available = is_initialized

    def manual_seed(self, seed):
        self.generator.manual_seed(seed)

    def get_rng_state(self):
        assert self.begun
        return self.generator.get_state()

    def set_rng_state(self, state):
        assert self.begun
        self.generator.set_state(state)

    def get_rng_state_all(self):
        return [self.get_rng_state()]

    def set_rng_state_all(self, states):
        self.set_rng_state(*states)

    manual_seed_all = manual_seed

class backends:
    mps = Device(False)

default_generator, cuda, mps = Generator(), Device(False), backends.mps
used = [default_generator]

def equal(a, b):
    return a == b

def rand():
    return sum(one.numbers.random() for one in used)
"""


@pytest.fixture
def fake_torch(tmp_path, monkeypatch):
    """A package of that name with what is used of its generators; a first import is one of the test's own."""
    (tmp_path / "torch.py").write_text(TORCH)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    yield
    sys.modules.pop("torch", None)


def lazy(data):
    import torch

    return {"mean": data.mean(), "drawn": torch.rand()}


def lazy_draws(model, n):
    import torch

    return np.array([[torch.rand(), 1.0] for _ in range(n)])


DRAWN = {"drawn": lambda fitted: fitted.model["drawn"]}


def test_torch_that_only_a_call_imports_is_refused_once(fake_torch):
    make = adapters.functions(lazy, lazy_draws)
    with pytest.raises(RuntimeError, match="import torch before the run") as refused:
        run(make, observe=DRAWN)
    assert "in chain 0 at generation 0" in refused.value.__notes__
    assert_array_equal(run(make, observe=DRAWN)["drawn"], run(make, observe=DRAWN)["drawn"])


def test_torch_that_a_call_only_imports_is_no_harm(fake_torch):
    def train(data):
        import torch

        return {"drawn": len(torch.used)}

    make = adapters.functions(train, lazy_draws)
    look = {"drawn": lambda fitted: fitted.sample[:, 0]}
    assert_array_equal(run(make, observe=look)["drawn"], run(make, observe=look)["drawn"])


@pytest.mark.parametrize("begun", [False, True])
def test_generators_of_torch_go_on_as_if_nothing_had_been_drawn(fake_torch, begun):
    import torch

    torch.cuda.begun = torch.mps.begun = begun
    torch.used += [torch.cuda.generator, torch.mps.generator] if begun else []
    torch.default_generator.manual_seed(3)
    before = torch.cuda.generator.get_state(), torch.mps.generator.get_state(), torch.default_generator.get_state()
    make = adapters.functions(lazy, lazy_draws)
    once = run(make, observe=DRAWN)["drawn"]
    after = torch.cuda.generator.get_state(), torch.mps.generator.get_state(), torch.default_generator.get_state()
    # what CUDA will begin with is that of the CPU, as after torch.manual_seed(3)
    assert after == (before if begun else (torch.Generator().manual_seed(3).get_state(), *before[1:]))
    assert len(np.unique(once)) == once.size
    torch.rand()
    assert_array_equal(run(make, observe=DRAWN)["drawn"], once)


def test_a_device_that_a_call_begins_is_seeded_too(fake_torch):
    import torch

    def train(data):
        torch.cuda.begun = True
        return {"drawn": torch.cuda.generator.numbers.random()}

    make = adapters.functions(train, lazy_draws)
    once = run(make, observe=DRAWN)["drawn"]
    torch.cuda.begun = False
    assert_array_equal(run(make, observe=DRAWN)["drawn"], once)
