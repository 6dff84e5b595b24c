"""A run of foreign models goes on where it stopped: extended, saved and loaded, or killed and resumed from its
checkpoint.
"""

import io

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import modelcollapse as mc
from modelcollapse.run import Run
from modelcollapse.serial import SavedModel


class Normal:
    """A model that is one file of numbers."""

    def fit(self, X):
        self.mean, self.factor = X.mean(0), X.std(0, ddof=1)

    def sample(self, n, rng):
        return self.mean + self.factor * rng.standard_normal((n, len(self.mean)))

    def save(self, path):
        np.savetxt(path, [self.mean, self.factor], fmt="%.17g")

    def load(self, path):
        self.mean, self.factor = np.loadtxt(path, ndmin=2)


class Forest(Normal):
    """A model that is a folder, and whose class reads it; its draws come from a generator of its own, which it saves."""

    made = 0

    def __init__(self):
        self.rng = np.random.default_rng(100 + type(self).made)
        type(self).made += 1

    def sample(self, n):
        return super().sample(n, self.rng)

    def save(self, path):
        path.mkdir()
        super().save(path / "numbers")
        state = self.rng.bit_generator.state["state"]
        (path / "generator").write_text(f"{state['state']} {state['inc']}")

    @classmethod
    def load(cls, path):
        model = cls()
        Normal.load(model, path / "numbers")
        state, inc = map(int, (path / "generator").read_text().split())
        model.rng.bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {"state": state, "inc": inc},
            "has_uint32": 0,
            "uinteger": 0,
        }
        return model


def spread(fitted):
    return fitted.rows.std()


OBSERVE = {"mean": "mean", "time": mc.first_below(spread, 2.5)}
REGIMES = {
    "replace": mc.Replace(),
    "every older fit": mc.Mixture(0.5, 0.3, 0.2),
    "rows": mc.Accumulate(),
    "rows or fits": mc.Switch(mc.Mixture(0.5, 0.5, 0.0), mc.Retain(0.5), 4),
}


def simulated(generations, regime=REGIMES["every older fit"], make=Normal, **options):
    settings = {"size": 7, "chains": 2, "seed": 3} | options
    return mc.simulate_models(
        make, mc.normal([0.0, 5.0], np.eye(2)), regime, OBSERVE, generations=generations, **settings
    )


def check_same(run, other):
    for name in OBSERVE:
        assert_array_equal(run[name], other[name], strict=True)
    assert_array_equal(run.recorded, other.recorded)


@pytest.mark.parametrize("regime", REGIMES.values(), ids=REGIMES)
def test_a_run_goes_on_as_if_it_had_never_stopped(regime, tmp_path):
    whole, part = simulated(6, regime), simulated(3, regime)
    check_same(part.extend(2).extend(1), whole)
    check_same(part.extend(3), whole)  # extending a run does not change it
    part.save(tmp_path / "run.npz")
    loaded = Run.load(tmp_path / "run.npz")
    check_same(loaded, part)
    assert all(isinstance(model, SavedModel) for model in loaded.params)
    loaded.save(tmp_path / "again.npz")
    going = Run.load(tmp_path / "again.npz").extend(1)
    going.save(tmp_path / "run.npz")
    check_same(Run.load(tmp_path / "run.npz").extend(2), whole)


def test_a_model_saves_its_own_generator(tmp_path):
    Forest.made = 0
    whole = simulated(5, make=Forest, chains=1)
    Forest.made = 0
    part = simulated(2, make=Forest, chains=1)
    part.save(tmp_path / "run.npz")
    made = Forest.made
    loaded = Run.load(tmp_path / "run.npz")
    assert Forest.made == made  # no file calls what it names
    check_same(part.extend(3), whole)
    # each model that is loaded is made twice, and later ones count them
    Forest.made = made - 2 * (1 + len(loaded.state.memory[0].models))
    check_same(loaded.extend(3), whole)


@pytest.mark.parametrize("regime", REGIMES.values(), ids=REGIMES)
@pytest.mark.parametrize("place", [(0, 4), (1, 0)])
def test_a_killed_run_resumes_to_the_same_numbers(regime, place, tmp_path, monkeypatch):
    chain, generation = place
    fits = []

    class Killed(Normal):
        def fit(self, X):
            super().fit(X)
            fits.append(1)
            if len(fits) == 7 * chain + generation + 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulated(6, regime, Killed, checkpoint=tmp_path)
    done = len(fits) - 1
    fits.extend([1] * 100)
    check_same(simulated(6, regime, Killed, checkpoint=tmp_path), simulated(6, regime))
    assert len(fits) - done - 101 == 14 - done  # no generation was run again
    longer = simulated(8, regime, Killed, checkpoint=tmp_path)
    check_same(longer, simulated(8, regime))
    assert len(fits) - done - 101 == 18 - done
    kept = sorted(int(path.name) for path in (tmp_path / "chain-0").iterdir() if path.is_dir())
    assert kept == ([9] if regime in (REGIMES["replace"], REGIMES["rows"]) else kept)


def test_a_model_killed_in_its_own_save_leaves_the_last_generation(tmp_path):
    class Torn(Normal):
        saves = 0

        def save(self, path):
            path.write_text("half")
            type(self).saves += 1
            if self.saves == 3:
                raise KeyboardInterrupt
            super().save(path)

    with pytest.raises(KeyboardInterrupt):
        simulated(4, make=Torn, checkpoint=tmp_path)
    check_same(simulated(4, make=Torn, checkpoint=tmp_path), simulated(4))


def test_frames_keep_their_codes(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"word": ["a", "b", "c", "d"], "x": [1.0, 2.0, 3.0, 4.0]})

    class Longer:
        """Each generation writes words that none wrote before."""

        def fit(self, X):
            self.rows = X

        def sample(self, n, rng):
            drawn = self.rows.iloc[rng.integers(0, len(self.rows), n)].reset_index(drop=True)
            return drawn.assign(word=drawn["word"] + "!")

        def save(self, path):
            self.rows.to_json(path)

        def load(self, path):
            self.rows = pandas.read_json(io.StringIO(path.read_text()), dtype={"x": float})

    words = {"words": lambda fitted: np.array([len(w) for w in fitted.rows["word"]])}

    def run(generations, **options):
        regime = mc.Mixture(0.5, 0.3, 0.2)
        return mc.simulate_models(Longer, frame, regime, words, size=8, generations=generations, **options)

    run(2, checkpoint=tmp_path)
    whole = run(4)
    assert whole["words"].max() > 2
    assert_array_equal(run(4, checkpoint=tmp_path)["words"], whole["words"])
    assert_array_equal(run(2).extend(2)["words"], whole["words"])
    part = run(2)
    with pytest.warns(UserWarning, match="will not find .*Longer"):
        part.save(tmp_path / "run.npz")
    found = mc.Run.load(tmp_path / "run.npz")
    assert_array_equal(found["words"], part["words"])
    pandas.testing.assert_frame_equal(found.source.shape.given(found.source.points), frame)


class Bigram:
    """A model of tokens that goes on from the last one of each row it is given."""

    tokens = True

    def fit(self, X):
        counts = np.full((4, 4), 0.5)
        np.add.at(counts, (X[:, :-1], X[:, 1:]), 1)
        self.law = counts / counts.sum(1, keepdims=True)

    def sample(self, n, rng, given):
        out, last = np.zeros_like(given), given[:, -1]
        for t in range(given.shape[1]):
            last = (self.law[last].cumsum(1) < rng.random((n, 1))).sum(1)
            out[:, t] = last
        return out

    def log_probabilities(self, blocks):
        return np.log(self.law[blocks[:, :-1], blocks[:, 1:]])

    def save(self, path):
        np.savetxt(path, self.law, fmt="%.17g")

    def load(self, path):
        self.law = np.loadtxt(path)


def test_fits_that_observables_hold_on_to_are_there_after_a_pause(tmp_path):
    """Text of each generation under the models of generations 0 and 2, which no later data set comes from."""
    text = np.random.default_rng(1).integers(0, 4, (9, 6))
    observe = {
        "first": mc.observables.own_perplexity(),
        "third": mc.observables.own_perplexity(under=2),
        "real": mc.observables.perplexity(text[:3]),
        "distinct": mc.observables.distinct(2),
        "blocks": mc.observables.blocks(2),
    }

    def run(generations, checkpoint=None):
        source = mc.text.tokens(text, 4)
        return mc.simulate_models(
            Bigram, source, mc.regimes.Rewrite(0.3), observe, size=9, generations=generations, checkpoint=checkpoint
        )

    whole = run(5)
    assert np.isfinite(whole["first"]).all()
    assert_array_equal(np.isnan(whole["third"]), [[True, True, False, False, False, False]])
    law = Bigram()
    law.fit(text)
    np.testing.assert_allclose(whole["real"][0, 0], np.exp(-law.log_probabilities(text[:3]).mean()))
    np.testing.assert_allclose(whole["first"][0, 0], np.exp(-law.log_probabilities(text).mean()))
    assert_array_equal(whole["blocks"][0, 0], text[:2])
    for stop in (1, 3):
        run(stop, tmp_path / str(stop))
        resumed = run(5, tmp_path / str(stop))
        run(stop).save(tmp_path / "run.npz")
        for other in (resumed, run(stop).extend(5 - stop), Run.load(tmp_path / "run.npz").extend(5 - stop)):
            for name in observe:
                assert_array_equal(other[name], whole[name])


class Bare:
    fit, sample = Normal.fit, Normal.sample


def test_what_cannot_go_on_says_why(tmp_path):
    run = simulated(2, make=Bare)
    check_same(run.extend(1), simulated(3))  # in the same process nothing is needed
    with pytest.raises(TypeError, match=r"cannot save .*Bare.* models with methods save\(path\) and load\(path\)"):
        run.save(tmp_path / "run.npz")
    with pytest.raises(TypeError, match=r"a Bare cannot be kept in a file: give its class methods save\(path\)"):
        simulated(2, make=Bare, checkpoint=tmp_path / "bare")
    with pytest.warns(UserWarning, match="another process that loads this run will not find"):
        simulated(2, make=lambda: Normal()).save(tmp_path / "run.npz")
    loaded = Run.load(tmp_path / "run.npz")
    with pytest.raises(ValueError, match="uses the function"):
        loaded.extend(1)
    simulated(2, checkpoint=tmp_path / "here")
    for changes, what in (
        ({"seed": 4}, "seed"),
        ({"size": 8}, "size"),
        ({"record": [2]}, "record"),
        ({"regime": mc.Replace()}, "regime"),
    ):
        with pytest.raises(ValueError, match=f"the checkpoint of a run with another {what}: give another folder"):
            simulated(2, checkpoint=tmp_path / "here", **changes)
    with pytest.raises(ValueError, match="has reached generation 2: ask for no fewer generations"):
        simulated(1, checkpoint=tmp_path / "here")


def test_a_saved_model_stays_in_its_folder(tmp_path):
    with pytest.raises(ValueError, match=r"cannot have a file at '\.\./outside'"):
        SavedModel({"../outside": np.zeros(1, np.uint8)}).into(lambda path: path)
