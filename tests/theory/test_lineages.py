"""The law of the number of ancestors, against exact fractions and brute force."""

from fractions import Fraction

import numpy as np
import pytest
import wright_fisher

from modelcollapse_theory import lineages

Row = list[Fraction]


def exact_matrix(boxes: int, balls: int) -> list[Row]:
    """S(k, j) (M)_j / M^k in fractions."""
    stirling = [[0] * (balls + 1) for _ in range(balls + 1)]
    stirling[0][0] = 1
    for k in range(1, balls + 1):
        for j in range(1, k + 1):
            stirling[k][j] = j * stirling[k - 1][j] + stirling[k - 1][j - 1]
    rows = []
    for k in range(balls + 1):
        falling, row = 1, []
        for j in range(balls + 1):
            row.append(Fraction(stirling[k][j] * falling, boxes**k))
            falling *= boxes - j
        rows.append(row)
    return rows


def exact_law(size: int, fits: int) -> Row:
    matrix = exact_matrix(size, size)
    law = [Fraction(0)] * size + [Fraction(1)]
    for _ in range(fits - 1):
        law = [sum((law[k] * matrix[k][j] for k in range(j, size + 1)), Fraction(0)) for j in range(size + 1)]
    return law


@pytest.mark.parametrize(("boxes", "balls"), [(1, 3), (6, 6), (5, 9), (40, 25)])
def test_occupancy_matrix_is_exact(boxes, balls):
    expected = np.array(exact_matrix(boxes, balls), dtype=np.float64)
    np.testing.assert_allclose(lineages.occupancy_matrix(boxes, balls), expected, rtol=1e-13, atol=0)


def test_occupancy_matrix_in_huge_samples():
    matrix = lineages.occupancy_matrix(10**9, 3)
    np.testing.assert_allclose(matrix[3, :4], [0, 1e-18, 3 * (1 - 1e-9) * 1e-9, (1 - 1e-9) * (1 - 2e-9)], rtol=1e-14)


@pytest.mark.parametrize(("size", "fits"), [(1, 3), (2, 1), (5, 4), (40, 2), (25, 6)])
def test_law_keeps_relative_accuracy_down_to_the_smallest_entry(size, fits):
    expected = np.array(exact_law(size, fits), dtype=np.float64)
    np.testing.assert_allclose(lineages.lineage_law(size, fits), expected, rtol=1e-12, atol=0)


def test_balls_thrown_one_by_one_agree_with_the_matrix():
    size = lineages.DENSE + 76  # above the kept table: Horner's rule is used
    matrix = lineages.occupancy_matrix(size)
    law = np.zeros(size + 1)
    law[size] = 1
    for fits in range(1, 5):
        np.testing.assert_allclose(lineages.lineage_law(size, fits), law, rtol=1e-9, atol=1e-290)
        law = law @ matrix


def test_long_jumps_agree_with_single_steps():
    size = 30
    stepped = lineages.lineage_law(size, np.arange(1, 200))[-1]
    np.testing.assert_allclose(lineages.lineage_law(size, 199), stepped, rtol=1e-11, atol=1e-290)
    late = lineages.lineage_law(size, [3, 10_000, 2_000_000])
    np.testing.assert_allclose(late[1, 2] / stepped[2], (1 - 1 / size) ** (10_000 - 199), rtol=1e-5)
    np.testing.assert_array_equal(late[2], np.eye(size + 1)[1])


def test_shapes_follow_fits_in_any_order():
    law = lineages.lineage_law(7, [[3, 1], [2, 3]])
    assert law.shape == (2, 2, 8)
    np.testing.assert_array_equal(law[0, 0], law[1, 1])
    np.testing.assert_array_equal(law[0, 1], np.eye(8)[7])


def test_schedule_multiplies_occupancies_backwards():
    expected = np.array(exact_matrix(3, 4), dtype=np.float64)[4] @ np.array(exact_matrix(5, 4), dtype=np.float64)
    np.testing.assert_allclose(lineages.lineage_law_schedule([5, 3, 4])[:5], expected, rtol=1e-14)
    np.testing.assert_allclose(lineages.lineage_law_schedule([9] * 6), lineages.lineage_law(9, 6), rtol=1e-13)
    forwards = np.array(exact_matrix(3, 5), dtype=np.float64)[5] @ np.array(exact_matrix(4, 5), dtype=np.float64)
    assert abs(forwards[1] - expected[1]) > 0.01  # the near miss: the schedule read in the wrong direction


@pytest.mark.parametrize(("size", "fits"), [(5, 5), (60, 60), (200, 200), (200, 900)])
def test_spectral_form_agrees_late(size, fits):
    np.testing.assert_allclose(
        lineages.lineage_law_spectral(size, fits), lineages.lineage_law(size, fits), rtol=0, atol=1e-13
    )


def test_spectral_form_refuses_the_early_chain():
    with pytest.raises(ValueError, match="alternating sum"):
        lineages.lineage_law_spectral(100, 99)
    with pytest.raises(ValueError, match="at most 200"):
        lineages.lineage_law_spectral(201, 500)


@pytest.mark.parametrize("fits", [1, 2, 5])
def test_generating_function_is_the_chance_of_one_kind(fits):
    law = wright_fisher.law_after([Fraction(3, 10), Fraction(7, 10)], [4] * fits)
    alone = wright_fisher.mean(law, lambda p: p[0] == 1)
    lost = wright_fisher.mean(law, lambda p: p[0] == 0)
    values = lineages.lineage_generating(4, [fits], [0.3, 0.7])
    np.testing.assert_allclose(values, [[alone, lost]], rtol=1e-13)


def test_varying_sizes_against_the_forward_chain():
    law = wright_fisher.law_after([Fraction(1, 4), Fraction(3, 4)], [2, 5, 3])
    ancestors = lineages.lineage_law_schedule([2, 5, 3])
    assert ancestors @ 0.25 ** np.arange(6) == pytest.approx(
        wright_fisher.mean(law, lambda p: p[0] == 1), rel=1e-13, abs=0
    )


def test_mean_after_two_fits_is_the_classical_occupancy():
    assert lineages.expected_lineages(600, 2) == pytest.approx(600 * (1 - (1 - 1 / 600) ** 600), rel=1e-13, abs=0)


def test_sums_solve_the_linear_system():
    size = 50
    rng = np.random.default_rng(0)
    values = rng.random((size + 1, 2, 3))
    values[:2] = 0
    matrix = np.array(lineages.occupancy_matrix(size))[2:, 2:]
    once = np.linalg.solve(np.eye(size - 1) - matrix, values[2:].reshape(size - 1, -1))
    later = np.linalg.solve(np.eye(size - 1) - matrix, matrix @ once)
    got_once, got_later = lineages.lineage_sums(size, values)
    np.testing.assert_allclose(got_once, once[-1].reshape(2, 3), rtol=1e-11)
    np.testing.assert_allclose(got_later, later[-1].reshape(2, 3), rtol=1e-11)


def test_sums_where_rows_are_cut():
    # M = 1500: rows of the occupancy matrix no longer reach their diagonal in double precision
    size = 1500
    law = lineages.lineage_law(size, np.arange(1, 40))
    values = (np.arange(size + 1) > 150).astype(np.float64)
    once, later = lineages.lineage_sums(size, values)
    assert once == pytest.approx(float((law @ values).sum()), rel=1e-11, abs=0)
    assert later == pytest.approx(float(np.arange(39) @ (law @ values)), rel=1e-11, abs=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lineages.lineage_law(0, 1), "sample_size must be at least 1"),
        (lambda: lineages.lineage_law([3, 4], 1), "one number"),
        (lambda: lineages.lineage_law(10**6, 1), "lineage_limits"),
        (lambda: lineages.lineage_law(5, 0), "fits must be at least 1"),
        (lambda: lineages.lineage_law(5, 1.5), "whole number"),
        (lambda: lineages.lineage_generating(5, 1, 1.2), "probability"),
        (lambda: lineages.lineage_sums(3, [0, 1, 1, 1]), "infinite"),
        (lambda: lineages.lineage_expectation(3, 1, [0, 1]), "4 rows"),
        (lambda: lineages.occupancy_matrix(10**6), "5000"),
        (lambda: lineages.lineage_law_schedule([]), "sizes"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
