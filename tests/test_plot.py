"""Figures show the numbers of the run: what is drawn is read back and compared."""

import dataclasses
from types import SimpleNamespace

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
import pytest
import runs
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import plot


class Recorded:
    """All that a figure needs of a run."""

    def __init__(self, recorded, **trace):
        self.recorded, self.trace = np.asarray(recorded), trace


@pytest.fixture(autouse=True)
def _nothing_leaks():
    before = dict(mpl.rcParams)
    yield
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
        (lambda run: plot.chains(run, "entropy", level=1.0), r"level must lie in \(0, 1\), got 1.0"),
        (lambda run: plot.chains(run, "entropy", until=-1), "until must not lie before the first recorded"),
        (
            lambda run: plot.distribution(run, "entropy", generations=[0, 7]),
            "must have been recorded, got 7",
        ),
        (lambda run: plot.probabilities(run, chain=9), "chain must lie between 0 and 8, got 9"),
        (lambda run: plot.probabilities(run, states=["a"]), "must name all 4 states, got 1"),
        (lambda run: plot.surviving_states(Recorded([0], x=np.ones((1, 1)))), "did not observe 'support_size'"),
        (lambda run: plot.variance_and_w2(run, [None]), "axes must be two"),
        (lambda run: plot.compare({"a": run}, "entropy", prediction={"b": None}), "names of the runs, a; got 'b'"),
    ],
)
def test_bad_input_is_named(run, draw, message):
    with pytest.raises(ValueError, match=message):
        draw(run)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda run: plot.chains("run", "entropy"), "run must be a Run, as simulate returns it, got 'run'"),
        (lambda run: plot.overview(None), "run must be a Run"),
        (lambda run: plot.surviving_states([1]), "run must be a Run"),
        (lambda run: plot.chains(run, "entropy", "ax"), "ax must be Axes of matplotlib"),
        (lambda run: plot.chains(run, "entropy", show=1.5), "show must be a whole number, got 1.5"),
        (lambda run: plot.chains(run, "entropy", scale="big"), "scale must be a number, got 'big'"),
        (lambda run: plot.chains(run, "mean", component=True), "component must be a whole number, got True"),
        (lambda run: plot.distribution(run, "entropy", bins="ten"), "bins must be a whole number, got 'ten'"),
        (lambda run: plot.compare(3, "entropy"), "runs must be a dictionary or a list of runs, got 3"),
        (lambda run: plot.compare([run], "entropy", points=2.5), "points must be a whole number"),
        (
            lambda run: plot.compare([run], "entropy", prediction="yes"),
            "prediction must be True or False, .* or curves",
        ),
        (
            lambda run: plot.chains(run, "entropy", prediction="exact"),
            "'prediction' must be numbers, a function .* got 'exact'",
        ),
    ],
)
def test_things_of_another_kind_are_named(run, draw, message):
    with pytest.raises(TypeError, match=message):
        draw(run)


@pytest.fixture(scope="module")
def chain():
    """One small run; those of other regimes carry its record."""
    return runs.words()


@pytest.fixture(scope="module")
def normal():
    return runs.normal()


class Standard:
    """A model that has learnt all there is."""

    def fit(self, rows):
        return self

    def sample(self, n, rng):
        return rng.normal(size=(n, 1))


def test_runs_without_closed_forms_are_compared_all_the_same():
    run = mc.simulate_models(Standard, mc.normal(), size=4, generations=2, chains=2)
    ax = plot.compare({"models": run}, "mean")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["models"]


def test_what_predict_returns_is_drawn_as_it_is(normal):
    known = {p.observable: p.values for p in normal.predict()}
    given = {
        "list": normal.predict(),
        "one": normal.predict()["log_variance"],
        "values": known["log_variance"],
        "named": {"theory": normal.predict()["log_variance"]},
    }
    for kind, prediction in given.items():
        ax = plot.chains(normal, "log_variance", component=0, prediction=prediction)
        label = {"values": "prediction", "named": "theory"}.get(kind, "closed form")
        np.testing.assert_allclose(line(ax, label)[1], known["log_variance"][:, 0], err_msg=kind)
        np.testing.assert_array_equal(line(ax, label)[0], [0, 1, 2, 3])
    left, right = plot.variance_and_w2(normal, log_variance=normal.predict(), w2=known["w2_squared"])
    np.testing.assert_allclose(line(left, "closed form")[1], np.exp(known["log_variance"][:, 0]))
    np.testing.assert_allclose(line(right, "prediction")[1], known["w2_squared"])
    with pytest.raises(ValueError, match="is about 'w2_squared', not about 'log_variance'"):
        plot.chains(normal, "log_variance", prediction=normal.predict()["w2_squared"])
    assert "closed form" not in [
        one.get_label() for one in plot.chains(normal, "log_variance", prediction=[]).get_lines()
    ]


def test_a_bound_is_drawn_as_a_bound(normal):
    bound = dataclasses.replace(normal.predict()["log_variance"], kind="lower bound")
    labels = [one.get_label() for one in plot.chains(normal, "log_variance", prediction=bound).get_lines()]
    assert "lower bound" in labels
    assert "closed form" not in labels


def test_runs_on_the_same_axes_have_colours_and_names_of_their_own(chain):
    other = dataclasses.replace(chain, regime=mc.FreshReal(0.25))
    _, ax = pyplot.subplots()
    for run in (chain, other, chain):
        plot.surviving_states(run, ax, show=1)
    centres = [one for one in ax.get_lines() if "mean of 40 chains" in one.get_label()]
    assert [one.get_label().split(":")[0] for one in centres] == ["Replace", "FreshReal(0.25)", "Replace (2)"]
    assert len({one.get_color() for one in centres}) == 3
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert len(set(labels)) == len(labels)
    _, ax = pyplot.subplots()
    plot.chains(chain, "heterozygosity", ax, color="k", run_name="mine")
    assert next(one.get_color() for one in ax.get_lines() if one.get_label() == "mine: median of 40 chains") == "k"
    axes = None
    for _ in range(2):
        axes = plot.variance_and_w2(chain_of_normal := normal_record(), axes)
    assert len({one.get_label() for ax in axes for one in ax.get_lines()}) >= 4
    assert chain_of_normal is not None


def normal_record():
    rng = np.random.default_rng(1)
    return Recorded([0, 1], log_variance=rng.normal(size=(5, 2, 1)), w2_squared=rng.normal(size=(5, 2)) ** 2)


def test_compare_marks_means_with_errors_on_the_closed_form_of_each_run(chain):
    ax = plot.compare({"replaced": chain, "again": chain}, "heterozygosity", scale=2.0)
    values = chain["heterozygosity"].astype(float)
    for container, name in zip(ax.containers, ("replaced", "again"), strict=True):
        points, _, (bars,) = container
        assert container.get_label() == name
        np.testing.assert_array_equal(points.get_xdata(), np.arange(1, 8))
        np.testing.assert_allclose(points.get_ydata(), 2 * values.mean(0), rtol=1e-6)
        length = np.diff([segment[:, 1] for segment in bars.get_segments()], axis=1)[:, 0]
        np.testing.assert_allclose(length, 2 * 4 * values.std(0, ddof=1) / np.sqrt(40), rtol=1e-6)
    lines = [one for one in ax.get_lines() if one.get_linestyle() not in ("None", "")]
    assert len(lines) == 2
    # one fit keeps 1 - 1/10 of the heterozygosity 0.7
    np.testing.assert_allclose(lines[0].get_ydata(), 2 * 0.7 * 0.9 ** np.arange(1, 8), rtol=1e-6)
    assert lines[0].get_color() != lines[1].get_color()
    assert (ax.get_xscale(), ax.get_xlabel()) == ("log", "fits (generation + 1)")
    plain = plot.compare([chain], "support_size", prediction=False, log=False, points=3)
    assert len(plain.containers[0][0].get_xdata()) == 3
    assert plain.get_xlabel() == "generation"
    for given in ([], [chain, chain]):
        with pytest.raises(ValueError, match="runs must be at least one and have names of their own"):
            plot.compare(given, "heterozygosity")


def test_a_run_without_a_finite_value_has_no_distribution():
    with pytest.raises(ValueError, match="no finite value"):
        plot.distribution(Recorded([0], x=np.full((3, 1), np.inf)), "x")


def test_overview_has_a_panel_for_each_observable(run):
    figure = plot.overview(run)
    assert len(figure.axes) == len(run.trace)
    with pytest.raises(ValueError, match="no observable that is a number or a vector"):
        plot.overview(Recorded([0], x=np.ones((1, 1, 2, 2))))


MATH = "$p^{$"
"""A name that is no formula: matplotlib refuses to draw it as one."""


def read_as(artist):
    """What a reader sees of a text: matplotlib takes the backslash from a dollar sign outside formulas."""
    if not artist.get_parse_math():
        return artist.get_text()
    assert mpl.cbook.is_math_text(artist.get_text()) is False
    return artist.get_text().replace(r"\$", "$")


@pytest.fixture(scope="module")
def hostile():
    """A small run whose states and observables have such names; and one with columns that have them."""
    source = mc.categorical({MATH: 0.4, "$b$": 0.3, "c\\$": 0.2, "d": 0.1})
    words = dataclasses.replace(runs.words(), source=source)
    law = np.full((*words["heterozygosity"].shape, 4), 0.25)
    trace = {**words.trace, MATH: words["heterozygosity"], "probabilities": law}
    observables = mc.simulate(
        mc.Discrete(), source, observe={MATH: "heterozygosity", "probabilities": "probabilities"}, size=5,
        generations=0, chains=2,
    ).observables  # fmt: skip
    return dataclasses.replace(words, trace=trace, observables={**words.observables, **observables})


DRAWN = {
    "observable": (lambda run: plot.chains(run, MATH), lambda ax: [ax.yaxis.label], MATH),
    "explicit": (lambda run: plot.chains(run, MATH, label="plain"), lambda ax: [ax.yaxis.label], "plain"),
    "component": (lambda run: plot.chains(run, "probabilities", component=MATH), lambda ax: [ax.yaxis.label], f"[{MATH}]"),
    "run name": (lambda run: plot.chains(run, MATH, run_name=MATH), lambda ax: ax.get_legend().get_texts(), MATH),
    "distribution": (lambda run: plot.distribution(run, MATH), lambda ax: [ax.xaxis.label], MATH),
    "distribution of a component": (
        lambda run: plot.distribution(run, "probabilities", component="$b$"), lambda ax: [ax.xaxis.label], "[$b$]"
    ),
    "states": (lambda run: plot.probabilities(run), lambda ax: ax.get_xticklabels(), MATH),
    "other state": (lambda run: plot.probabilities(run), lambda ax: ax.get_xticklabels(), "c\\$"),
    "compare": (lambda run: plot.compare({MATH: run}, MATH), lambda ax: ax.get_legend().get_texts(), MATH),
    "compared": (lambda run: plot.compare({"a": run}, MATH), lambda ax: [ax.yaxis.label], MATH),
    "second": (
        lambda run: plot.chains(run, MATH, plot.chains(run, MATH, run_name=MATH), run_name=MATH),
        lambda ax: ax.get_legend().get_texts(), f"{MATH} (2): ",
    ),
    "overview": (lambda run: plot.overview(run).axes[2], lambda ax: [ax.yaxis.label], MATH),
    "claims": (
        lambda run: plot.evidence([SimpleNamespace(claim=SimpleNamespace(name=MATH), rows=[
            SimpleNamespace(what="", prediction=SimpleNamespace(z=0.5, rejected=False), near_misses={})
        ])]),
        lambda ax: ax.get_yticklabels(), MATH,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", DRAWN)
def test_names_with_dollar_signs_are_drawn_as_they_are(hostile, kind):
    draw, texts, words = DRAWN[kind]
    ax = draw(hostile)
    ax.figure.canvas.draw()
    assert any(words in read_as(text) for text in texts(ax)), [text.get_text() for text in texts(ax)]


def test_a_label_that_is_given_may_be_a_formula(hostile):
    ax = plot.chains(hostile, MATH, label=r"$\sigma^2$", prediction={r"$\pi$": np.ones(7)})
    ax.figure.canvas.draw()
    assert ax.get_ylabel() == r"$\sigma^2$"
    assert mpl.cbook.is_math_text(ax.get_legend().get_texts()[-1].get_text())


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
