"""Curation with real data and with several rewards, against iteration, densities and the conditions of a maximum."""

import itertools

import numpy as np
import pytest

from modelcollapse_theory import NotCovered, curation, selection

LAW = np.array([0.1, 0.2, 0.3, 0.4])
REWARD = np.array([1.0, 0.0, 0.3, -2.0])


def test_weak_curation_is_of_first_order():
    for k in (2, 3, 7):
        gaps = []
        for scale in (1e-2, 5e-3):
            step = curation.weak_choice(LAW, scale * REWARD, k)
            gaps.append(np.abs(step - selection.curated(LAW, scale * REWARD, k)).max())
            # strength 1 for every k is the near miss
            if k == 2:
                full = LAW * (1 + scale * (REWARD - LAW @ REWARD))
                assert np.abs(full - selection.curated(LAW, scale * REWARD, k)).max() > 50 * gaps[-1]
        assert gaps[1] < 0.26 * gaps[0]  # like r^2, and like r^3 for k = 2
    with pytest.raises(NotCovered, match="reward"):
        curation.weak_choice(LAW, 100 * REWARD)


@pytest.mark.parametrize("reward", [[1.0, 0.0, 0.3, -2.0], [1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
def test_best_of_some_draws(reward):
    """Over all draws; equals have equal chances."""
    for k in (1, 2, 4):
        expected = np.zeros(4)
        for draw in itertools.product(range(4), repeat=k):
            best = [i for i in draw if reward[i] == max(reward[j] for j in draw)]
            for i in best:
                expected[i] += np.prod(LAW[list(draw)]) / len(best)
        assert curation.best_choice(LAW, reward, k) == pytest.approx(expected, rel=1e-12)
    assert curation.best_choice([0.0, 0.5, 0.5], [9.0, 1.0, 0.0], 10**6) == pytest.approx([0, 1, 0])


@pytest.mark.parametrize("g", [0.02, 0.3, 0.9, 1.0])
def test_house_of_cards(g):
    p = LAW
    for _ in range(3_000):
        p = (1 - g) * selection.tilted(p, REWARD, 1) + g * LAW
    found, log_mean = curation.house_of_cards(LAW, REWARD, g)
    assert found == pytest.approx(p, abs=1e-12)
    assert log_mean == pytest.approx(np.log(p @ np.exp(REWARD)))
    # a state without real data stays away, whatever its reward
    assert curation.house_of_cards([*LAW, 0.0], [*REWARD, 9.0], g)[0] == pytest.approx([*p, 0])


def test_condensation():
    """Fitness uniform on a fine grid, truth of density 3 (1 - w)^2, that is Beta(1, 3): E 1/(1 - w) = 3/2."""
    cells = 20_000
    w = (np.arange(cells) + 0.5) / cells
    p0 = 3 * (1 - w) ** 2 / (3 * (1 - w) ** 2).sum()
    assert (p0 / (1 - w)).sum() == pytest.approx(1.5, rel=1e-6)
    for g in (0.3, 0.5, 0.8):
        p, log_mean = curation.house_of_cards(p0, np.log(w), g)
        share = float(curation.condensed_share(g, 1.5))
        assert p[w > 0.999].sum() == pytest.approx(share, abs=2e-3)
        assert (np.exp(log_mean) == pytest.approx(1 - g, rel=1e-3)) == (share > 0)
    # a truth with an atom on top has no condensate beyond it
    assert curation.condensed_share([0.3, 1.0], 1e9) == pytest.approx([0, 0])


@pytest.mark.parametrize("rewards", [1, 2, 3, 5])
def test_several_rewards_end_at_the_nash_product(rewards):
    random = np.random.default_rng(rewards)
    states = 40
    r, pi = random.normal(size=(rewards, states)), random.dirichlet(np.ones(rewards))
    p0 = random.dirichlet(np.ones(states))
    w = np.exp(r)
    found = curation.nash(p0, r, pi)
    # the conditions of Kuhn and Tucker
    scores = pi @ (w / (w @ found)[:, None])
    assert scores.max() <= 1 + 1e-10
    assert scores[found > 1e-9] == pytest.approx(1, abs=1e-8)
    assert (found > 1e-9).sum() <= rewards
    # the map climbs all the way, and ends there
    steps = [curation.plural(p0, r, pi, n) for n in (0, 1, 2, 5, 50, 500, 20_000)]
    welfare = [pi @ np.log(w @ p) for p in steps]
    assert np.all(np.diff(welfare) >= -1e-14)
    assert welfare[-1] == pytest.approx(pi @ np.log(w @ found), abs=1e-6)
    # the sum of rewards, not their product, is the near miss
    if rewards > 1:
        assert pi @ np.log(w @ np.eye(states)[(pi @ w).argmax()]) < pi @ np.log(w @ found) - 1e-5


def test_one_reward_tilts():
    assert curation.plural(LAW, [REWARD], [1.0], 3) == pytest.approx(selection.tilted(LAW, REWARD, 3))
    assert curation.nash(LAW, [REWARD], [1.0]) == pytest.approx([1, 0, 0, 0])
    # two states, each with its own judge: shares of the picks are shares of the law
    assert curation.nash([0.5, 0.5], [[5.0, 0.0], [0.0, 5.0]], [0.7, 0.3]) == pytest.approx([0.7, 0.3], abs=5e-3)
    # a state that is not there wins nothing
    assert curation.nash([0.5, 0.5, 0.0], [[1.0, 0.0, 9.0]], [1.0]) == pytest.approx([1, 0, 0])


def test_bad_arguments_are_named():
    for call, name in [
        (lambda: curation.weak_choice(LAW, [1.0]), "reward"),
        (lambda: curation.house_of_cards(LAW, REWARD, 0.0), "share"),
        (lambda: curation.house_of_cards(LAW, 300 * REWARD, 0.1), "reward"),
        (lambda: curation.condensed_share(0.1, 0.5), "inverse_gap"),
        (lambda: curation.nash(LAW, [REWARD], [0.5, 0.5]), "rewards"),
        (lambda: curation.plural(LAW, [REWARD], [1.5], 3), "shares"),
    ]:
        with pytest.raises(ValueError, match=name):
            call()
