"""N-gram chains against every count vector of tiny contexts, in exact fractions, and whole transition matrices."""

import functools
import itertools
import math
from fractions import Fraction as F

import numpy as np
import pytest
from scipy.stats import binom
from wright_fisher import count_vectors, multinomial

from modelcollapse_theory import NotCovered, support, text_losses
from modelcollapse_theory import language as theory

TRUTH, BASE = (F(1, 2), F(3, 8), F(1, 8)), (F(1, 4), F(1, 4), F(1, 2))
UNIFORM = (F(1, 3),) * 3
SIZE, FITS = 4, [1, 2, 3, 4]


def smoothed(counts, g, u):
    total = sum(counts)
    return tuple((1 - g) * F(x, total) + g * v for x, v in zip(counts, u, strict=True))


@functools.cache
def laws(g, u, truth=TRUTH, size=SIZE):
    """The law of the counts of data sets 1, ..., 4."""
    current = {x: multinomial(x, truth) for x in count_vectors(size, len(truth))}
    found = [current]
    for _ in FITS[1:]:
        after = dict.fromkeys(current, F(0))
        for x, weight in current.items():
            model = smoothed(x, g, u)
            for y in after:
                after[y] += weight * multinomial(y, model)
        current = after
        found.append(current)
    return found


def means(g, u, function, **setting):
    return [float(sum(w * function(x, smoothed(x, g, u)) for x, w in law.items())) for law in laws(g, u, **setting)]


@pytest.fixture(params=["uniform", "base", "none"], scope="module")
def setting(request):
    """(mutation, background): lambda = 1/3 is 1 pseudo-count beside 4 tokens."""
    return {"uniform": (F(1, 5), UNIFORM), "base": (F(3, 11), BASE), "none": (F(0), UNIFORM)}[request.param]


def floats(values):
    return [float(v) for v in values]


def test_smoothing_is_mutation_of_this_strength():
    for size, strength in ((4, F(1)), (60, F(10)), (7, F(5, 2))):
        g = strength / (size + strength)
        assert theory.smoothing_mutation(size, float(strength)) == pytest.approx(float(g), rel=1e-15)
        for x in (0, 3):  # the law of the textbook
            assert (1 - g) * F(x, size) + g / 3 == (x + strength / 3) / (size + strength)
    assert theory.smoothing_mutation(0, 2.0) == 1
    with pytest.raises(ValueError, match="strength must be positive"):
        theory.smoothing_mutation([3, 0], 0.0)


def test_means_of_one_ngram(setting):
    g, u = setting
    given = (floats(TRUTH), SIZE, FITS, float(g), floats(u))
    for i in range(3):
        frequency = means(g, u, lambda x, p, i=i: F(x[i], SIZE))
        assert theory.expected_frequency(float(TRUTH[i]), FITS, float(g), float(u[i])) == pytest.approx(frequency)
        alive = means(g, u, lambda x, p, i=i: x[i] > 0)
        assert theory.present(*given)[:, i] == pytest.approx(alive, rel=1e-13)
        entropy = means(g, u, lambda x, p, i=i: F(-math.log(p[i])) * p[i] if p[i] else 0)
        assert theory.expected_entropy_part(*given)[:, i] == pytest.approx(entropy, rel=1e-13)
        if g:
            log = means(g, u, lambda x, p, i=i: F(math.log(p[i])))
            assert theory.expected_log(*given)[:, i] == pytest.approx(log, rel=1e-13)
        else:
            living = means(g, u, lambda x, p, i=i: F(math.log(p[i])) if p[i] else 0)
            assert theory.expected_living_log(*given[:3])[:, i] == pytest.approx(living, rel=1e-13)
            with pytest.raises(NotCovered, match="mutation and background must be positive"):
                theory.expected_log(*given)


def test_repetition_and_heterozygosity(setting):
    g, u = setting
    given = (floats(TRUTH), SIZE, FITS, float(g), floats(u))
    repeats = means(g, u, lambda x, p: sum(F(i, SIZE) ** 2 for i in x))
    assert theory.expected_repetition(*given) == pytest.approx(repeats, rel=1e-14)
    differ = means(g, u, lambda x, p: 1 - sum(q**2 for q in p))
    assert theory.expected_heterozygosity(*given) == pytest.approx(differ, rel=1e-14)


def test_the_loss_of_any_text_is_the_enumerated_one():
    """Two contexts, of 4 tokens and of 2, one without tokens; a text with n-grams that the training text never has."""
    counts = [[2, 1, 1], [0, 2, 0], [0, 0, 0]]
    text = [[3, 0, 2], [1, 1, 0], [0, 0, 2]]
    lam = F(1, 3)
    loss = np.zeros(4)
    for row, seen in zip(counts, text, strict=True):
        size = sum(row)
        if not size:
            loss += sum(seen) * math.log(3)
            continue
        g, truth = 3 * lam / (size + 3 * lam), tuple(F(x, size) for x in row)
        part = means(
            g, UNIFORM, lambda x, p, seen=seen: F(-sum(n * math.log(q) for n, q in zip(seen, p, strict=True))),
            truth=truth, size=size,
        )  # fmt: skip
        loss += part
    found = theory.expected_cross_entropy(counts, text, FITS, float(lam))
    assert found == pytest.approx(loss / 9, rel=1e-13)
    # the same in one number, with one generation asked for twice
    assert theory.expected_cross_entropy(counts, text, [[2, 2]], float(lam)) == pytest.approx(
        np.array([[found[1]] * 2])
    )
    with pytest.raises(ValueError, match="text must have the shape"):
        theory.expected_cross_entropy(counts, text[:2], 1, 1.0)


def test_the_mean_perplexity_is_above_the_perplexity_of_the_mean():
    g, row = F(1, 5), TRUTH
    for law in laws(g, UNIFORM):
        losses = {
            x: -sum(float(q) * math.log(p) for q, p in zip(row, smoothed(x, g, UNIFORM), strict=True)) for x in law
        }
        mean = sum(float(w) * losses[x] for x, w in law.items())
        assert sum(float(w) * math.exp(losses[x]) for x, w in law.items()) > 1.001 * theory.perplexity_bound(mean)


def test_a_word_is_lost_from_all_contexts_at_once():
    words = [(F(1, 2), 3), (F(1, 4), 4), (F(1, 1), 1)][:2]
    absent = []
    for q, size in words:
        law = laws(F(0), (F(1, 2),) * 2, (q, 1 - q), size)
        absent.append([sum(w for x, w in step.items() if x[0] == 0) for step in law])
    exact = [float(a * b) for a, b in zip(*absent, strict=True)]
    assert theory.word_lost([0.5, 0.25], [3, 4], FITS) == pytest.approx(exact, rel=1e-12)
    assert theory.word_lost([0.5, 1.0], [3, 1], FITS) == pytest.approx([0] * 4, abs=1e-15)
    # a context with one token: lost at once or never
    assert theory.word_lost([0.3], [1], [1, 50]) == pytest.approx([0.7, 0.7], rel=1e-14)


@pytest.mark.parametrize(("size", "g", "u"), [(60, 1 / 7, 0.05), (200, 0.01, 0.3), (1, 0.2, 0.5), (900, 0.005, 0.05)])
def test_cut_rows_are_as_good_as_whole_matrices(size, g, u):
    x = np.arange(size + 1)
    model = (1 - g) * x / size + g * u
    matrix = binom.pmf(x, size, model[:, None])
    start = binom.pmf(x, size, np.array([0.0, 1e-7, 0.03, 0.4, 1.0])[:, None])
    values = np.log(model)
    for n in range(1, 4):
        found = theory.expected_log([0.0, 1e-7, 0.03, 0.4, 1.0], size, n, g, u)
        assert found == pytest.approx(start @ values, rel=1e-12)
        values = matrix @ values


def test_without_smoothing_it_is_the_lineages():
    q = np.array([0.001, 0.06, 0.5])
    found = theory.present(q, 300, [1, 5, 40])
    assert found == pytest.approx(1 - support.absent_probability(q, 300, [1, 5, 40]), rel=1e-9)


def test_forgetting_and_its_order():
    """Whole stationary laws: the error falls as M^-min(1, 2 lambda), and below .3 the limit is refused."""
    for lam in (0.3, 0.5, 2.0):
        limit = theory.forgotten_cross_entropy(20, lam)
        assert limit > math.log(20)
        errors = []
        for size in (75, 150):
            g = theory.smoothing_mutation(size, 20 * lam)
            x = np.arange(size + 1)
            matrix = binom.pmf(x, size, ((1 - g) * x / size + g / 20)[:, None])
            system = matrix.T - np.eye(size + 1)
            system[-1] = 1
            law = np.linalg.solve(system, np.eye(size + 1)[-1])
            errors.append(float(limit + law @ np.log((1 - g) * x / size + g / 20)))
        assert theory.expected_log(0.3, 75, 1_000, theory.smoothing_mutation(75, 20 * lam), 0.05) == pytest.approx(
            errors[0] - limit, rel=1e-4
        )
        ratios = [a / b for a, b in itertools.pairwise(errors)]
        power = min(1.0, 2 * lam)
        assert 0.8 * 2**power < ratios[-1] < 1.1 * 2**power, (lam, ratios)
    with pytest.raises(NotCovered, match=r"smoothing must lie in \[0.3"):
        theory.forgotten_cross_entropy(20, 0.1)


def test_own_loss_is_constant_under_pure_sampling_and_moves_up_with_smoothing(setting):
    g, u = setting
    own = means(g, u, lambda x, p: F(sum(-F(i, SIZE) * F(math.log(q)) for i, q in zip(x, TRUTH, strict=True))))
    found = text_losses.own_loss(floats(TRUTH), FITS, float(g), floats(u))
    assert found == pytest.approx(own, rel=1e-13)
    if not g:
        assert np.ptp(found) == 0
    with pytest.raises(NotCovered, match="probabilities must be positive"):
        text_losses.own_loss([0.5, 0.5, 0.0], 2, 0.1)
    assert text_losses.own_loss([0.5, 0.5, 0.0], 2, 0.0) == pytest.approx(math.log(2))


@functools.cache
def paths(g, u, kept, drawn):
    """The law of the first counts and the newest, at each of four fits; so many of the four places keep their token."""
    text = (2, 1, 1)
    first = laws(g, u, (F(1, 2), F(1, 4), F(1, 4)))[0] if drawn else {text: F(1)}
    current, found = {(x, x): w for x, w in first.items()}, []
    for _ in FITS:
        found.append(current)
        after = {}
        for (begin, x), weight in current.items():
            tokens = [a for a in range(3) for _ in range(begin[a])]
            for places in itertools.combinations(range(SIZE), kept):
                stays = [sum(tokens[i] == a for i in places) for a in range(3)]
                for y in count_vectors(SIZE - kept, 3):
                    chance = multinomial(y, list(smoothed(x, g, u))) / math.comb(SIZE, kept)
                    key = (begin, tuple(a + b for a, b in zip(stays, y, strict=True)))
                    after[key] = after.get(key, F(0)) + weight * chance
        current = after
    return found


@pytest.mark.parametrize(("kept", "drawn"), [(0, True), (1, False), (2, True)])
def test_own_loss_under_the_first_fit(setting, kept, drawn):
    g, u = setting
    exact = []
    for law in paths(g, u, kept, drawn):
        total = 0.0
        for (begin, x), weight in law.items():
            logs = [math.log(p) if p else 0.0 for p in smoothed(begin, g, u)]
            total -= float(weight) * sum(n / SIZE * v for n, v in zip(x, logs, strict=True))
        exact.append(total)
    found = text_losses.own_loss_under_first(
        [0.5, 0.25, 0.25], SIZE, [0, 1, 2, 3], float(g), floats(u), kept / SIZE, drawn=drawn
    )
    assert found.sum(-1) == pytest.approx(exact, rel=1e-12)
    if not g:
        assert exact == pytest.approx([exact[0]] * 4)


def test_variances_of_own_loss_add_up():
    loss = [F(-math.log(q)) for q in TRUTH]

    def of(x):
        return sum(F(i, SIZE) * v for i, v in zip(x, loss, strict=True))

    mean = sum(q * v for q, v in zip(TRUTH, loss, strict=True))
    between = means(F(0), UNIFORM, lambda x, p: (of(x) - mean) ** 2)
    within = means(
        F(0), UNIFORM, lambda x, p: sum(F(i, SIZE) * v**2 for i, v in zip(x, loss, strict=True)) - of(x) ** 2
    )
    found = text_losses.own_loss_variances(floats(TRUTH), SIZE, FITS)
    assert found[0] == pytest.approx(between, rel=1e-13)
    assert found[1] == pytest.approx(within, rel=1e-13)
    assert text_losses.own_loss_variances(floats(TRUTH), 1, [0, 1])[1] == pytest.approx(
        [sum(np.add(found, 0)[:, 0]), 0]
    )


def test_first_order_is_first_order():
    """The exact excess minus nP/2N, times M^2, settles as M doubles: the error is O((n/M)^2)."""
    p = np.arange(1, 6) / 15
    for fits in (1, 3):
        scaled = []
        for size in (250, 500, 1_000, 2_000):
            g = theory.smoothing_mutation(size, 2.5)
            exact = -(theory.expected_log(p, size, fits, g, 0.2) @ p) + p @ np.log(p)
            scaled.append((exact - text_losses.excess_loss(4, size, fits)) * size**2)
        assert abs(scaled[-1]) < 200
        assert scaled[-1] == pytest.approx(scaled[-2], rel=0.05)


def test_pooled_data_sets_cost_a_finite_loss():
    """Two states, whole laws of (pooled count): the excess of chi-square order is (P/2N) sum 1/i^2 up to 1/N^2."""
    q, scaled = 0.4, []
    for size in (40, 80):
        x = np.arange(size + 1)
        pooled = binom.pmf(x, size, q)
        for fits in (1, 2, 3):
            share = np.arange(pooled.size) / (size * fits)
            excess = pooled @ (share - q) ** 2 / (2 * q * (1 - q))
            first = text_losses.excess_loss_accumulated(1, size, fits)
            scaled.append((excess - first) * size**2)
            rows = binom.pmf(x, size, share[:, None])
            after = np.zeros(pooled.size + size)
            for k in range(pooled.size):
                after[k : k + size + 1] += pooled[k] * rows[k]
            pooled = after
    assert np.abs(scaled).max() < 1
    assert scaled[3:] == pytest.approx(scaled[:3], rel=0.1, abs=1e-9)
    assert text_losses.excess_loss_accumulated(2, 100, 10**7) == pytest.approx(math.pi**2 / 600, rel=1e-6)
