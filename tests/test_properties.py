"""What must hold for every law, size and seed, not on average."""

import contextlib
from typing import Any

import hypothesis
import jax
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy import special, stats

import modelcollapse as mc
from modelcollapse_theory import collapse, gaussian, wishart

# one shape each, sizes within one power of two: nothing is compiled between examples
SEEDS = st.integers(0, 2**40)
STATES = 6
WEIGHTS = st.lists(st.sampled_from([0, 0, 1, 2, 7, 1000]), min_size=STATES, max_size=STATES).filter(any)
SIZES = st.integers(33, 64)


def discrete(weights: Any, size: int, seed: int) -> mc.Run:
    return mc.simulate(
        mc.Discrete(), mc.categorical(weights, normalise=True), observe=["probabilities", "heterozygosity"],
        size=size, generations=5, chains=7, seed=seed,
    )  # fmt: skip


def precision(bits: int) -> Any:
    return jax.enable_x64(False) if bits == 32 else contextlib.nullcontext()


@pytest.mark.parametrize("bits", [32, 64])
@hypothesis.settings(max_examples=25)
@hypothesis.given(weights=WEIGHTS, size=SIZES, seed=SEEDS)
def test_totals_stay_and_the_extinct_stay_extinct(bits: int, weights: list[int], size: int, seed: int) -> None:
    with precision(bits):
        p = discrete(weights, size, seed)["probabilities"]
        assert p.dtype == np.dtype(f"float{bits}")
        counts = np.rint(p * size)
        np.testing.assert_array_equal(counts.sum(-1), size)
        ulp = np.finfo(p.dtype).eps
        np.testing.assert_allclose(p, counts / size, rtol=2 * ulp, atol=0)
        gone = np.concatenate([np.broadcast_to(np.array(weights) == 0, (7, 1, STATES)), p == 0], axis=1)
        assert not (gone[:, :-1] & ~gone[:, 1:]).any()


@pytest.mark.parametrize("bits", [32, 64])
@hypothesis.settings(max_examples=10)
@hypothesis.given(state=st.integers(0, STATES - 1), size=SIZES, seed=SEEDS)
@hypothesis.example(state=2, size=49, seed=0)  # 49 * (1 / 49) is not 1 in float64, 41 * (1 / 41) not in float32
@hypothesis.example(state=2, size=41, seed=0)
def test_a_delta_stays_a_delta(bits: int, state: int, size: int, seed: int) -> None:
    with precision(bits):
        delta = np.eye(STATES)[state]
        run = discrete(delta, size, seed)
        np.testing.assert_array_equal(run["probabilities"], np.broadcast_to(delta, (7, 6, STATES)))
        np.testing.assert_array_equal(run["heterozygosity"], 0)


def test_totals_are_exact_beyond_the_integers_of_float32() -> None:
    size = 2**31 - 1
    run = mc.simulate(
        mc.Discrete(), mc.categorical([0.9, 0.1]), observe="probabilities", size=size, generations=1, chains=3
    )
    counts = run["probabilities"] * size
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-6)
    np.testing.assert_array_equal(np.rint(counts).sum(-1), size)
    assert (np.rint(counts) % 128 != 0).any()


def test_permuting_the_states_permutes_the_run_in_law() -> None:
    # the sampler walks along the states, so the numbers differ; the joint law of two generations must not
    p, order = np.array([0.4, 0.3, 0.2, 0.1]), np.array([2, 0, 3, 1])

    def outcomes(weights: np.ndarray, seed: int) -> np.ndarray:
        run = mc.simulate(
            mc.Discrete(),
            mc.categorical(weights),
            observe="probabilities",
            size=4,
            generations=1,
            chains=6000,
            seed=seed,
        )
        return np.rint(run["probabilities"] * 4).astype(int)

    def pvalue(a: np.ndarray, b: np.ndarray) -> float:
        names = [(x.reshape(len(x), -1) @ 5 ** np.arange(8)).tolist() for x in (a, b)]
        values, inverse = np.unique(names, return_inverse=True)
        table = np.stack([np.bincount(i, minlength=values.size) for i in inverse.reshape(2, -1)])
        common = table.sum(0) >= 20
        return stats.chi2_contingency(np.column_stack([table[:, common], table[:, ~common].sum(1)])).pvalue

    straight, permuted = outcomes(p, 0), outcomes(p[order], 1)
    assert pvalue(straight[..., order], permuted) > 1e-6
    assert pvalue(straight, permuted) < 1e-6
    assert pvalue(straight[..., np.argsort(order)], permuted) < 1e-6


SCALES = st.floats(0.1, 10)
SHIFTS = st.floats(-10, 10)


@pytest.mark.parametrize(
    "regime",
    [pytest.param(mc.Replace(), id="replace", marks=pytest.mark.slow), pytest.param(mc.FreshReal(0.3), id="fresh")],
)
@hypothesis.settings(max_examples=15)
@hypothesis.given(
    scales=st.tuples(SCALES, SCALES), slope=SHIFTS, shift=st.tuples(SHIFTS, SHIFTS), size=st.integers(5, 50), seed=SEEDS
)
def test_affine_maps_of_the_source_map_the_run(
    regime: Any, scales: tuple, slope: float, shift: tuple, size: int, seed: int
) -> None:
    # triangular maps with a positive diagonal map Cholesky factors to Cholesky factors; others hold in law only
    matrix = np.array([[scales[0], 0.0], [slope, scales[1]]])
    mean, covariance = np.array([1.0, -2.0]), np.array([[2.0, 0.9], [0.9, 1.0]])

    def run(source: mc.Law) -> mc.Run:
        return mc.simulate(
            mc.Gaussian(), source, regime, ["mean", "log_determinant"], size=size, generations=5, chains=7, seed=seed
        )

    plain = run(mc.normal(mean, covariance))
    mapped = run(mc.normal(matrix @ mean + shift, matrix @ covariance @ matrix.T))
    scale = 1 + abs(slope) + max(scales) + np.abs(shift).max()
    np.testing.assert_allclose(mapped["mean"], plain["mean"] @ matrix.T + shift, rtol=1e-11, atol=1e-11 * scale)
    np.testing.assert_allclose(mapped.params.log_scale, plain.params.log_scale + np.log(scales), rtol=1e-9, atol=1e-9)
    factors = [np.asarray(r.params.unit) * np.exp(np.asarray(r.params.log_scale))[:, None] for r in (plain, mapped)]
    np.testing.assert_allclose(factors[1], matrix @ factors[0], rtol=1e-8, atol=1e-9 * scale)


def log_traces(d: int, ddof: int, size: int, generations: list[int], seed: int) -> np.ndarray:
    """Logarithm of tr Sigma over that of the source, ``(chain, generation)``."""
    run = mc.simulate(
        mc.Gaussian(ddof), mc.normal(np.zeros(d)), observe=["log_variance", "log_determinant"],
        size=size, generations=generations[-1], record=generations, chains=4, seed=seed,
    )  # fmt: skip
    return special.logsumexp(run["log_variance"], axis=-1) - np.log(d)


@pytest.mark.parametrize(("d", "ddof"), [(3, 1), *(pytest.param(1, n, marks=pytest.mark.slow) for n in (0, 1))])
@hypothesis.settings(max_examples=12)
@hypothesis.given(extra=st.integers(1, 37), log_threshold=st.floats(-16, -2), seed=SEEDS)
def test_the_variance_of_every_single_chain_vanishes(
    d: int, ddof: int, extra: int, log_threshold: float, seed: int
) -> None:
    size = d + extra
    risk = 1e-12 / 4  # shared by the chains
    fits = int(collapse.collapse_fits(np.exp(log_threshold), risk, size, dimension=d, ddof=ddof))
    assert collapse.collapse_bound(np.exp(log_threshold), size, fits, dimension=d, ddof=ddof) <= risk
    early, late = log_traces(d, ddof, size, [max(fits // 60, 1), fits - 1], seed).T
    assert (late <= log_threshold).all()
    # long before, it has not: the bound would not hold for a hundredth of the fits
    assert (early > log_threshold - 10).any()


def test_the_law_of_the_log_variance() -> None:
    run = mc.simulate(mc.Gaussian(), mc.normal(0.0, 4.0), observe="log_variance", size=6, generations=8, chains=2000)
    found = run["log_variance"] - np.log(4)

    def pvalue(generation: int, size: int, fits: int, ddof: int) -> float:
        ordered = np.sort(found[:, generation, 0])
        # the exact law is costly: at every fortieth order statistic, which can only lower the distance
        law = gaussian.log_variance_cdf(ordered[20::40], size, fits, ddof=ddof)
        distance = np.abs(law - (np.arange(2000) + 0.5)[20::40] / 2000).max()
        return float(stats.kstwo.sf(max(distance - 0.5 / 2000, 0), 2000))

    for generation in (0, 3, 8):
        assert pvalue(generation, 6, generation + 1, 1) > 1e-7
        assert pvalue(generation, 6, generation + 1, 0) < 1e-7
    assert pvalue(1, 6, 1, 1) < 1e-7
    assert pvalue(1, 6, 3, 1) < 1e-7
    assert pvalue(8, 5, 9, 1) < 1e-7


@pytest.mark.parametrize(("d", "size"), [(3, 10), pytest.param(10, 20, marks=pytest.mark.slow)])
def test_a_hundred_thousand_generations_have_the_right_log_determinant(d: int, size: int) -> None:
    generations = [49_999, 99_999]
    run = mc.simulate(
        mc.Gaussian(), mc.normal(np.zeros(d)), observe=["log_variance", "log_determinant"],
        size=size, generations=99_999, record=generations, chains=4,
    )  # fmt: skip
    for i, fits in enumerate((50_000, 100_000)):
        error = float(wishart.variance_log_determinant(size, fits, d)) ** 0.5
        # a sum of 150,000 or more independent terms; rate 8 * 4e-8 for the four chains of both settings
        for expected, right in (
            (wishart.expected_log_determinant(size, fits, d), True),
            (wishart.expected_log_determinant(size, fits, d, ddof=0), False),
            (wishart.expected_log_determinant(size + 1, fits, d), False),
            (d * wishart.lyapunov_spectrum(size, d)[0] * fits, False),
        ):
            assert (np.abs(run["log_determinant"][:, i] - expected) < 5.5 * error).all() == right
    assert np.isfinite(run["log_variance"]).all()
    spectrum = 100_000 * wishart.lyapunov_spectrum(size, d)
    error = np.sqrt(100_000 * wishart.pivot_log_variance(size, d))
    assert (np.abs(2 * run.params.log_scale - spectrum) < 6 * error).all()
