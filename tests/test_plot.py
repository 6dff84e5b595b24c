"""Figures show the numbers of the run: what is drawn is read back and compared."""

from types import SimpleNamespace

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
import pytest
from matplotlib import pyplot

from modelcollapse import plot


class Recorded:
    """All that a figure needs of a run."""

    def __init__(self, recorded, **trace):
        self.recorded, self.trace = np.asarray(recorded), trace


@pytest.fixture(autouse=True)
def _nothing_leaks():
    before = dict(mpl.rcParams)
    yield
    pyplot.close("all")
    assert dict(mpl.rcParams) == before


@pytest.fixture
def run():
    rng = np.random.default_rng(0)
    laws = rng.dirichlet(np.ones(4), (9, 3))
    laws[:, 2, 1] = 0
    return Recorded(
        [0, 5, 20],
        entropy=rng.normal(size=(9, 3)),
        mean=rng.normal(size=(9, 3, 2)),
        log_variance=rng.normal(size=(9, 3, 1)),
        w2_squared=rng.normal(size=(9, 3)) ** 2,
        probabilities=laws,
        absorbed=np.array([[False, True, True]] * 9),
    )


def line(ax, label):
    (found,) = [one for one in ax.get_lines() if one.get_label() == label]
    return found.get_xdata(), found.get_ydata()


def test_chains_draws_median_band_chains_and_prediction(run):
    ax = plot.chains(run, "entropy", prediction={"theory": [1, 2, 3], "other": lambda g: g / 10.0}, show=2)
    values = run.trace["entropy"]
    x, y = line(ax, "median of 9 chains")
    np.testing.assert_array_equal(x, [0, 5, 20])
    np.testing.assert_allclose(y, np.sort(values, 0)[4])
    np.testing.assert_array_equal(line(ax, "theory")[1], [1, 2, 3])
    np.testing.assert_array_equal(line(ax, "other")[1], [0, 0.5, 2])
    np.testing.assert_allclose(line(ax, "single chains")[1], values[0])
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == values.min()
    assert ax.get_xlabel() == "generation"
    assert ax.get_ylabel() == "entropy (nats)"
    styles = [one.get_linestyle() for one in ax.get_lines() if one.get_label() in ("theory", "other")]
    assert len(set(styles)) == 2


def test_chains_scales_values_and_predictions_alike(run):
    ax = plot.chains(run, "log_variance", centre="mean", scale=np.exp, prediction=[0, 1, 2], until=5, label="variance")
    want = np.exp(run.trace["log_variance"][:, :2, 0]).mean(0)
    np.testing.assert_allclose(line(ax, "mean of 9 chains")[1], want)
    np.testing.assert_allclose(line(ax, "prediction")[1], np.exp([0, 1]))
    assert ax.get_ylabel() == "variance"


def test_chains_uses_the_axes_it_is_given_and_counts_booleans(run):
    _, ax = pyplot.subplots()
    assert plot.chains(run, "absorbed", ax, centre="mean") is ax
    np.testing.assert_array_equal(line(ax, "mean of 9 chains")[1], [0, 1, 1])
    np.testing.assert_allclose(
        line(plot.chains(run, "mean", component=1), "median of 9 chains")[1], np.median(run.trace["mean"][..., 1], 0)
    )


def test_chains_that_failed_or_never_end_are_no_error():
    times = np.array([[3.0, np.inf], [2.0, np.nan], [np.inf, np.nan], [1.0, np.nan]])
    ax = plot.chains(Recorded([0, 1], time=times), "time")
    np.testing.assert_array_equal(line(ax, "median of 4 chains")[1], [2, np.inf])
    plot.chains(Recorded([0, 1], time=np.full((2, 2), np.nan)), "time")
    plot.chains(Recorded([0, 1], time=np.ones((1, 2))), "time")


def test_distribution_is_a_histogram_for_each_generation(run):
    ax = plot.distribution(run, "entropy", generations=[0, 20], bins=5)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["0", "20"]
    values = run.trace["entropy"][:, [0, 2]]
    edges = np.linspace(values.min(), values.max(), 6)
    for place in (0, 1):
        count = np.histogram(values[:, place], edges)[0]
        outline = [one for one in ax.get_lines() if one.get_drawstyle() == "steps-post"][place]
        np.testing.assert_allclose((outline.get_ydata()[:-1] + place) / 1.5, count / count.max(), atol=1e-12)
    plot.distribution(Recorded([0], x=np.full((4, 1), 2.0)), "x")


def test_probabilities_shows_one_chain_at_one_scale(run):
    ax = plot.probabilities(run, chain=3, states=list("abcd"))
    laws = run.trace["probabilities"][3]
    assert [t.get_text() for t in ax.get_xticklabels()] == list("abcd")
    for place, outline in enumerate(one for one in ax.get_lines() if one.get_drawstyle() == "steps-post"):
        np.testing.assert_allclose((outline.get_ydata()[:-1] + place) / 0.9, laws[place] / laws.max(), atol=1e-12)


def test_surviving_states_counts_from_either_observable(run):
    ax = plot.surviving_states(run, prediction=[4, 4, 3])
    np.testing.assert_array_equal(line(ax, "mean of 9 chains")[1], [4, 4, 3])
    sizes = Recorded([0, 5], support_size=np.array([[4, 2], [3, 1]]))
    np.testing.assert_array_equal(line(plot.surviving_states(sizes), "mean of 2 chains")[1], [3.5, 1.5])


def test_variance_and_w2_shows_both(run):
    left, right = plot.variance_and_w2(run, log_variance=[0, -1, -2], w2={"wrong": [1, 2, 3]}, w2_until=5)
    np.testing.assert_allclose(line(left, "prediction")[1], np.exp([0, -1, -2]))
    np.testing.assert_allclose(
        line(left, "median of 9 chains")[1], np.exp(np.median(run.trace["log_variance"][..., 0], 0))
    )
    assert left.get_yscale() == "log"
    np.testing.assert_allclose(line(right, "mean of 9 chains")[1], run.trace["w2_squared"][:, :2].mean(0))
    np.testing.assert_array_equal(line(right, "wrong")[1], [1, 2])


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda run: plot.chains(run, "nonsense"), "did not observe 'nonsense'; its observables are entropy"),
        (lambda run: plot.chains(run, "mean"), r"'mean' has shape \(2,\) .* component="),
        (lambda run: plot.chains(run, "mean", component=2), "component must lie between 0 and 1, got 2"),
        (lambda run: plot.chains(run, "entropy", prediction=[1, 2]), r"one value for each of the 3 .* shape \(2,\)"),
        (lambda run: plot.chains(run, "entropy", centre="mode"), "centre must be 'median' or 'mean', got 'mode'"),
        (lambda run: plot.chains(run, "entropy", level=1.0), "level must lie strictly between 0 and 1, got 1.0"),
        (lambda run: plot.chains(run, "entropy", until=-1), "until must not lie before the first recorded"),
        (
            lambda run: plot.distribution(run, "entropy", generations=[0, 7]),
            "must have been recorded, got 7",
        ),
        (lambda run: plot.probabilities(run, chain=9), "chain must lie between 0 and 8, got 9"),
        (lambda run: plot.probabilities(run, states=["a"]), "must name all 4 states, got 1"),
        (lambda run: plot.surviving_states(Recorded([0], x=np.ones((1, 1)))), "did not observe 'support_size'"),
        (lambda run: plot.variance_and_w2(run, [None]), "axes must be two"),
    ],
)
def test_bad_input_is_named(run, draw, message):
    with pytest.raises(ValueError, match=message):
        draw(run)


def test_a_run_without_a_finite_value_has_no_distribution():
    with pytest.raises(ValueError, match="no finite value"):
        plot.distribution(Recorded([0], x=np.full((3, 1), np.inf)), "x")


def test_overview_has_a_panel_for_each_observable(run):
    figure = plot.overview(run)
    assert len(figure.axes) == len(run.trace)
    with pytest.raises(ValueError, match="no observable that is a number or a vector"):
        plot.overview(Recorded([0], x=np.ones((1, 1, 2, 2))))


def test_evidence_marks_every_comparison():
    def comparison(z, rejected):
        return SimpleNamespace(z=z, rejected=rejected)

    misses = {"M + 1": comparison(30.0, True), "diploid": comparison(-2.0, False), "far": comparison(np.inf, True)}
    row = SimpleNamespace(what="", prediction=comparison(0.5, False), near_misses=misses)
    results = [SimpleNamespace(claim=SimpleNamespace(name="decay"), rows=[row])]
    ax = plot.evidence(results)
    assert line(ax, "prediction")[0] == [0.5]
    assert line(ax, "near miss, rejected")[0].tolist() == [30.0, 1e6]
    assert line(ax, "near miss, NOT rejected")[0] == [-2.0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["decay"]
    with pytest.raises(ValueError, match="at least one row"):
        plot.evidence([])
