"""Truncated laws: sets of states by definition, normals by quadrature and over all pairs of draws."""

import numpy as np
import pytest
from scipy import integrate, stats

from modelcollapse_theory import NotCovered, truncation


def nucleus(p, mass):
    """The fewest likeliest states that hold the mass together, by trying each number of them."""
    order = sorted(range(len(p)), key=lambda i: (-p[i], i))
    for count in range(1, len(p) + 1):
        if sum(p[i] for i in order[:count]) >= mass - 1e-12:
            keep = set(order[:count])
            break
    total = sum(p[i] for i in keep)
    return np.array([p[i] / total if i in keep else 0.0 for i in range(len(p))])


def test_top_k_costs_once():
    p = [0.1, 0.3, 0.2, 0.3, 0.1]
    once = truncation.top_k(p, 3)
    assert once == pytest.approx([0, 0.375, 0.25, 0.375, 0])
    assert truncation.top_k(once, 3) == pytest.approx(once)
    assert truncation.top_k(p, 1) == pytest.approx([0, 1, 0, 0, 0])
    assert truncation.top_k(p, 9) == pytest.approx(p)


def test_top_p_goes_on():
    random = np.random.default_rng(1)
    for _ in range(100):
        p = random.dirichlet(np.full(12, 0.5))
        mass = random.uniform(0.5, 0.95)
        law = p
        for n in range(14):
            assert truncation.top_p(p, mass, n) == pytest.approx(law, abs=1e-12)
            law = nucleus(law, mass)
        limit = truncation.top_p(p, mass)
        assert limit == pytest.approx(law, abs=1e-12)
        live = limit[limit > 0]
        assert live.size == 1 or live.min() > 1 - mass
        assert live.size <= truncation.survivors_bound(mass)
    # not once: a second fit cuts more
    p = [0.5, 0.3, 0.15, 0.05]
    assert np.count_nonzero(truncation.top_p(p, 0.85, 1)) == 3
    assert np.count_nonzero(truncation.top_p(p, 0.84)) < 3
    assert truncation.top_p(p, 1.0) == pytest.approx(p)


def test_at_most_so_many_survive():
    assert [truncation.survivors_bound(m) for m in (0.5, 0.75, 0.9, 0.91)] == [1, 3, 9, 11]
    flat = np.full(11, 1 / 11)  # 1/11 > 1 - 0.91
    assert truncation.top_p(flat, 0.91) == pytest.approx(flat)
    with pytest.raises(NotCovered, match="mass"):
        truncation.survivors_bound(1.0)


@pytest.mark.parametrize("cut", [0.01, 0.5, 1.5, 3.0])
def test_moments_of_a_cut_normal(cut):
    mass, second, fourth = (integrate.quad(lambda x, k=k: x**k * stats.norm.pdf(x), -cut, cut)[0] for k in (0, 2, 4))
    assert truncation.truncated_variance(cut) == pytest.approx(second / mass, rel=1e-9)
    assert truncation.truncated_kurtosis(cut) == pytest.approx(mass * fourth / second**2 - 3, rel=1e-8)


def test_variance_of_two_cut_draws():
    """At M = 2 the next variance is (x - y)^2/2: its mean and that of its logarithm, over a fine grid of pairs."""
    cut = 1.5
    x = np.linspace(-cut, cut, 3_001)[1::2]
    weight = stats.norm.pdf(x) / stats.norm.pdf(x).sum()
    mean = weight @ ((x[:, None] - x[None]) ** 2 / 2) @ weight
    assert mean == pytest.approx(truncation.truncated_variance(cut), rel=1e-4)
    assert truncation.expected_variance(cut, 2, [1, 2, 4]) == pytest.approx([1, mean, mean**3], rel=1e-3)
    assert truncation.expected_variance(cut, 2, 3, ddof=0) == pytest.approx(mean**2 / 8, rel=1e-3)


def test_drift_of_the_logarithm():
    """A cut that cuts nothing has the drift of a normal; its error falls like M^-2."""
    from modelcollapse_theory import gaussian

    gaps = []
    for size in (50, 100):
        for ddof in (0, 1):
            exact = gaussian.expected_log_variance(size, 1, ddof=ddof)
            gaps.append(abs(float(truncation.log_variance_drift(30.0, size, ddof=ddof) - exact)))
    assert gaps[0] < 2 / 50**2
    assert gaps[2] == pytest.approx(gaps[0] / 4, rel=0.1)
    assert truncation.log_variance_drift(1.5, 30) == pytest.approx(-0.6149, abs=1e-4)
