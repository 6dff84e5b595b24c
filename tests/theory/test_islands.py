"""Symmetric islands and common pools, against the recursion for any weights."""

import numpy as np
import pytest

from modelcollapse_theory import NotCovered, islands, population_limits, populations, workflows

FITS = np.array([0, 1, 2, 3, 7, 40])


def even(models, mixing, share=0.0):
    weights = np.full((models, models), mixing / (models - 1))
    np.fill_diagonal(weights, 1 - mixing)
    return weights * (1 - share)


@pytest.mark.parametrize("share", [0.0, 0.1])
@pytest.mark.parametrize(("models", "mixing"), [(2, 0.1), (4, 0.3), (3, 1.0), (4, 0.0)])
def test_losses_within_and_between_are_those_of_the_matrix(models, mixing, share):
    matrix = populations.losses(even(models, mixing, share), share, 6, FITS)
    inner, outer = islands.islands_losses(models, 6, mixing, FITS, share)
    assert np.allclose(inner, matrix[:, 0, 0], rtol=1e-13)
    assert np.allclose(outer, matrix[:, 0, 1], rtol=1e-13)
    limit = population_limits.losses_limit(even(models, mixing, share), share, 6)
    assert np.allclose(islands.islands_limit(models, 6, mixing, share), [limit[0, 0], limit[0, 1]], rtol=1e-12)


def test_the_size_is_that_of_the_pair_walk():
    for models, size, mixing in ((4, 50, 0.1), (2, 3, 0.5), (3, 20, 0.9)):
        exact = islands.islands_size(models, size, mixing)
        assert exact == pytest.approx(population_limits.effective_size(even(models, mixing), size), rel=1e-9)
    assert islands.islands_size(4, 50, 0.75) == pytest.approx(200, rel=1e-13)  # full mixing is one model
    assert islands.islands_size(2, 10, 1e-12) == pytest.approx(0.5e12, rel=1e-3)  # 2 m a fit


@pytest.mark.parametrize("mixing", [0.05, 0.3, 0.75, 1.0])
def test_the_expansion_is_off_by_one_over_the_size(mixing):
    errors = [
        (islands.islands_size(4, size, mixing) - islands.islands_size_expansion(4, size, mixing)) * size
        for size in (10**3, 10**4)
    ]
    assert errors[0] == pytest.approx(errors[1], rel=0.2, abs=1e-2)
    small = islands.islands_size_expansion(4, 10**6, 1e-4)
    assert small == pytest.approx(4 * 10**6 + 9 / (2 * 1e-4 * 4), rel=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_models_with_one_pool(share):
    sizes, pool = [3, 5, 4], np.array([0.2, 0.5, 0.3])
    matrix = populations.losses(np.tile(pool * (1 - share), (3, 1)), share, sizes, FITS)
    own, between = islands.common_pool(sizes, pool, FITS, share)
    assert np.allclose(own, np.diagonal(matrix, axis1=1, axis2=2), rtol=1e-13)
    assert np.allclose(between, matrix[:, 0, 2], rtol=1e-13)
    if share == 0:  # the pool's loss is that of one model
        size = islands.pool_size(sizes, pool)
        union = populations.union_loss(matrix, pool)
        assert np.allclose(union, 1 - (1 - 1 / size) ** FITS, rtol=1e-12)


def test_no_cut_of_the_data_beats_one_model():
    rng = np.random.default_rng(0)
    for pool in rng.dirichlet(np.ones(3), 50):
        assert islands.pool_size([3, 5, 4], pool) <= 12 + 1e-12
    assert islands.pool_size([3, 5, 4], [3 / 12, 5 / 12, 4 / 12]) == pytest.approx(12)


def test_isolated_models_keep_what_is_between_them():
    matrix = populations.losses(np.eye(5), 0, 4, FITS)
    assert np.allclose(islands.isolated_union(5, 4, FITS), populations.union_loss(matrix, np.full(5, 0.2)), rtol=1e-13)
    assert islands.isolated_union(5, 4, 10**6) == pytest.approx(0.2)


@pytest.mark.parametrize(("models", "size", "mixing"), [(4, 6, 0.3), (4, 6, 0.01), (2, 9, 0.49), (5, 3, 0.5)])
def test_isolation_pays_a_single_model_late_and_only_once(models, size, mixing):
    first = islands.isolation_pays_from(models, size, mixing)
    fits = np.arange(1, 3 * first)
    apart = islands.islands_losses(models, size, mixing, fits)[0]
    pooled = islands.islands_losses(models, size, 1 - 1 / models, fits)[0]
    assert (apart < pooled - 1e-15).tolist() == [n >= first for n in fits]


def test_the_table_of_four_models_of_fifty():
    assert [islands.isolation_pays_from(4, 50, m) for m in (0.3, 0.1, 0.03, 0.01)] == [203, 209, 229, 278]
    assert islands.islands_limit(4, 50, 0.1, 0.02)[0] == pytest.approx(0.15524, abs=5e-6)
    assert islands.islands_limit(4, 50, 0.75, 0.02)[0] == pytest.approx(0.12599, abs=5e-6)
    assert workflows.random_mixing_limit(200, 0.02) == pytest.approx(0.11261, abs=5e-6)


def test_refusals():
    with pytest.raises(ValueError, match="mixing must lie in"):
        islands.islands_size(4, 50, 0)
    with pytest.raises(ValueError, match="mixing must lie in"):
        islands.isolation_pays_from(4, 50, 0.75)
    with pytest.raises(NotCovered, match="sample_size must be at least 2: what one item"):
        islands.isolation_pays_from(4, 1, 0.1)
    with pytest.raises(ValueError, match="models must be at least 2: islands exchange"):
        islands.islands_size(1, 50, 0.1)
    with pytest.raises(ValueError, match="sizes must be one number or one for each of the 2 models of pool"):
        islands.pool_size([1, 2, 3], [0.5, 0.5])
