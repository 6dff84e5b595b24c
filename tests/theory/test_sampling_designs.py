"""Designs against all paths of tiny chains in exact fractions, and normal laws against nodes that integrate exactly."""

import itertools
import math
from fractions import Fraction as F

import numpy as np
import pytest
from scipy import integrate, special, stats
from wright_fisher import count_vectors, law_after, mean, multinomial

from modelcollapse_theory import sampling_designs as theory

TRUTH = [F(1, 2), F(3, 8), F(1, 8)]
LAW = [float(p) for p in TRUTH]
H0 = 1 - sum(p**2 for p in TRUTH)


def heterozygosity(p):
    return 1 - sum(x**2 for x in p)


# --- normal laws -----------------------------------------------------------------------------------------------------


def factor(size, divisor):
    nu = size - 1
    c4 = math.sqrt(2 / nu) * math.exp(special.gammaln(size / 2) - special.gammaln(nu / 2))
    bias = math.log(nu / 2) - special.psi(nu / 2)
    return {"ml": nu / size, "unbiased": 1.0, "unbiased_deviation": c4**-2, "log_unbiased": math.exp(bias)}[divisor]


def expected(function, nu):
    """E function(chi2_nu/nu) by quadrature."""
    return integrate.quad(lambda x: function(x / nu) * stats.chi2.pdf(x, nu), 0, np.inf, epsabs=1e-12, limit=400)[0]


@pytest.mark.parametrize("divisor", theory.DIVISORS)
@pytest.mark.parametrize("size", [3, 10])
def test_divisors(divisor, size):
    k, nu = factor(size, divisor), size - 1
    drift = expected(lambda r: math.log(k * r) if r else 0.0, nu)
    spread = expected(lambda r: math.log(k * r) ** 2 if r else 0.0, nu) - drift**2
    found = theory.corrected_log_variance(size, [0, 1, 5], divisor)
    assert found[0] == pytest.approx([0, drift, 5 * drift], rel=1e-8, abs=1e-9)
    assert found[1] == pytest.approx([0, spread, 5 * spread], rel=1e-7)
    for order in (0.5, 1.0, 2.0, -0.5):
        moment = expected(lambda r, order=order: (k * r) ** order, nu)
        got = theory.corrected_variance_moment(order, size, [0, 1, 3], divisor)
        assert got == pytest.approx([1, moment, moment**3], rel=1e-7)
    walked = [sum(k**i for i in range(n)) / size for n in range(4)]
    assert theory.corrected_mean_error(size, range(4), divisor) == pytest.approx(walked, rel=1e-12)


def test_each_divisor_keeps_what_it_is_named_for():
    assert theory.corrected_variance_moment(1.0, 10, 40, "unbiased") == pytest.approx(1)
    assert theory.corrected_variance_moment(0.5, 10, 40, "unbiased_deviation") == pytest.approx(1)
    drifts = [float(theory.corrected_log_variance(10, 1, divisor)[0]) for divisor in theory.DIVISORS]
    assert drifts == pytest.approx([-0.2206, -0.1152, -0.0598, 0], abs=5e-5)
    large = [1e6 * float(theory.corrected_log_variance(10**6, 1, divisor)[0]) for divisor in theory.DIVISORS]
    assert large == pytest.approx([-2, -1, -0.5, 0], abs=1e-5)


def test_averaged_variances():
    nu = 4
    x, w = special.roots_genlaguerre(80, nu / 2 - 1)
    log, chance = np.log((x[:, None] + x) / nu), w[:, None] * w / w.sum() ** 2
    first, second = (chance * log).sum(), (chance * log**2).sum()
    found = theory.averaged_log_variance(nu + 1, [1, 3], 2)
    assert found[0] == pytest.approx([first, 3 * first], rel=3e-6)
    assert found[1] == pytest.approx([second - first**2, 3 * (second - first**2)], rel=3e-6)
    assert np.allclose(theory.averaged_log_variance(8, 3, 1), theory.corrected_log_variance(8, 3, "unbiased"))


def nodes(nu):
    """Points and weights that integrate polynomials of degree 5 of chi2_nu/nu and of a normal exactly."""
    x, w = special.roots_genlaguerre(3, nu / 2 - 1)
    z, u = special.roots_hermitenorm(3)
    return [
        (2 * a / nu, b, c * d / w.sum() / u.sum()) for a, c in zip(x, w, strict=True) for b, d in zip(z, u, strict=True)
    ]


@pytest.mark.parametrize(("ddof", "weight", "shift", "target"), [(1, 0.25, 0.7, 2.0), (0, 0.5, 0.0, 1.0)])
def test_shrinkage(ddof, weight, shift, target):
    sizes, states = [4, 6, 3], [(0.0, 1.0, 1.0)]
    seen = [(0.0, 0.0, 1.0, 1.0)]
    for size in sizes:
        states = [
            (
                weight * shift + (1 - weight) * (m + math.sqrt(v / size) * z),
                weight * target + (1 - weight) * v * (size - 1) / (size - ddof) * chi,
                chance * c,
            )
            for m, v, chance in states
            for chi, z, c in nodes(size - 1)
        ]
        of = np.array(states)
        seen.append(tuple(of[:, 2] @ x for x in (of[:, 0], of[:, 0] ** 2, of[:, 1], of[:, 1] ** 2)))
    moved, error, spread = theory.shrunk_moments(sizes, weight, shift, target, ddof=ddof)
    assert np.allclose(np.column_stack([moved, error, spread]), np.array(seen)[:, :3], 1e-11, 1e-12)
    first, second = theory.shrunk_variance(4, 1, weight, target, ddof=ddof)
    assert (first[1], second[1]) == pytest.approx(seen[1][2:])


def test_shrunk_variance_settles_or_not():
    first, second = theory.shrunk_variance(20, 400, 0.5)
    assert first[-1] == pytest.approx(1)
    assert second[-1] - 1 == pytest.approx(float(theory.shrunk_variance_limit(20, 0.5)))
    assert theory.shrunk_variance_limit(20, 0.5) == pytest.approx(0.03636, abs=1e-5)
    least = 1 - 1 / math.sqrt(1 + 2 / 19)
    assert np.isfinite(theory.shrunk_variance_limit(20, least * 1.001))
    assert np.isinf(theory.shrunk_variance_limit(20, least * 0.999))
    settled = theory.shrunk_moments([20] * 300, 0.5)[1][-1]
    assert settled == pytest.approx(0.25 / (20 * 0.5 * 1.5))


@pytest.mark.parametrize("sizes", [[3, 3, 3], [2, 4, 3]])
def test_shrunk_laws(sizes):
    b, q = F(1, 4), [F(1, 4), F(1, 4), F(1, 2)]
    law = {tuple(TRUTH): F(1)}
    seen = []
    for size in sizes:
        new = {}
        for p, weight in law.items():
            for x in count_vectors(size, 3):
                then = tuple(b * a + (1 - b) * F(n, size) for a, n in zip(q, x, strict=True))
                new[then] = new.get(then, 0) + weight * multinomial(x, list(p))
        law = new
        seen.append([[float(sum(w * p[i] ** k for p, w in law.items())) for i in range(3)] for k in (1, 2)])
    found = theory.shrunk_law_moments(LAW, [float(x) for x in q], sizes, float(b))
    assert np.allclose(np.stack(found, 1)[1:], seen, 1e-13)


# --- stratified draws ------------------------------------------------------------------------------------------------


def systematic(p, size):
    """Every data set of systematic sampling with its chance: one uniform shift of the ``size`` equal steps."""
    edges = list(itertools.accumulate(p, initial=F(0)))
    turns = sorted({F(0), F(1), *((size * e) % 1 for e in edges)})
    for low, high in itertools.pairwise(turns):
        if low == high:
            continue
        u = (low + high) / 2
        below = [math.ceil(size * e - u) if e else 0 for e in edges]  # steps j + u below M e
        yield tuple(b - a for a, b in itertools.pairwise(below)), high - low


@pytest.mark.parametrize("size", [5, 7, 20])
def test_one_stratified_data_set(size):
    p, second = [F(1, 3), F(1, 6), F(1, 2)], F(0)
    for counts, chance in systematic(p, size):
        assert sum(counts) == size
        assert all(abs(n - size * x) < 1 for n, x in zip(counts, p, strict=True))
        second += chance * sum(F(n, size) ** 2 for n in counts)
    lost = float(second - sum(x**2 for x in p))
    assert theory.stratified_step([float(x) for x in p], size) == pytest.approx(lost, rel=1e-9, abs=1e-14)
    assert lost <= 3 / (4 * size**2)


@pytest.mark.parametrize("sizes", [[4, 6, 5], [4, 4, 4], [3, 6, 12], [3, 6, 4], [5, 2, 5, 5]])
def test_all_paths_of_stratified_chains(sizes):
    law = {x: multinomial(x, TRUTH) for x in count_vectors(sizes[0], 3)}
    exact = [float(H0), mean(law, heterozygosity)]
    for before, size in itertools.pairwise(sizes):
        new = {}
        for x, weight in law.items():
            for y, chance in systematic([F(n, before) for n in x], size):
                new[y] = new.get(y, 0) + weight * chance
        law = new
        exact.append(mean(law, heterozygosity))
    assert 1 - theory.stratified_moments(LAW, sizes).sum(1) == pytest.approx(exact, rel=1e-12)
    assert np.all(theory.stratified_bound(LAW, sizes) <= np.array(exact) + 1e-12)
    if sizes in ([4, 4, 4], [3, 6, 12]):  # equal, or growing by whole factors: nothing is lost
        assert exact[1:] == pytest.approx([float(H0) * (1 - 1 / sizes[0])] * 3)


def test_the_bound_is_of_the_order_of_the_loss():
    exact = 1 - theory.stratified_moments(LAW, [50, 49, 47, 43]).sum(1)
    bound = theory.stratified_bound(LAW, [50, 49, 47, 43])
    assert np.all(exact >= bound - 1e-12)
    assert exact[1] - bound[-1] < 4 * (exact[1] - exact[-1])


# --- more draws, several refits, slow updates ------------------------------------------------------------------------


def lost(law):
    return 1 - mean(law, heterozygosity) / float(H0)


def test_oversampling():
    exact = [0.0, *(lost(law_after(TRUTH, [3, 6, 6][:n])) for n in (1, 2, 3))]
    assert theory.oversampled(3, range(4), 2) == pytest.approx(exact)


def test_slow_update():
    size, eta = 3, F(1, 4)
    law = {tuple(F(n, size) for n in x): multinomial(x, TRUTH) for x in count_vectors(size, 3)}
    for fits in (1, 2, 3):
        exact = 1 - sum(w * heterozygosity(p) for p, w in law.items()) / H0
        assert theory.slow_update(size, fits, float(eta)) == pytest.approx(float(exact))
        new = {}
        for p, weight in law.items():
            for x in count_vectors(size, 3):
                q = tuple((1 - eta) * a + eta * F(n, size) for a, n in zip(p, x, strict=True))
                new[q] = new.get(q, 0) + weight * multinomial(x, list(p))
        law = new
    assert theory.slow_update(size, 0, 0.25) == 0


@pytest.mark.parametrize("own_start", [True, False])
def test_ensembles_of_two(own_start):
    size, q = 3, F(1, 3)

    def draws(p):
        return {k: math.comb(size, k) * p**k * (1 - p) ** (size - k) for k in range(size + 1)}

    first = draws(q)
    pairs = (
        {(a, b): first[a] * first[b] for a in first for b in first} if own_start else {(a, a): first[a] for a in first}
    )
    for fits in (1, 2, 3):
        means = [(F(a + b, 2 * size), w) for (a, b), w in pairs.items()]
        exact = 1 - sum(w * p * (1 - p) for p, w in means) / (q * (1 - q))
        assert theory.ensemble(size, fits, 2, own_start=own_start) == pytest.approx(float(exact))
        new = {}
        for p, weight in means:
            for (a, left), (b, right) in itertools.product(draws(p).items(), draws(p).items()):
                new[a, b] = new.get((a, b), 0) + weight * left * right
        pairs = new
    assert theory.ensemble(size, 0, 2) == 0
    # the same sample fitted twice gives the same fit twice
    assert theory.ensemble(size, 3, 2, own=False, own_start=False) == pytest.approx(1 - (1 - 1 / size) ** 3)
