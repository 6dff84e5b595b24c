"""What the command line prints and what figures draw beside a run are the exact numbers of that run."""

import re
from fractions import Fraction as F

import numpy as np
import pytest
from exact_values import Ends, Gaussians, States, Trials
from scipy.special import entr, kv
from scipy.stats import binom, chi2

import modelcollapse as mc
from modelcollapse.__main__ import main

THREE = States((F(1, 2), F(3, 8), F(1, 8)))
SIZE, FITS = 4, 3
PRINTED = re.compile(r"mean (\w+) (=|>=|<=) (\[?[-\d.e+, ]+\]?) at generation (\d+)")

# the options of `modelcollapse simulate`, the process that they stand for, its regime, what must be predicted
COMMANDS = {
    "--family discrete --probabilities 0.5,0.375,0.125 --observe heterozygosity --observe chi_square "
    "--observe support_size --observe entropy": (THREE, mc.Replace(), 4),
    "--family discrete --probabilities 4,3,1 --regime accumulate --observe heterozygosity --observe support_size": (
        THREE,
        mc.Accumulate(),
        2,
    ),
    "--family gaussian --ddof 0 --normal 2,4 --observe squared_mean_error --observe log_variance "
    "--observe w2_squared": (
        Gaussians((2.0,), ((4.0,),), 0),
        mc.Replace(),
        3,
    ),
    "--family bernoulli --parameter 0.25": (
        Trials(mc.Binomial, lambda: mc.bernoulli(0.25), F(1, 4), (F(0), F(1), F(-1))),
        mc.Replace(),
        2,
    ),
    "--family uniform --parameter 2": (Ends(2.0, "mle"), mc.Replace(), 1),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_simulate_prints_what_is_exact_at_the_generation_that_it_names(command, capsys):
    process, regime, count = COMMANDS[command]
    rest = f"--size {SIZE} --generations {FITS - 1} --chains 2 --quiet"
    assert main(["simulate", *command.split(), *rest.split()]) == 0
    exact = process.values(regime, [SIZE] * FITS)
    found = PRINTED.findall(capsys.readouterr().out)
    assert len(found) == count
    for name, relation, text, generation in found:
        assert relation == "="
        values = [float(x) for x in text.strip("[]").split(",")]
        np.testing.assert_allclose(values, np.ravel(exact[name][int(generation)]), rtol=1e-5)
        assert int(generation) == FITS - 1


def test_an_overview_draws_the_closed_form_through_the_exact_values():
    plot = pytest.importorskip("modelcollapse.plot")
    family, source = THREE.make()
    run = mc.simulate(family, source, None, ["heterozygosity", "chi_square"], size=SIZE, generations=FITS - 1, chains=2)
    exact = THREE.values(mc.Replace(), [SIZE] * FITS)
    assert {p.observable for p in run.predict()} == set(run.trace)
    figure = plot.overview(run)
    for axes, name in zip(figure.axes, run.trace, strict=False):
        drawn = [line for line in axes.lines if "closed form" in str(line.get_label())]
        assert len(drawn) == 1, name
        at = np.asarray(drawn[0].get_xdata(), np.int64)
        np.testing.assert_allclose(drawn[0].get_ydata(), exact[name][at], rtol=1e-9)
        assert set(at) == set(range(FITS))


# --- the planner -----------------------------------------------------------------------------------------------------


def mean_of(read, chances, size, fits, fresh=0.0):
    """sum over states of E read(X_n / M), each count binomial with the share x of the last, ``fresh`` of it real."""
    share = np.arange(size + 1) / size
    out = 0.0
    for p in chances:
        later = read(share)
        for _ in range(fits - 1):
            later = binom.pmf(np.arange(size + 1)[None], size, (fresh * p + (1 - fresh) * share)[:, None]) @ later
        out += binom.pmf(np.arange(size + 1), size, p) @ later
    return out


def lost(x):
    return (x == 0).astype(float)


def there(x):
    return 1 - lost(x)


def kept_in_a_pool(batch):
    """Of heterozygosity, for ever, by its product; what lies beyond a million batches is 1 - 1e-6 / M."""
    return np.prod(1 - 1 / (batch * np.arange(1.0, 1e6) ** 2)) * (1 - 1e-6 / batch)


def sunk(size, fits):
    """P(the variance is below its half), at 2 draws and one fit or 3 draws, where a step is exponential."""
    if size == 2:
        assert fits == 1
        return chi2.cdf(0.5, 1)
    return {1: 1 - np.exp(-0.5), 2: 1 - 2 * np.sqrt(0.5) * kv(1, 2 * np.sqrt(0.5))}[fits]


def words_left(share):
    """exp(entropy) of the limit of p' = (1-g) p^(1/tau)/Z + g p0, three Zipf words at tau = 0.9, from the truth."""
    p = ZIPF3
    for _ in range(2_000):
        q = p ** (1 / 0.9)
        p = (1 - share) * q / q.sum() + share * ZIPF3
    return np.exp(entr(p).sum())


ZIPF2, ZIPF3 = np.array([2, 1]) / 3, np.array([6, 3, 2]) / 11
# the question, what is printed at the answer as a function of it, whether it falls with the answer, and the demand
QUESTIONS = {
    "sample-size --probability 0.1 --fits 3 --failure 0.05": (lambda m: mean_of(lost, [0.1], int(m), 3), "falls", 0.05),
    "half-life --of heterozygosity --size 5": (lambda n: (1 - 1 / 5) ** n, "falls", 0.5),
    "half-life --of entropy --size 6 --zipf 2": (
        lambda n: mean_of(entr, ZIPF2, 6, int(n)), "falls", entr(ZIPF2).sum() / 2,
    ),
    "half-life --of vocabulary --size 6 --zipf 3": (lambda n: mean_of(there, ZIPF3, 6, int(n)), "falls", 1.5),
    "half-life --of variance --size 2": (lambda n: sunk(2, int(n)), "rises", 0.5),
    "half-life --of variance --size 3": (lambda n: sunk(3, int(n)), "rises", 0.5),
    "batch --kept 0.62": (kept_in_a_pool, "rises", 0.62),
    "temperature --temperature 0.9 --effective 2 --zipf 3": (words_left, "rises", 2.0),
    "real-share --probability 0.1 --size 40 --failure 0.1 --fits 6": (
        lambda g: mean_of(lost, [0.1], 40, 6, g), "falls", 0.1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_planner_prints_what_is_exact_at_its_answer_and_beside_it(question, capsys):
    exact, direction, demand = QUESTIONS[question]
    assert main(["plan", *question.split()]) == 0
    lines = capsys.readouterr().out.splitlines()
    answer = float(lines[0].split(":")[1].split()[0])
    np.testing.assert_allclose(float(lines[1].split()[-1]), exact(answer), rtol=2e-4)
    met = (lambda x: x <= demand * (1 + 1e-4)) if direction == "falls" else (lambda x: x >= demand * (1 - 1e-4))
    assert met(exact(answer))
    beside = re.fullmatch(r"\s+at ([\d.e+-]+):\s+([\d.e+-]+)", lines[2])
    if beside:
        aside = float(beside[1])
        if aside > 0:
            np.testing.assert_allclose(float(beside[2]), exact(aside), rtol=2e-4)
            assert not met(exact(aside)) or "share" in question or "temperature" in question
    else:
        assert "real-share" in question or answer == 1
