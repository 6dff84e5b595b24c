"""A run as other libraries hold it: data frames, datasets, trees, files of them, and what a notebook shows."""

import base64
import html
import io
import json
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray
from numpy.testing import assert_allclose, assert_array_equal

import modelcollapse as mc
from modelcollapse import exports, notebook, plot
from modelcollapse.__main__ import main

NAMES = ("cat", "<b>dog</b> & $x$", "eel")
ROWS = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 2)), columns=["height", "weight"])
SIZE = {"size": [20, 20, 30, 30], "generations": 3, "chains": 4}
RECORD = [0, 2, 3]
STATISTICS = ["mean", "standard_error", "low", "high", "median", "lower", "upper"]


def pairs(params):
    return jnp.stack([params, 1 - params])


@pytest.fixture(scope="module")
def animals():
    law = mc.counts(dict(zip(NAMES, (3, 5, 1), strict=True)))
    observe = {"p": "probabilities", "heterozygosity": "heterozygosity", "pairs": pairs, "$entropy_<i>": "entropy"}
    return mc.simulate(mc.Discrete(), law, observe=observe, record=RECORD, **SIZE)


@pytest.fixture(scope="module", params=[False, True], ids=["float32", "float64"])
def people(request):
    with jax.enable_x64(request.param):
        yield mc.simulate(
            mc.Gaussian(), mc.table(ROWS), observe=["mean", "log_variance", "log_determinant"], record=RECORD, **SIZE
        )


def test_a_frame_has_a_row_for_each_chain_and_generation(animals):
    found = animals.to_dataframe()
    entries = [f"p[{name}]" for name in NAMES]
    several = [f"pairs[{i}, {j}]" for i in range(2) for j in range(3)]
    assert list(found.columns) == ["chain", "generation", *entries, "heterozygosity", *several, "$entropy_<i>"]
    assert len(found) == 4 * len(RECORD)
    for chain in range(4):
        for place, generation in enumerate(RECORD):
            row = found[(found.chain == chain) & (found.generation == generation)]
            assert_array_equal(row[entries].to_numpy()[0], animals["p"][chain, place])
            assert_array_equal(row[several].to_numpy()[0], animals["pairs"][chain, place].ravel())
            assert row["heterozygosity"].item() == animals["heterozygosity"][chain, place]
    assert json.loads(found.attrs["provenance"]) == animals.provenance


def test_columns_of_rows_give_their_names_and_types_stay(people):
    found = people.to_dataframe()
    assert {"mean[height]", "mean[weight]", "log_variance[height]", "log_determinant"} <= set(found.columns)
    assert_array_equal(found["mean[weight]"], people["mean"][..., 1].ravel())
    assert found["log_determinant"].dtype == people["log_determinant"].dtype
    assert "mean[height]" in repr(people)
    assert "mean[height]" in set(people.summary().to_dataframe()["observable"])


def test_one_observable_is_long_as_xarray_has_it(animals):
    found = animals.to_dataframe("p")
    assert list(found.columns) == ["chain", "generation", "state", "p"]
    expected = animals.to_dataset()["p"].drop_vars("size").to_dataframe().reset_index()
    pd.testing.assert_frame_equal(found, expected[list(found.columns)])
    assert list(animals.to_dataframe("pairs").columns) == ["chain", "generation", "pairs_0", "pairs_1", "pairs"]
    assert list(animals.to_dataframe("heterozygosity").columns) == ["chain", "generation", "heterozygosity"]
    with pytest.raises(KeyError, match="was not observed; the observables are p, heterozygosity"):
        animals.to_dataframe("mean")


def test_names_that_look_alike_are_numbered():
    source = mc.categorical({1: 0.5, "1": 0.3, 2: 0.2})
    run = mc.simulate(mc.Discrete(), source, observe="probabilities", size=9, generations=1)
    assert list(run.to_dataframe().columns[2:]) == [f"probabilities[{i}]" for i in range(3)]
    long = run.to_dataframe("probabilities")
    assert long["state"].tolist() == ["0", "1", "2"] * 2
    assert run.to_dataset()["probabilities"].sel(state="2").shape == (1, 2)
    assert run.to_datatree()["prediction"]["state"].values.tolist() == ["0", "1", "2"]
    # a name that is text is still meant as it stands, in whatever order
    for names, place in (({1: 0.5, "1": 0.5}, 1), ({"1": 0.5, 1: 0.5}, 0)):
        one = mc.simulate(mc.Discrete(), mc.categorical(names), observe="probabilities", size=9, generations=1)
        drawn = plot.chains(one, "probabilities", component="1").lines[-1].get_ydata()
        assert_array_equal(drawn, one["probabilities"][0, :, place])


@pytest.mark.parametrize("name", ["chain", "generation", "p[cat]"])
def test_a_name_that_is_taken_is_refused(animals, name):
    observe = {"p": "probabilities", name: "entropy"}
    run = mc.simulate(mc.Discrete(), animals.source, observe=observe, size=9, generations=1)
    with pytest.raises(ValueError, match=re.escape(f"one column {name!r}")):
        run.to_dataframe()


@pytest.mark.parametrize("name", ["chain", "generation", "state", "pairs_0", "pairs_1"])
def test_a_name_that_a_dataset_has_is_refused(animals, name):
    observe = {"p": "probabilities", "pairs": pairs, name: "entropy"}
    run = mc.simulate(mc.Discrete(), animals.source, observe=observe, size=9, generations=1)
    for convert in (run.to_dataset, run.to_datatree):
        with pytest.raises(ValueError, match=f"a dataset has one name '{name}', and the run two things"):
            convert()


@pytest.mark.parametrize(
    ("name", "message"), [("statistic", "a tree has one name 'statistic'"), ("a/b", "no '/' in its names, got 'a/b'")]
)
def test_a_name_that_a_tree_cannot_have_is_refused(animals, name, message):
    run = mc.simulate(mc.Discrete(), animals.source, observe={name: "entropy"}, size=9, generations=1)
    assert name in run.to_dataset()
    with pytest.raises(ValueError, match=message):
        run.to_datatree()


def test_sizes_are_those_drawn_and_say_so(animals):
    run = mc.simulate(mc.Discrete(), animals.source, mc.Accumulate(), "entropy", size=20, generations=2)
    assert "number of items drawn" in run.to_dataset()["size"].attrs["long_name"]


def test_the_summary_has_a_row_for_each_number(people):
    summary = people.summary(0.9)
    found = summary.to_dataframe()
    assert list(found.columns) == ["observable", "generation", *STATISTICS]
    assert len(found) == (2 + 2 + 1) * len(RECORD)
    for _, row in found.iterrows():
        name, _, rest = row["observable"].partition("[")
        entry = [["height", "weight"].index(rest[:-1])] if rest else []
        place = RECORD.index(row["generation"])
        for statistic in STATISTICS:
            assert row[statistic] == summary[name][statistic][(place, *entry)]


@pytest.mark.parametrize("source", [mc.table(ROWS), mc.categorical([0.5, 0.3, 0.2])], ids=["rows", "states"])
def test_predictions_stand_beside_what_was_simulated(source):
    family = mc.Gaussian() if isinstance(source, mc.sources.table(ROWS).__class__) else mc.Discrete()
    observe = ["mean", "log_determinant"] if family.__class__ is mc.Gaussian else ["probabilities", "heterozygosity"]
    run = mc.simulate(family, source, observe=observe, record=RECORD, **SIZE)
    predicted = run.predict()
    assert predicted
    found = predicted.to_dataframe()
    assert list(found.columns[:5]) == ["observable", "generation", "predicted", "simulated", "standard_error"]
    beside = run.summary().to_dataframe().merge(found, on=["observable", "generation"], suffixes=("", " of theory"))
    assert len(beside) == len(found)
    assert_array_equal(beside["mean"], beside["simulated"])
    assert_array_equal(beside["standard_error"], beside["standard_error of theory"])
    for one in predicted:
        mine = found[found["observable"].str.partition("[")[0] == one.observable]
        values = one.values.reshape(len(RECORD), -1)
        assert_array_equal(mine["predicted"].to_numpy().reshape(-1, len(RECORD)).T, values)
        assert set(mine["function"]) == {one.function}
        assert set(mine["formula"]) == {one.formula}
    # without a run there is nothing beside them, and entries have the same names
    alone = mc.predictions(family, source, observe=observe, record=RECORD, size=SIZE["size"], generations=3)
    pd.testing.assert_frame_equal(alone.to_dataframe(), found.drop(columns=["simulated", "standard_error"]))
    assert predicted[:1].to_dataframe()["simulated"].notna().all()
    assert list(run.predict()[:0].to_dataframe().columns) == list(found.columns)


def test_a_dataset_has_sizes_and_names(animals, people):
    found = animals.to_dataset()
    assert_array_equal(found["size"], [20, 30, 30])
    assert found["state"].values.tolist() == list(NAMES)
    assert people.to_dataset()["dimension"].values.tolist() == ["height", "weight"]
    named = mc.simulate(mc.Discrete(), animals.source, observe={"size": "entropy"}, size=9, generations=1)
    assert named.to_dataset()["size"].dims == ("chain", "generation")


def test_a_frame_as_source_names_the_columns_of_its_observables():
    class Model:
        def fit(self, X):
            self.X = X

        def sample(self, n, rng):
            return self.X.sample(n, replace=True, random_state=rng)

    run = mc.simulate_models(Model, ROWS, size=5, generations=1)
    assert run.to_dataset()["dimension"].values.tolist() == ["height", "weight"]
    assert {"mean[height]", "mean[weight]"} <= set(run.to_dataframe().columns)


def test_a_tree_has_what_the_parts_have_and_outlives_a_file(animals, tmp_path):
    tree = animals.to_datatree()
    assert set(tree.children) == {"simulation", "prediction", "summary"}
    xarray.testing.assert_identical(tree["simulation"].to_dataset(), animals.to_dataset().drop_attrs(deep=False))
    predicted = animals.predict()
    assert set(tree["prediction"].data_vars) == {one.observable for one in predicted}
    for one in predicted:
        assert_array_equal(tree["prediction"][one.observable], one.values)
        assert tree["prediction"][one.observable].attrs["formula"] == one.formula
    summary = animals.summary()
    for name in animals:
        for statistic in STATISTICS:
            found = tree["summary"][name].sel(statistic=statistic)
            assert_array_equal(found, summary[name][statistic])
    assert tree["prediction"]["p"].sel(state="eel", generation=3) == predicted["p"].values[-1, 2]
    tree.to_netcdf(tmp_path / "run.nc", engine="h5netcdf")
    with xarray.open_datatree(tmp_path / "run.nc", engine="h5netcdf") as again:
        xarray.testing.assert_identical(again["summary"].to_dataset(), tree["summary"].to_dataset())
        assert json.loads(again.attrs["provenance"]) == animals.provenance


def test_a_tree_without_closed_forms_has_an_empty_group(animals):
    run = mc.simulate(mc.Discrete(), animals.source, observe={"own": lambda p: p[0] ** 2}, size=9, generations=1)
    assert not run.to_datatree()["prediction"].data_vars


def test_files_hold_the_frame(animals, tmp_path, monkeypatch):
    exports.write(animals, tmp_path / "run.csv")
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "run.csv"), animals.to_dataframe(), check_dtype=False, rtol=1e-6
    )
    exports.write(animals, tmp_path / "run.npz")
    assert_array_equal(mc.Run.load(tmp_path / "run.npz")["p"], animals["p"])
    monkeypatch.setattr(exports.importlib.util, "find_spec", lambda name: None if name == "pyarrow" else name)
    exports.check_file("path", tmp_path / "run.csv")
    exports.check_file("path", tmp_path / "run.npz")
    with pytest.raises(ModuleNotFoundError, match=r"run.parquet needs pyarrow: pip install 'modelcollapse\[parquet\]'"):
        exports.check_file("path", tmp_path / "run.parquet")


def test_a_parquet_file_holds_the_frame_without_loss(animals, tmp_path):
    pytest.importorskip("pyarrow")
    exports.write(animals, tmp_path / "run.parquet")
    found = pd.read_parquet(tmp_path / "run.parquet")
    pd.testing.assert_frame_equal(found, animals.to_dataframe())
    assert found.attrs == animals.to_dataframe().attrs


def test_the_command_writes_what_python_has(tmp_path, capsys):
    options = ["--family", "discrete", "--size", "9", "--generations", "3", "--chains", "2", "--quiet"]
    for ending in ("csv", "npz"):
        assert main(["simulate", *options, "--save", str(tmp_path / f"run.{ending}")]) == 0
    expected = mc.Run.load(tmp_path / "run.npz").to_dataframe()
    found = pd.read_csv(tmp_path / "run.csv")
    assert list(found.columns) == list(expected.columns)
    assert_allclose(found, expected, rtol=1e-6)


def test_what_is_missing_is_named_with_its_extra():
    code = """
import sys
sys.modules |= dict.fromkeys(("pandas", "xarray", "matplotlib"))
import modelcollapse as mc
run = mc.simulate(mc.Discrete(), mc.categorical([0.5, 0.5]), size=5, generations=2)
for call in (run.to_dataframe, run.summary().to_dataframe, run.predict().to_dataframe, run.to_dataset, run.to_datatree):
    try:
        call()
    except ModuleNotFoundError as error:
        print(error)
print("<img" in run._repr_html_(), "<table>" in run._repr_html_())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert done.count("needs pandas: pip install 'modelcollapse[pandas]'") == 3
    assert done.count("needs xarray: pip install 'modelcollapse[xarray]'") == 2
    assert done.endswith("False True\n")


def pictures(text):
    return [base64.b64decode(found) for found in re.findall(r'src="data:image/png;base64,([^"]*)"', text)]


@pytest.mark.parametrize("part", ["run", "summary", "predictions"])
def test_a_notebook_gets_a_small_figure_in_words_too(animals, part):
    from PIL import Image

    shown = {"run": animals, "summary": animals.summary(), "predictions": animals.predict()}[part]
    text = shown._repr_html_()
    (picture,) = pictures(text)
    assert len(text) < 30_000
    image = Image.open(io.BytesIO(picture))
    assert image.convert("RGBA").getchannel("A").getextrema()[0] == 0  # what is behind it shines through
    assert len(image.convert("RGBA").getcolors(100)) > 5
    (alternative,) = re.findall(r'alt="([^"]*)"', text)
    assert "chains" in alternative
    first, last = (f"{x:.4g}" for x in animals["heterozygosity"][:, [0, -1]].mean(0))
    if part == "predictions":
        assert f"heterozygosity from {first} to {last}, generations 0 to 3" in alternative
    # nothing that a user named is markup
    assert "<b>" not in text
    assert html.escape(NAMES[1]) in text
    assert "$entropy_<i>" not in text
    assert "<script" not in text


def test_predictions_show_the_last_generation_beside_the_run(animals):
    text = animals.predict()._repr_html_()
    cells = re.findall(r"<t[hd]>(.*?)</t[hd]>", text)
    assert cells[:5] == ["observable", "generation", "mean", "simulated", "formula"]
    at = cells.index("heterozygosity")
    mean, error = animals["heterozygosity"][:, -1].mean(), animals["heterozygosity"][:, -1].std(ddof=1) / 2
    predicted = animals.predict()["heterozygosity"].values[-1]
    assert cells[at : at + 4] == ["heterozygosity", "3", f"{predicted:.6g}", f"{mean:.6g} ± {error:.2g}"]


@pytest.mark.parametrize("broken", ["no matplotlib", "an error", "too large"])
def test_a_figure_that_fails_is_left_out_in_silence(animals, broken, monkeypatch, recwarn):
    if broken == "no matplotlib":
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    elif broken == "an error":
        monkeypatch.setattr(notebook, "_draw", lambda *_: 1 / 0)
    else:
        monkeypatch.setattr(notebook, "LARGEST", 100)
    for one in (animals, animals.summary(), animals.predict()):
        assert "<img" not in one._repr_html_()
        assert "<table>" in one._repr_html_()
    assert not recwarn


def test_a_notebook_changes_nothing_of_matplotlib(animals):
    import matplotlib
    from matplotlib import pyplot

    matplotlib.rcParams["font.size"] = 23
    before, open_figures = dict(matplotlib.rcParams), pyplot.get_fignums()
    animals._repr_html_()
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == open_figures
    matplotlib.rcdefaults()


def test_values_that_are_not_finite_and_single_generations_are_shown():
    law = mc.categorical([0.5, 0.5])
    observe = {"gone": mc.first_below("heterozygosity", 0.1), "entropy": "entropy"}
    run = mc.simulate(mc.Discrete(), law, observe=observe, size=5, generations=4)
    assert "<img" in run._repr_html_()
    once = mc.simulate(mc.Discrete(), law, size=5, generations=4, record=[4])
    assert "<img" not in once._repr_html_()
    assert "<table>" in once._repr_html_()


def test_axes_of_figures_have_the_names(animals, people):
    axes = plot.probabilities(mc.simulate(mc.Discrete(), animals.source, observe="probabilities", **SIZE))
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list(NAMES)
    assert plot.chains(people, "mean", component="weight").get_ylabel() == "mean [weight]"
    by_name, by_number = (plot.chains(people, "mean", component=c).lines[-1].get_ydata() for c in ("weight", 1))
    assert_array_equal(by_name, by_number)
    assert plot.distribution(people, "mean", component="height").get_xlabel() == "mean [height]"
    assert plot.compare([people], "mean", component="height").get_ylabel() == "mean [height]"
    panels = plot.overview(people).axes
    assert panels[0].get_ylabel() == "mean [height]"
    with pytest.raises(ValueError, match="component of 'mean' must be one of height, weight, got 'age'"):
        plot.chains(people, "mean", component="age")
    with pytest.raises(ValueError, match="must be a number: it has no names, got 'age'"):
        plot.chains(people, "log_determinant", component="age")


def test_many_states_have_a_name_for_some():
    law = mc.counts({f"word {i} that is much too long": 1 for i in range(100)})
    axes = plot.probabilities(mc.simulate(mc.Discrete(), law, observe="probabilities", size=50, generations=1))
    names = [tick.get_text() for tick in axes.get_xticklabels()]
    assert len(names) == 25
    assert names[1] == "word 4 that is much…"
    assert axes.get_xlabel() == "state (one name in 4 shown)"
