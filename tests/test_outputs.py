"""What a model gives out, by its law, against enumeration and textbook laws; and that real data stay as they are."""

import contextlib
import functools
import itertools
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy import stats

import modelcollapse as mc
from modelcollapse import families, serial
from modelcollapse.addresses import fold
from modelcollapse.families import Curated, Noisy, Tempered, Truncated, Verified
from modelcollapse.laws import Law, Stream

LAW = np.array([0.4, 0.3, 0.2, 0.1])
REWARD = np.array([0.0, 1.0, 2.0, 1.0])
D = mc.Discrete()


def precision(bits: int) -> Any:
    return jax.enable_x64(False) if bits == 32 else contextlib.nullcontext()


@jax.jit
def out(family: Any, p: jax.Array) -> jax.Array:
    return family.given_out(p).params


def given_out(family: Any, p: Any = LAW) -> np.ndarray:
    return np.asarray(out(family, jnp.asarray(p, jnp.result_type(float))))


@functools.partial(jax.jit, static_argnames=("n",))
def drawn_rows(family: Any, key: jax.Array, params: Any, n: int) -> Any:
    return family.draw_rows(key, params, jnp.int32(n), n)


@functools.partial(jax.jit, static_argnames=("n",))
def drawn(family: Any, key: jax.Array, params: Any, n: int) -> Any:
    return family.draw(key, params, jnp.int32(n), n)


@mc.register(name="tests.first_column")
def first(points: jax.Array) -> jax.Array:
    return points[:, 0]


@mc.register(name="tests.close")
def close(points: jax.Array) -> jax.Array:
    """Accepts with the chance exp(-(x - 1)^2 / 2)."""
    return jnp.exp(-0.5 * (points[:, 0] - 1) ** 2)


def high(points: jax.Array) -> jax.Array:
    return points[:, 0] > 5


def both_ways(points: jax.Array) -> jax.Array:
    return jnp.stack([points[:, 0], -points[:, 0]], 1)


# --- laws on states ---


def enumerated(p: list[Fraction], weights: list[Fraction], choices: int, best: bool) -> list[float]:
    """The law of the pick, over all ordered draws."""
    law = [Fraction(0)] * len(p)
    for drawn in itertools.product(range(len(p)), repeat=choices):
        chance = math.prod(p[i] for i in drawn)
        own = [weights[i] for i in drawn]
        odds = [Fraction(w == max(own)) for w in own] if best else own
        for i, weight in zip(drawn, odds, strict=True):
            law[i] += chance * weight / sum(odds)
    return [float(x) for x in law]


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("pick", ["bradley-terry", "best"])
@pytest.mark.parametrize("choices", [2, 4])
def test_the_law_of_a_pick_is_that_of_all_draws(choices: int, pick: str, bits: int) -> None:
    p, weights = [Fraction(n, 10) for n in (4, 3, 2, 1)], [Fraction(n) for n in (1, 2, 100, 2)]
    exact = enumerated(p, weights, choices, pick == "best")
    with precision(bits):
        found = given_out(Curated(D, np.log([1.0, 2.0, 100.0, 2.0]), choices, pick))
    np.testing.assert_allclose(found, exact, rtol=1e-12 if bits == 64 else 2e-6)


def test_picks_of_many_choices_and_of_rewards_far_apart() -> None:
    # p(y) k E[...] = k p(y) w_y int e^(-w_y t) (p(x) e^(-w_x t) + p(y) e^(-w_y t))^(k-1) dt, expanded by the binomial
    for k, span in ((2, 80.0), (7, 80.0), (60, 30.0), (400, 3.0)):
        low, p = math.exp(-span), 0.3
        exact = sum(stats.binom.pmf(j, k, p) * j / (j + (k - j) * low) for j in range(1, k + 1))
        for order in (1, -1):
            found = given_out(Curated(D, [0.0, span, 0.0, 0.0][::order], k), [0.7, p, 0.0, 0.0][::order])
            state = 1 if order == 1 else 2
            np.testing.assert_allclose(found[state], exact, rtol=2e-9)
            np.testing.assert_allclose(found.sum(), 1, rtol=1e-12)
    endless = given_out(Curated(D, REWARD, math.inf))
    np.testing.assert_allclose(endless, LAW * np.exp(REWARD) / (LAW * np.exp(REWARD)).sum(), rtol=1e-12)
    np.testing.assert_allclose(given_out(Curated(D, REWARD, 10**6)), endless, rtol=1e-5)


def test_several_rewards_judge_their_shares() -> None:
    each = [given_out(Curated(D, reward, 3)) for reward in (REWARD, -REWARD)]
    found = given_out(Curated(D, [REWARD, -REWARD], 3, shares=[0.25, 0.75]))
    np.testing.assert_allclose(found, 0.25 * each[0] + 0.75 * each[1], rtol=1e-12)


@pytest.mark.parametrize("bits", [32, 64])
def test_temperatures_are_powers(bits: int) -> None:
    with precision(bits):
        for tau in (0.01, 0.5, 0.9, 2.0, 1e6):
            logs = np.log(LAW) / tau
            exact = np.exp(logs - logs.max()) / np.exp(logs - logs.max()).sum()
            np.testing.assert_allclose(
                given_out(Tempered(D, tau)), exact, rtol=1e-4 if bits == 32 else 1e-12, atol=1e-37
            )
        cold = given_out(Tempered(D, 1e-30), [0.0, 0.25, 0.375, 0.375])
        np.testing.assert_array_equal(cold, [0, 0, 0.5, 0.5])


def test_cuts_keep_the_most_probable() -> None:
    tenths = np.array([1, 4, 2, 3]) / 10
    for family, kept in (
        (Truncated(D, top_k=2), [1, 3]), (Truncated(D, top_p=0.75), [1, 2, 3]), (Truncated(D, top_p=0.65), [1, 3]),
        (Truncated(D, top_p=0.1), [1]), (Truncated(D, top_k=3, top_p=0.8), [1, 2, 3]), (Truncated(D, top_k=3, top_p=0.7), [1, 3]),
    ):  # fmt: skip
        exact = np.where(np.isin(np.arange(4), kept), tenths, 0)
        np.testing.assert_allclose(given_out(family, tenths), exact / exact.sum(), rtol=1e-14)
    # among equals the lower state comes first, and never more than k come out
    np.testing.assert_array_equal(given_out(Truncated(D, top_k=2), [0.25] * 4), [0.5, 0.5, 0, 0])
    np.testing.assert_array_equal(given_out(Truncated(D, top_p=0.6), [0, 0.25, 0.375, 0.375]), [0, 0, 0.5, 0.5])


@pytest.mark.parametrize("bits", [32, 64])
def test_a_sum_that_is_the_mass_but_for_rounding_is_the_mass(bits: int) -> None:
    with precision(bits):
        for tenths in range(1, 10):
            assert np.count_nonzero(given_out(Truncated(D, top_p=tenths / 10), np.full(10, 0.1))) == tenths
        assert np.count_nonzero(given_out(Truncated(D, top_p=0.3001), np.full(10, 0.1))) == 4


def test_verified_states_pass_by_their_chances() -> None:
    np.testing.assert_allclose(given_out(Verified(D, [1, 0.5, 0, 0.5])), np.array([8, 3, 0, 1]) / 12, rtol=1e-14)
    right = np.array([True, False, True, False])
    exact = LAW * np.where(right, 0.9, 0.3)
    np.testing.assert_allclose(
        given_out(Verified(D, correct=right, right=0.9, wrong=0.3)), exact / exact.sum(), rtol=1e-14
    )


STATES = 4
WEIGHTS = st.lists(st.sampled_from([0, 0, 1, 2, 3, 7, 1000]), min_size=STATES, max_size=STATES).filter(any)
NEUTRAL = {
    "temperature 1": Tempered(D, 1.0), "all states": Truncated(D, top_k=4), "more than all": Truncated(D, top_k=9),
    "all mass": Truncated(D, top_p=1.0), "one choice": Curated(D, REWARD, 1), "one reward": Curated(D, [2.5] * 4, 3),
    "one reward, best": Curated(D, [2.5] * 4, 3, "best"), "one reward, endless": Curated(D, [2.5] * 4, math.inf),
    "all accepted": Verified(D, [1] * 4), "all alike": Verified(D, [0.3] * 4),
    "no difference": Verified(D, correct=[1, 0, 1, 0], right=0.4, wrong=0.4),
}  # fmt: skip


@pytest.mark.parametrize("bits", [32, 64])
@hypothesis.settings(max_examples=25)
@hypothesis.given(weights=WEIGHTS)
def test_neutral_wrappers_give_out_the_very_law(bits: int, weights: list[int]) -> None:
    with precision(bits):
        p = np.asarray(mc.categorical(weights, normalise=True).params)
        for name, family in NEUTRAL.items():
            np.testing.assert_array_equal(given_out(family, p), p, err_msg=name)


CHANGED = {
    "colder": lambda v: Tempered(D, 0.7), "hotter": lambda v: Tempered(D, 1.9), "two": lambda v: Truncated(D, top_k=2),
    "nucleus": lambda v: Truncated(D, top_p=0.8), "pairs": lambda v: Curated(D, v, 2), "fives": lambda v: Curated(D, v, 5),
    "best": lambda v: Curated(D, v, 3, "best"), "endless": lambda v: Curated(D, v, math.inf),
    "verified": lambda v: Verified(D, (v + 0.5) / 8),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGED)
@hypothesis.settings(max_examples=20)
@hypothesis.given(
    weights=st.lists(st.integers(1, 1000), min_size=STATES, max_size=STATES, unique=True),
    reward=st.lists(st.integers(0, 5), min_size=STATES, max_size=STATES),
    order=st.permutations(range(STATES)),
)
def test_states_have_no_order(name: str, weights: list[int], reward: list[int], order: list[int]) -> None:
    """Permuted states give out the permuted law; zeros stay zeros; and a law is a law."""
    p, values = np.array(weights) / sum(weights), np.array(reward, float)
    found = given_out(CHANGED[name](values), p)
    np.testing.assert_allclose(given_out(CHANGED[name](values[order]), p[order]), found[order], rtol=1e-9)
    np.testing.assert_allclose(found.sum(), 1, rtol=1e-12)
    assert (found >= 0).all()
    extinct = np.where(np.arange(STATES) == order[0], 0, p)
    assert given_out(CHANGED[name](values), extinct / extinct.sum())[order[0]] == 0
    alone = np.eye(STATES)[order[0]]
    np.testing.assert_array_equal(given_out(CHANGED[name](values), alone), alone)


@pytest.mark.parametrize("bits", [32, 64])
@hypothesis.settings(max_examples=25)
@hypothesis.given(weights=WEIGHTS)
def test_the_k_most_probable_are_cut_once(bits: int, weights: list[int]) -> None:
    with precision(bits):
        once = given_out(Truncated(D, top_k=2), np.array(weights) / sum(weights))
        np.testing.assert_array_equal(given_out(Truncated(D, top_k=2), once), once)
        # top-p comes to rest where the least state that is left has more than 1 - P, or only one is left
        again = functools.reduce(lambda p, _: given_out(Truncated(D, top_p=0.7), p), range(STATES), once)
        np.testing.assert_array_equal(given_out(Truncated(D, top_p=0.7), again), again)
        alive = again[again > 0]
        assert alive.size == 1 or alive.min() > 0.3 - 1e-6


# --- rows ---

TRUTHS = 0.2 * stats.norm.cdf(0.3), 0.8 * stats.norm.sf(0.3)
"""What passes below and above 0.3, of a verifier that lets right items pass with 0.8 and wrong ones with 0.2."""
ROWS = {
    "best of 4": (Curated(mc.Gaussian(), first, 4, "best"), lambda x: stats.norm.cdf(x) ** 4),
    "accepted": (Verified(mc.Gaussian(), close), stats.norm(0.5, math.sqrt(0.5)).cdf),
    "right of 0.3": (
        Verified(mc.Gaussian(), correct=lambda rows: rows[:, 0] > 0.3, right=0.8, wrong=0.2),
        lambda x: (0.2 * stats.norm.cdf(np.minimum(x, 0.3)) + 0.8 * (stats.norm.cdf(np.maximum(x, 0.3)) - stats.norm.cdf(0.3)))
        / sum(TRUTHS),
    ),
    "within 1.5": (Truncated(mc.Gaussian(), within=1.5), stats.truncnorm(-1.5, 1.5).cdf),
    "noisy": (Noisy(mc.Gaussian(), 1.5), stats.norm(0, math.sqrt(1 + 1.5**2)).cdf),
    "noisy times": (Noisy(mc.Gamma(), 0.5), stats.exponnorm(2.0, scale=0.5).cdf),
    "both rewards": (Curated(mc.Gaussian(), both_ways, 2, "best", [0.5, 0.5]), stats.norm.cdf),
}  # fmt: skip
CELLS = [(name, 32) for name in ROWS] + [("best of 4", 64), ("accepted", 64)]


@pytest.mark.parametrize(("name", "bits"), CELLS)
def test_rows_follow_the_law_that_comes_out(name: str, bits: int) -> None:
    family, cdf = ROWS[name]
    with precision(bits):
        params = mc.exponential(1.0).params if name == "noisy times" else mc.normal().params
        points = np.asarray(drawn_rows(family, jax.random.key(7), params, 8_000).points)
        assert points.dtype == np.dtype(f"float{bits}")
        assert stats.kstest(points[:, 0], cdf).pvalue > 1e-4


def test_moments_are_those_of_the_rows() -> None:
    """Drawn in units of the law, so that a spread which no row could hold keeps its logarithm."""
    key, params = jax.random.key(1), mc.normal([0.25], 4.0).params
    for name in ("best of 4", "within 1.5"):
        points = np.asarray(drawn_rows(ROWS[name][0], key, params, 50).points)
        moments = drawn(ROWS[name][0], key, params, 50)
        np.testing.assert_allclose(moments.mean, points.mean(0), rtol=1e-10)
        np.testing.assert_allclose(moments.log_scale, 0.5 * np.log(50 * points.var(0)), rtol=1e-10)
    small = families.Normal(params.mean, params.unit, params.log_scale - 1e4)
    np.testing.assert_allclose(drawn(ROWS[name][0], key, small, 50).log_scale, moments.log_scale - 1e4, rtol=1e-12)
    wide, plain = Truncated(mc.Gaussian(), within=np.inf), mc.Gaussian()
    for draw in (drawn, drawn_rows):
        jax.tree.map(
            functools.partial(np.testing.assert_allclose, rtol=1e-14),
            draw(wide, key, params, 50),
            draw(plain, key, params, 50),
        )


def test_normal_laws_are_altered_on_log_scales() -> None:
    plane = mc.normal([1.0, 2.0], [[2.0, 0.5], [0.5, 1.0]]).params
    for family, covariance in (
        (Tempered(mc.Gaussian(), 0.3), 0.3 * plane.covariance), (Noisy(mc.Gaussian(), 0.7), plane.covariance + 0.49 * jnp.eye(2)),
    ):  # fmt: skip
        law = out(family, plane)
        np.testing.assert_allclose(law.covariance, covariance, rtol=1e-13)
        np.testing.assert_array_equal(law.mean, plane.mean)
    for neutral in (Tempered(mc.Gaussian(), 1.0), Noisy(mc.Gaussian(), 0.0)):
        jax.tree.map(np.testing.assert_array_equal, out(neutral, plane), plane)


# --- endless data ---

ENDLESS = {  # mean and variance of what comes out of a standard normal law
    "tempered": (Tempered, (0.7,), 0.0, 0.7, 1e-12), "noisy": (Noisy, (0.5,), 0.0, 1.25, 1e-12),
    "within 1.5": (Truncated, (None, None, 1.5), 0.0, stats.truncnorm(-1.5, 1.5).var(), 1e-12),
    "within 0.001": (Truncated, (None, None, 1e-3), 0.0, 1e-6 / 3, 1e-6),
    "best of 2": (Curated, (first, 2, "best"), math.sqrt(1 / math.pi), 1 - 1 / math.pi, 1e-6),
    "reward without end": (Curated, (first, math.inf), 1.0, 1.0, 1e-12),
    "accepted": (Verified, (close,), 0.5, 0.5, 1e-12),
}  # fmt: skip


@jax.jit
def taught(family: Any, law: Any) -> Any:
    """What infinitely many draws of a model with parameters ``law`` teach."""
    return family.fit(jax.random.key(0), family.population(Law(family, law), jnp.int32(1)), None)


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_data_of_normal_laws(name: str) -> None:
    """Exact around a wrapper, and the wrapper around Exact, learn the moments of what comes out."""
    wrapper, options, mean, variance, error = ENDLESS[name]
    orders = [wrapper(mc.Exact(mc.Gaussian()), *options)]
    if math.inf not in options:
        orders.append(mc.Exact(wrapper(mc.Gaussian(), *options)))
    for family in orders:
        found = taught(family, mc.normal(0.5, 4.0).params if name in ("tempered", "within 1.5") else mc.normal().params)
        shift, scale = (0.5, 4.0) if name in ("tempered", "within 1.5") else (0.0, 1.0)
        np.testing.assert_allclose(found.mean[0], shift + mean, rtol=error, atol=1e-14)
        np.testing.assert_allclose(found.covariance[0, 0], scale * variance, rtol=error)


def test_endless_data_of_states() -> None:
    for wrap in (
        lambda f: Curated(f, REWARD, 3),
        lambda f: Verified(f, [1, 0.5, 0.1, 0]),
        lambda f: Truncated(f, top_k=3),
    ):
        for family in (wrap(mc.Exact(D)), mc.Exact(wrap(D))):
            np.testing.assert_allclose(taught(family, jnp.asarray(LAW)), given_out(wrap(D)), rtol=1e-12)


def test_endless_data_are_mixed_as_they_come_out() -> None:
    family = Curated(D, REWARD, 3)
    exact = 0.5 * given_out(family) + 0.5 * LAW
    run = mc.simulate(
        mc.Exact(family), mc.categorical(LAW), mc.Mixture(0.5, 0, 0.5), "probabilities", size=4, generations=1
    )
    np.testing.assert_allclose(run["probabilities"][0], [LAW, exact], rtol=1e-12)


def test_endless_data_may_switch_to_a_mixture() -> None:
    """Numbers of draws before, and expected numbers from there on."""
    regime = mc.Switch(mc.Replace(), mc.Mixture(0.5, 0, 0.5), 2)
    run = mc.simulate(mc.Exact(Tempered(D, 0.5)), mc.categorical(LAW), regime, "probabilities", size=4, generations=2)
    once = LAW**2 / (LAW**2).sum()
    np.testing.assert_allclose(
        run["probabilities"][0], [LAW, once, 0.5 * once**2 / (once**2).sum() + 0.5 * LAW], rtol=1e-12
    )


# --- real data stay as they are ---

REGIMES = mc.FreshReal(0.5), mc.FixedReal(0.5), mc.Accumulate()


@jax.jit
def learned_from(family: Any, key: jax.Array) -> tuple[Any, list[Any]]:
    """The first data set, and that of generation 1 in every regime."""
    size, sets = jnp.int32(40), []
    for regime in REGIMES:
        streams = [
            Stream(law, family, 64, regime.needs_items)
            for law in (Law(D, jnp.asarray(LAW)), Law(family, jnp.asarray(LAW)))
        ]
        opening, memory = regime.start(fold(key, 0), streams[0], size)
        sets.append(regime.next(fold(key, 1), streams[1], streams[0], memory, size, jnp.int32(1))[0].n)
    return opening.n, sets


def test_real_items_are_those_of_any_other_model() -> None:
    """One model gives out state 0 alone and another state 1 alone; what both learn of states 2 and 3 is real."""
    seen = [learned_from(Verified(D, np.eye(4)[state]), jax.random.key(3)) for state in (0, 1)]
    np.testing.assert_array_equal(seen[0][0], seen[1][0])
    for regime, one, other in zip(REGIMES, seen[0][1], seen[1][1], strict=True):
        np.testing.assert_array_equal(one[2:], other[2:])
        assert one[2:].sum() > 0, regime
        assert not np.array_equal(one, other)


def test_neutral_runs_are_plain_runs() -> None:
    plain, neutral = (
        mc.simulate(family, mc.categorical(LAW), mc.FreshReal(0.5), "probabilities", size=40, generations=3, chains=20)
        for family in (D, Tempered(D, 1.0))
    )
    np.testing.assert_array_equal(plain["probabilities"], neutral["probabilities"])


def test_a_source_gives_out_what_its_models_do() -> None:
    law = Law(Noisy(mc.Gaussian(), 1.0), mc.normal(2.0, 3.0).params)
    np.testing.assert_allclose(law.moments()[1], 4.0)
    np.testing.assert_allclose(mc.GaussianMean().project(law).mean, 2.0)
    np.testing.assert_allclose(D.project(Law(Tempered(D, 0.5), jnp.asarray(LAW))), LAW**2 / (LAW**2).sum())


# --- runs ---


@pytest.mark.parametrize(("make", "values"), [
    (lambda v: Tempered(D, v), [0.5, 1.0, 2.0]), (lambda v: Truncated(D, top_k=v), [1, 2, 4]),
    (lambda v: Truncated(D, top_p=v), [0.3, 0.8, 1.0]), (lambda v: Curated(D, v * REWARD, 3), [0.0, 1.0, 3.0]),
    (lambda v: Verified(D, correct=[1, 1, 0, 0], right=v, wrong=0.2), [0.1, 0.5, 1.0]),
])  # fmt: skip
def test_numbers_are_leaves(make: Any, values: list[Any]) -> None:
    swept = jax.jit(jax.vmap(lambda v: make(v).given_out(jnp.asarray(LAW)).params))(jnp.asarray(values))
    for value, law in zip(values, swept, strict=True):
        np.testing.assert_allclose(law, given_out(make(value)), rtol=1e-13)
    assert not np.allclose(swept[0], swept[2])


PARTS = (
    Tempered(D, 0.8), Truncated(D, 3, 0.95), Truncated(mc.Gaussian(), within=math.inf), Verified(mc.Gaussian(), close, rounds=40),
    Curated(D, [REWARD, -REWARD], math.inf, shares=[0.5, 0.5]), Curated(mc.Gaussian(), first, 4, "best"), Noisy(mc.Gaussian(), 0.1),
)  # fmt: skip


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{type(part).__name__}({type(part.family).__name__})")
def test_parts_come_back_from_a_file(part: Any) -> None:
    arrays: dict[str, np.ndarray] = {}
    lost: set[str] = set()
    back = serial.decode(serial.encode(part, arrays, lost), arrays)
    assert not lost
    assert repr(back) == repr(part)
    assert jax.tree.structure(back) == jax.tree.structure(part)


def test_a_cut_takes_one_data_set() -> None:
    given = {"size": 20, "generations": 2, "chains": 2}
    with pytest.raises(TypeError, match=r"family must draw one data set .* got Ensemble\(Gaussian\): an Ensemble may"):
        mc.simulate(Truncated(families.Ensemble(mc.Gaussian(), 2), within=2.0), mc.normal(), **given)
    mc.simulate(Truncated(families.Ensemble(mc.Gaussian(), 2, "one"), within=2.0), mc.normal(), **given)


def test_a_function_that_nobody_registered_says_so() -> None:
    """As a loaded run holds it; no other reason is given."""
    family = Verified(mc.Gaussian(), accept=serial.Unresolved("script:accept"))
    with pytest.raises(ValueError, match=r"^the saved run uses the function script:accept"):
        mc.simulate(family, mc.normal(), size=5, generations=1)


def test_a_run_by_rows_goes_on(tmp_path: Path) -> None:
    family = Verified(mc.Gaussian(), close)
    whole, run = (
        mc.simulate(family, mc.normal(), mc.FreshReal(0.25), "log_variance", size=20, generations=g, chains=3)
        for g in (3, 2)
    )
    run.save(tmp_path / "run.npz")
    np.testing.assert_array_equal(mc.Run.load(tmp_path / "run.npz").extend(1)["log_variance"], whole["log_variance"])


def test_a_set_that_stays_short_fails_by_its_generation() -> None:
    with pytest.raises(
        mc.ChainFailure, match=r"Verified .* chain 0 at generation 1.*pass accept in rounds=2"
    ) as failure:
        mc.simulate(
            Verified(mc.Gaussian(), high, rounds=2), mc.normal(), observe="mean", size=8, generations=2, chains=2
        )
    np.testing.assert_array_equal(failure.value.generations, [1, 1])


def test_a_chain_without_an_accepted_state_fails_by_its_generation() -> None:
    with pytest.raises(mc.ChainFailure) as failure:
        mc.simulate(
            Verified(D, [0.0, 1.0]),
            mc.categorical([0.9, 0.1]),
            observe="probabilities",
            size=4,
            generations=2,
            chains=50,
        )
    lost = failure.value
    assert str(lost).endswith(
        "; Verified gives out no data set if accept lets none of the states pass that the model has left: "
        "let each pass with some chance, or add real data"
    )
    assert 0 < lost.chains.size < 50
    assert set(lost.generations) == {1}
    np.testing.assert_array_equal(lost.run["probabilities"][lost.chains, 0, 0], 1)


@pytest.mark.parametrize("family", [
    Verified(mc.Gaussian(), lambda rows: 2 + 0 * rows[:, 0]), Curated(mc.Gaussian(), lambda rows: jnp.nan * rows[:, 0]),
])  # fmt: skip
def test_functions_that_give_no_numbers_fail_the_fit(family: Any) -> None:
    assert np.isnan(drawn(family, jax.random.key(0), mc.normal().params, 8).mean).all()
