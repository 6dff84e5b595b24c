"""The page of a run says what the run says, in one file that needs nothing else and escapes whatever it is given."""

from __future__ import annotations

import dataclasses
import functools
import html.parser
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import runs
from toys import Bigram, Walk, origin, place

import modelcollapse as mc
from modelcollapse import datasets, report, serial
from modelcollapse.__main__ import main
from modelcollapse.host.models import FitSample
from modelcollapse.observables import Read
from modelcollapse.observables.images import Images
from modelcollapse.predict import Prediction
from modelcollapse.predict.prediction import shown
from modelcollapse.report import compared, recipe, setting, tables

VOID = {"meta", "img", "br"}


class Page(html.parser.HTMLParser):
    """The elements of a page in order, with their attributes, and the rows of its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.words.append(data)
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data

    def all(self, *tags: str) -> list[tuple[str, dict[str, str | None]]]:
        return [(tag, attributes) for tag, attributes in self.elements if tag in tags]

    @property
    def text(self) -> str:
        return "".join(self.words)


def read(run: mc.Run) -> Page:
    return Page(report.page(run))


def told(**fields: Any) -> mc.Run:
    """A small run that says of itself to have had other parts; only for what reads parts and no numbers."""
    return dataclasses.replace(runs.words(), **fields)


class Own:
    """A model of a user."""

    random_state = 0

    def fit(self, rows: np.ndarray) -> Own:
        self.mean = rows.mean(0)
        return self

    def sample(self, n: int) -> np.ndarray:
        return np.random.default_rng(self.random_state).normal(self.mean, 1, (n, self.mean.size))


def local(params: Any) -> Any:
    return params.sum()


@functools.cache
def models() -> mc.Run:
    observe = {"mean": "mean", "middle": lambda fitted: fitted.mean}
    return mc.simulate_models(Own, mc.normal(), observe=observe, size=5, generations=2, chains=2)


@functools.cache
def failed() -> mc.Run:
    with pytest.raises(mc.ChainFailure) as caught:
        mc.simulate(Walk(3), origin(), observe=place, size=3, generations=6, chains=8)
    return caught.value.run


@functools.cache
def population() -> mc.Run:
    family = mc.families.Population(mc.Discrete(), 2)
    observe = ["heterozygosity", "probabilities"]
    return mc.simulate(family, mc.categorical([0.5, 0.5]), observe=observe, size=10, generations=2, chains=4)


@functools.cache
def named() -> mc.Run:
    """States whose names are HTML."""
    source = mc.counts({"<script>alert(1)</script>": 3, '" onload="x': 5, "&amp;": 2})
    observe = {"<img src=x>": "probabilities", "probabilities": "probabilities", "h": "heterozygosity"}
    return mc.simulate(mc.Discrete(), source, observe=observe, size=10, generations=2, chains=4)


@functools.cache
def texts() -> mc.Run:
    blocks = np.random.default_rng(0).integers(0, 5, (20, 6))
    source = mc.sources.tokens(blocks, 5)
    observe = {"blocks": mc.observables.blocks(2)}
    return mc.simulate(Bigram(5), source, mc.regimes.Rewrite(0.5), observe, size=8, generations=2, chains=2)


def no_record() -> mc.Run:
    run = runs.words()
    return dataclasses.replace(run, recorded=run.recorded[:0], trace={n: v[:, :0] for n, v in run.items()})


RUNS: dict[str, Callable[[], mc.Run]] = {
    "words": runs.words, "normal": runs.normal, "models": models, "failed": failed, "population": population,
    "named": named, "texts": texts, "no record": no_record,
}  # fmt: skip


@pytest.mark.parametrize("kind", RUNS)
def test_a_page_is_whole_accessible_and_asks_for_nothing(kind: str) -> None:
    run = RUNS[kind]()
    page = read(run)
    assert page.all("html") == [("html", {"lang": "en"})]
    assert len(page.all("title", "h1")) == 2
    levels = [int(tag[1]) for tag, _ in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels))
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(set(ids)) == len(ids)
    assert {str(a["href"]) for _, a in page.all("a")} == {f"#{one}" for one in ids}
    for _, image in page.all("img"):
        assert str(image["src"]).startswith("data:image/")
        assert len(str(image["alt"])) > 40
    assert len(page.all("img")) == len(page.all("figcaption")) == len(page.all("figure"))
    for _, head in page.all("th"):
        assert head["scope"] in ("row", "col")
    assert len(page.all("caption")) == len(page.tables)
    assert not page.all("script", "link", "iframe", "object", "embed", "form")
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        assert not any("://" in str(value) for value in attributes.values())
    assert "url(" not in report.page(run).partition("</style>")[0]
    assert all(name in page.text for name in run.trace)


def rows_of(page: Page, caption: str) -> dict[str, list[str]]:
    (found,) = [rows for rows in page.tables if caption in rows[0]]
    return {row[0]: row for row in found[1:]}


@pytest.mark.parametrize("kind", ["words", "normal", "named", "population"])
def test_the_numbers_of_the_table_are_those_of_the_run(kind: str) -> None:
    run = RUNS[kind]()
    page, predictions, summary = read(run), run.predict(), run.summary()
    table, theorems = rows_of(page, "do they agree?"), rows_of(page, "formula")
    assert set(theorems) == {p.observable for p in predictions}
    assert len(predictions) >= 1
    seen = 0
    for p in predictions:
        assert theorems[p.observable][1:] == [p.formula, p.function, p.conditions, p.order]
        for index in list(np.ndindex(p.values.shape[1:]))[: compared.ENTRIES]:
            label = compared.entry(run, p.observable, index)
            row = table[p.observable + (f" [{label}]" if label else "")]
            held = [summary[p.observable][name][(-1, *index)] for name in ("mean", "standard_error", "median")]
            numbers = [p.values[(-1, *index)], *held]
            assert [text.lstrip("≥≤ ") for text in row[1:5]] == [shown(number) for number in numbers]
            seen += 1
    assert seen == len(table)
    measured = rows_of(page, "median" if not predictions else f"mean in generation {run.recorded[0]}")
    for name, held in summary.statistics.items():
        if held["mean"].ndim == 1:
            numbers = [held["mean"][0], *(held[key][-1] for key in tables.KEPT)]
            assert measured[name][1:] == [shown(number) for number in numbers]


def test_the_profile_is_that_of_the_run() -> None:
    table = rows_of(read(runs.words()), "kind")
    for verdict in runs.words().profile():
        assert table[verdict.name][-1] == f"{verdict.answer}: {verdict.words}"
    assert len(table) == 11


def test_state_names_and_hostile_text_come_out_as_text() -> None:
    text = report.page(named())
    assert "<script" not in text
    assert "<img src=x>" not in text
    assert 'onload="x' not in text
    page = Page(text)
    assert "probabilities [<script>alert(1)</script>]" in rows_of(page, "do they agree?")
    assert "Its 3 states: <script>alert(1)</script>" in page.text


def train(rows: np.ndarray) -> np.ndarray:
    return rows.mean(0)


def draw(mean: np.ndarray, n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, (n, mean.size))


@pytest.mark.parametrize(
    ("family", "words"),
    [
        (FitSample(Own), "In each of 40 independent chains, a model by Own was fitted to 10 real items"),
        (FitSample(mc.adapters.functions(train, draw)), "a model by train was fitted to"),
        (FitSample(mc.adapters.frames(Own)), "a model by Own was fitted to"),
        (FitSample(mc.adapters.frames(mc.adapters.functions(train, draw))), "a model by train was fitted to"),
        (FitSample(lambda: Own()), "a model by a function without a name was fitted to"),
        (FitSample(functools.partial(Own)), "a model by Own was fitted to"),
        (mc.Discrete(), "chains, Discrete was fitted to"),
        (mc.families.Population(mc.Discrete(), 2), "each of 2 models of Discrete was fitted to"),
    ],
)
def test_the_lead_names_what_the_user_gave(family: Any, words: str) -> None:
    run = told(family=family)
    assert words in setting.lead(run)
    assert f"{words.partition(' was')[0].split()[-1]}, regime Replace" in setting.title(run)


def test_sizes_are_said_of_what_is_drawn() -> None:
    # the data set of a generation is larger under Accumulate
    parts = dict(setting.parts(told(regime=mc.Accumulate())))
    assert parts["Sample size"] == "10 items drawn in each generation"


def test_failed_chains_and_blocks_of_text_are_told() -> None:
    run = failed()
    assert f"The fit of {np.count_nonzero(run.state.status)} chains failed" in read(run).text
    assert "mc.ChainFailure" in read(run).text
    page = read(texts())
    assert "What the models wrote" in page.text
    assert " ".join(map(str, texts().texts(2)[0])) in page.text


def test_names_with_dollar_signs_have_figures() -> None:
    math = "$p^{$"
    run = named()
    source = mc.categorical({math: 0.4, "$b^": 0.3, "c\\frac$": 0.3})
    trace = {"probabilities": run["probabilities"], math: run["probabilities"], f"{math} number": run["h"]}
    observables = {"probabilities": run.observables["probabilities"], math: run.observables["probabilities"]}
    strange = dataclasses.replace(run, source=source, trace=trace, observables=observables | {
        f"{math} number": run.observables["h"]
    })  # fmt: skip
    page = read(strange)
    assert len(page.all("img")) == 3
    assert f"Its 3 states: {math}, $b^, c\\frac$" in page.text


def test_a_page_is_bounded_whatever_the_run_holds() -> None:
    source = mc.categorical({f"state {i}": 1.0 for i in range(10_000)}, normalise=True)
    run = mc.simulate(mc.Discrete(), source, observe="probabilities", size=9, generations=2, chains=2)
    one, law = run["probabilities"][:, :, 0], run["probabilities"]
    many = {f"observable {i}": one for i in range(300)}
    observables = {**run.observables, **dict.fromkeys(("matrix", *many), Read(local))}
    large = dataclasses.replace(run, trace={**run.trace, "matrix": law[:, :, :, None], **many}, observables=observables)
    text = report.page(large)
    assert len(text) < 3_000_000
    page = Page(text)
    assert len(page.all("img")) == 12
    assert "further rows are left out" in page.text
    assert "array of shape (10000,)" in page.text
    assert "array of 10000 numbers" in page.text


def test_images_are_shown() -> None:
    run = runs.words()
    drawn = np.random.default_rng(0).random((run.chains, run.recorded.size, 4, 9)).astype(np.float32)
    kept = mc.observables.as_observable(Images(mc.families.VAE(2), 4))
    seen = dataclasses.replace(run, trace={"digits": drawn}, observables={"digits": kept})
    page = read(seen)
    (image,) = [attributes for _, attributes in page.all("img")]
    assert "4 images of the model of the first chain in each of 5 generations, 0 to 6" in str(image["alt"])
    assert shown(float(drawn[0, -1].std(0).mean())) in page.text
    assert not read(dataclasses.replace(seen, trace={"digits": drawn[..., :8]})).all("img")


def prediction(order: str = "exact", kind: str = "mean") -> Prediction:
    return Prediction("x", np.arange(1), np.zeros(1), "f", "c", order, (np.sum,), kind)


def test_the_judge_sees_errors_and_does_not_judge_what_it_cannot() -> None:
    values = np.random.default_rng(0).normal(1, 1, 400)
    right = float(values.mean()) - 0.05
    assert compared.judge(values, right, prediction(), 0.01)[0] == "agrees"
    assert compared.judge(values, right + 0.3, prediction(), 0.01)[0] == "differs"
    for kind, below, above in (("lower bound", "agrees", "differs"), ("upper bound", "differs", "agrees")):
        assert compared.judge(values, right - 0.3, prediction(kind=kind), 0.01)[0] == below
        assert compared.judge(values, right + 0.4, prediction(kind=kind), 0.01)[0] == above
    rare = np.where(np.arange(400) == 7, 1e6, values)
    cases = [
        (values, right, prediction("O(1/M)"), "an approximation"),
        (values[:1], right, prediction(), "a single chain"),
        (np.append(values, np.nan), right, prediction(), "1 of 401 chains have no value"),
        (values, np.inf, prediction(), "not finite"),
        (rare, right, prediction(), "rests on few chains"),
        (np.zeros(400), 1e-4, prediction(), "every chain has the same value"),
        (values[:29], right, prediction(), "29 chains are too few"),
        (np.exp(values), right, prediction(), "the chains are skewed, by"),
        (np.where(np.arange(400) == 8, -1e6, rare), right, prediction(), "one chain holds 50 %"),
        (np.full(400, 0.3), 0.3 + 1e-9, prediction(), "every chain has the same value"),
    ]
    for chains, exact, about, words in cases:
        verdict, reason = compared.judge(chains, exact, about, 0.01)
        assert verdict == "not judged"
        assert words in reason
    assert compared.judge(np.full(9, 0.3, np.float32), 0.3, prediction(), 0.01)[0] == "agrees"


@pytest.mark.parametrize(("kind", "off", "verdict"), [
    ("float64", 0.0, "agrees"), ("float64", 0.1, "differs"), ("float64", 5.0, "differs"),
    ("float32", 0.0, "agrees"), ("float32", 0.1, "agrees"), ("float32", 5.0, "not judged"), ("float32", 20.0, "not judged"),
])  # fmt: skip
def test_a_small_spread_on_a_large_offset_is_judged_as_far_as_its_floats_can_tell(
    kind: str, off: float, verdict: str
) -> None:
    # means of 100 numbers of variance 4 about 1e6: the last place there is 0.06 in float32
    values = np.random.default_rng(3).normal(1e6, 0.2, 400).astype(kind)
    assert compared.judge(values, float(values.astype(float).mean()) + off, prediction(), 0.01)[0] == verdict


def test_a_difference_within_rounding_is_none() -> None:
    values = (1 + np.random.default_rng(0).normal(0, 3e-6, 100_000)).astype(np.float32)
    verdict, reason = compared.judge(values, float(values.astype(float).mean()) + 1e-7, prediction(), 0.01)
    assert verdict == "not judged"
    assert "within the rounding of the floats" in reason


JUDGED: dict[str, tuple[Any, ...]] = {
    "states": (mc.Discrete(), mc.categorical([0.4, 0.3, 0.2, 0.1]), 6,
               ["entropy", "heterozygosity", "support_size", "probabilities"]),
    "heavy": (mc.Gaussian(), mc.normal(), 50, ["variance", "log_variance", "mean", "w2_squared"]),
}  # fmt: skip
"""Family, source, generations and observables of runs of size 10; the variance of the second rests on rare chains."""


@functools.cache
def judged(kind: str) -> mc.Run:
    """Independent chains for many pages."""
    family, source, last, observe = JUDGED[kind]
    return mc.simulate(
        family, source, observe=observe, size=10, generations=last, chains=30_000, record=[last - 1, last]
    )


def alarms(kind: str, chains: int, pages: int, *, early: bool = False) -> int:
    """How many pages of ``chains`` chains each say "differs" somewhere; beside predictions one fit early if asked."""
    run, count = judged(kind), 0
    about = [dataclasses.replace(p, values=p.values[[0, 0]]) if early else p for p in run.predict()]
    assert len(about) >= 4
    for page in range(pages):
        at = slice(page * chains, (page + 1) * chains)
        assert at.stop <= run.chains
        part = dataclasses.replace(run, trace={name: values[at] for name, values in run.items()})
        count += any(row.verdict == "differs" for row in compared.rows(part, about))  # type: ignore[arg-type]
    return count


@pytest.mark.parametrize("kind", JUDGED)
@pytest.mark.parametrize("chains", [20, 30, 50, 100])
def test_pages_of_true_theorems_raise_no_more_alarms_than_their_rate(kind: str, chains: int) -> None:
    # more than 9 of 300 where each has a chance of 1 %: once in a thousand
    assert alarms(kind, chains, 300) <= 9


def test_a_prediction_one_fit_early_is_found() -> None:
    assert alarms("states", 500, 60) <= 4
    assert alarms("states", 500, 60, early=True) >= 45


@pytest.mark.parametrize("kind", ["words", "normal", "named"])
@pytest.mark.parametrize("bits", [32, 64])
def test_the_call_on_the_page_makes_the_run_again(kind: str, bits: int) -> None:
    run = RUNS[kind]()
    with jax.enable_x64(bits == 64):  # whatever is in force where the page is written
        found = recipe.recipe(run)
    assert found.missing == ()
    assert found.code in read(run).text
    again = execute(found.code)
    assert again.recorded.tolist() == run.recorded.tolist()
    for name in run:
        np.testing.assert_array_equal(again[name], run[name])


def execute(code: str) -> mc.Run:
    before = jax.config.jax_enable_x64  # type: ignore[attr-defined]
    space: dict[str, Any] = {}
    try:
        exec(code, space)
    finally:
        jax.config.update("jax_enable_x64", before)
    return space["run"]


FAMILIES: dict[str, tuple[Any, Any, Any]] = {
    "discrete": (mc.Discrete(), lambda: mc.categorical([0.2, 0.3, 0.5]), mc.FreshReal(0.1)),
    "labels": (mc.Discrete(), lambda: mc.labels(["a", "b", "a"]), mc.Accumulate()),
    "gaussian": (mc.Gaussian(ddof=0), lambda: mc.normal([0, 1.5], [[1, 0.1], [0.1, 2]]), mc.Mixture(0.5, 0.3, 0.2)),
    "far": (mc.Gaussian(), lambda: mc.normal(1e6, 4.0), mc.Replace()),
    "mixture": (mc.GaussianMixture(2), lambda: mc.normal_mixture([0.5, 0.5], [-1, 1], [1, 2]), mc.Replace()),
    "kernels": (mc.KernelDensity(), lambda: mc.table(datasets.iris("setosa")[0]), mc.regimes.FixedReal(0.2)),
    "poisson": (mc.families.Poisson(), lambda: mc.sources.poisson(3.0), mc.regimes.Retain(0.3)),
    "gamma": (mc.families.Gamma(2.0), lambda: mc.sources.gamma(3.0, 2.0), mc.Replace()),
    "uniform": (mc.families.Uniform(), lambda: mc.sources.uniform(2.0), mc.Replace()),
    "regression": (None, lambda: mc.sources.linear([1.0, 2.0], noise=0.5), mc.Replace()),
    "tempered": (mc.families.Tempered(mc.Discrete(), 0.9), lambda: mc.categorical([0.2, 0.8]), mc.Replace()),
    "switch": (mc.Discrete(), lambda: mc.categorical([0.2, 0.8]),
               mc.regimes.Switch(mc.Replace(), mc.FreshReal(1.0), 3)),
    "schedule": (mc.Discrete(), lambda: mc.categorical([0.2, 0.8]), mc.FreshReal([0.0, 0.1, 0.2])),
}  # fmt: skip


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("bits", [32, 64])
def test_parts_come_back_with_the_same_content(kind: str, bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    family, make, regime = FAMILIES[kind]
    dtype = {"dtype": f"float{bits}"}
    with jax.enable_x64(bits == 64):
        source = make()
        family = source.family if family is None else family
        run = told(family=family, source=source, regime=regime, provenance={**runs.words().provenance, **dtype})
    found = recipe.recipe(run)
    assert found.missing == ()
    monkeypatch.setattr(mc, "simulate", lambda *parts, **options: (parts, options))
    parts, options = execute(found.code)  # type: ignore[misc]
    for part, again in zip((family, source, regime), parts, strict=True):
        assert serial.content_hash(part) == serial.content_hash(again), found.code
    assert options["observe"] == ["heterozygosity", "support_size"]
    assert options["seed"] == 0


@pytest.mark.parametrize("bits", [32, 64])
def test_sources_whose_numbers_have_no_short_decimals_come_back(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with jax.enable_x64(bits == 64):
        sources = [mc.normal(0.1, variance) for variance in (1 / 3, 2 / 3, 1 / 7, 0.1)]
        sources += [mc.normal([1 / 3, 0], [[1 / 3, 0.1], [0.1, 1 / 7]]), mc.categorical([1 / 3] * 3)]
        sources += [mc.categorical({"a": 1 / 3, 2: 1 / 6, ("b", 1): 1 / 2}), mc.table([[1 / 3, 0.1], [2 / 3, 1 / 7]])]
        sources += [mc.categorical({np.int64(1): 1 / 3, 2.5: 2 / 3})]
    provenance = {**runs.words().provenance, "dtype": f"float{bits}"}
    monkeypatch.setattr(mc, "simulate", lambda *parts, **options: parts)
    for source in sources:
        found = recipe.recipe(told(source=source, provenance=provenance))
        assert found.missing == ()
        assert serial.content_hash(execute(found.code)[1]) == serial.content_hash(source), found.code  # type: ignore[index]


def test_what_cannot_be_written_is_said() -> None:
    words = recipe.recipe(models())
    assert "mc.simulate_models(" in words.code
    assert any("middle" in sentence and "left out" in sentence for sentence in words.missing)
    large = recipe.recipe(told(source=mc.table(np.arange(1000.0)[:, None])))
    assert "source = ..." in large.code
    assert "array of 1000 numbers" in large.missing[0]
    elsewhere = recipe.recipe(told(observables={"f": Read(local)}))
    assert any("not a part of modelcollapse" in sentence for sentence in elsewhere.missing)
    unknown = recipe.recipe(told(observables={"f": Read(serial.Unresolved("lost:f"))}))
    assert any("left out" in sentence for sentence in unknown.missing)
    assert any("ChainFailure" in sentence for sentence in recipe.recipe(failed()).missing)


def test_seeds_of_every_kind_come_back() -> None:
    for seed in (7, 2**70, [1, 2], np.random.SeedSequence(5, spawn_key=(2,)), jax.random.key(3)):
        run = runs.walk(seed)
        line = next(line for line in recipe.recipe(run).code.splitlines() if "seed=" in line)
        again = eval(line.strip().removeprefix("seed=").removesuffix(","), {"np": np, "jnp": jnp, "jax": jax})
        np.testing.assert_array_equal(runs.walk(again).key, run.key)


def test_a_loaded_run_with_unknown_functions_has_a_page(tmp_path: Path) -> None:
    run = runs.words()
    unknown = Read(serial.Unresolved("gone.module:f"))
    lost = dataclasses.replace(
        run, observables={**run.observables, "f": unknown}, trace={**run.trace, "f": run["heterozygosity"]}
    )
    page = read(lost)
    assert "No closed form is known here for f." in page.text


def test_the_command_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.npz"
    runs.words().save(file)
    assert main(["report", str(file)]) == 0
    written = (tmp_path / "run.html").read_text("utf-8")
    assert rows_of(Page(written), "do they agree?") == rows_of(read(runs.words()), "do they agree?")
    assert main(["report", str(file), "-o", str(tmp_path / "other.html")]) == 0
    assert (tmp_path / "other.html").read_text("utf-8") == written
    capsys.readouterr()
    assert main(["report", str(file), "-o", "-"]) == 0
    assert capsys.readouterr().out == written
    assert main(["report", str(file), "--cite"]) == 0
    assert capsys.readouterr().out == runs.words().cite().bibtex()
    for also in ([], ["--cite"]):
        assert main(["report", str(file), "--json", *also]) == 0
        content = json.loads(capsys.readouterr().out)
        assert [one["key"] for one in content["references"]] == [one.key for one in runs.words().cite()]
        assert content.get("page") == (None if also else str(tmp_path / "run.html"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.npz"], "nothing.npz"),
        (["run.npz", "-o", "no/such/folder/x.html"], "the folder of no/such/folder/x.html does not exist"),
        (["text.npz"], "is not a saved run"),
        (["run.npz", "-o", "-", "--json"], "choose one"),
    ],
)
def test_the_command_says_what_is_wrong(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs.words().save(tmp_path / "run.npz")
    (tmp_path / "text.npz").write_text("no run")
    monkeypatch.chdir(tmp_path)
    assert main(["report", *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_only_runs_have_a_page(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"run must be a Run, as simulate returns it or Run\.load reads it, got dict"):
        report.write({}, tmp_path / "x.html")  # type: ignore[arg-type]
    with pytest.raises((OSError, ValueError)):
        report.write(runs.words(), tmp_path)
    assert not json.loads(json.dumps(list(tmp_path.iterdir())))


def test_entries_that_look_alike_are_told_apart() -> None:
    source = mc.counts({1: 5, "1": 5})
    run = mc.simulate(mc.Discrete(), source, observe="probabilities", size=12, generations=1, chains=2)
    assert [compared.entry(run, "probabilities", (i,)) for i in range(2)] == ["0", "1"]
