"""Generation 0 is a fit already: what is predicted there is exact by counting pairs of draws, under every regime."""

import pytest

import modelcollapse as mc

SIZE = 5
REGIMES = (
    mc.Replace(),
    mc.Accumulate(),
    mc.FreshReal(0.4),
    mc.FixedReal(0.4),
    mc.Retain(0.4),
    mc.Mixture(0.5, 0.2, 0.3),
    mc.AccumulateSubsample(),
    mc.Switch(mc.Replace(), mc.FreshReal(1.0), 3),
)


@pytest.mark.parametrize("regime", REGIMES, ids=lambda regime: type(regime).__name__)
def test_the_first_fit_of_counts(regime):
    observe = ["heterozygosity", "chi_square"]
    known = mc.predictions(mc.Discrete(), mc.categorical([0.5, 0.3, 0.2]), regime, observe, size=SIZE, generations=0)
    # two of five draws are one draw with probability 1/5; (K - 1)/M for three states
    exact = {"heterozygosity": 0.62 * (1 - 1 / SIZE), "chi_square": 2 / SIZE}
    assert {p.observable: float(p.values[0]) for p in known} == pytest.approx(exact)


def test_the_first_fit_of_a_normal_law():
    (known,) = mc.predictions(mc.Gaussian(ddof=0), mc.normal(), observe="squared_mean_error", size=20, generations=1)
    assert float(known.values[0]) == pytest.approx(1 / 20)


def test_a_default_run_says_the_same():
    law = mc.categorical([0.5, 0.3, 0.15, 0.05])
    run = mc.simulate(mc.Discrete(), law, observe=["heterozygosity", "chi_square"], size=10, generations=1, chains=2)
    found = {p.observable: float(p.values[0]) for p in run.predict()}
    assert found == pytest.approx({"heterozygosity": 0.635 * 0.9, "chi_square": 0.3}, rel=1e-6)
