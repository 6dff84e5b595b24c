"""Observables are what their names say, also where laws are extreme."""

import dataclasses
from collections.abc import Callable
from typing import Any

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy import special, stats
from toys import place

import modelcollapse as mc
from modelcollapse import observables as ob
from modelcollapse.families.gaussian import Normal
from modelcollapse.families.kde import Kernels
from modelcollapse.families.mixture import NormalMixture
from modelcollapse.location import InPlace
from modelcollapse.protocols import marks
from modelcollapse.pytree import part

P, Q = jnp.array([0.5, 0.0, 0.2, 0.3, 0.0]), jnp.array([0.4, 0.1, 0.3, 0.2, 0.0])


def test_divergences_and_indices_of_discrete_laws() -> None:
    p, q = np.asarray(P), np.asarray(Q)
    assert float(ob.entropy(P)) == pytest.approx(stats.entropy(p), rel=1e-14)
    assert float(ob.kl_divergence(P, Q)) == pytest.approx(special.rel_entr(p, q).sum(), rel=1e-14)
    assert float(ob.kl_divergence(Q, P)) == np.inf
    assert float(ob.total_variation(P, Q)) == pytest.approx(np.maximum(p - q, 0).sum(), rel=1e-14)
    assert float(ob.chi_square(P, Q)) == pytest.approx(0.01 / 0.4 + 0.1 + 0.01 / 0.3 + 0.01 / 0.2, rel=1e-14)
    assert float(ob.heterozygosity(P)) == pytest.approx(1 - p @ p, rel=1e-14)
    assert int(ob.support_size(P)) == 3
    assert int(ob.support_size(jnp.stack([P, P]))) == 6
    np.testing.assert_array_equal(ob.lost(P, Q), [False, True, False, False, False])
    assert not ob.absorbed(P)
    assert ob.absorbed(jnp.array([0.0, 1.0]))
    np.testing.assert_array_equal(ob.probabilities(P), P)


def test_indices_are_exact_at_absorption() -> None:
    delta = jnp.array([0.0, 1.0, 0.0])
    for value in (ob.heterozygosity(delta), ob.entropy(delta), ob.kl_divergence(delta, delta)):
        assert float(value) == 0


@hypothesis.settings(max_examples=20)
@hypothesis.given(
    p=st.lists(st.integers(0, 9), min_size=5, max_size=5).filter(any),
    q=st.lists(st.integers(1, 9), min_size=5, max_size=5),
    order=st.permutations(range(5)),
)
def test_indices_do_not_know_the_order_of_states(p: list[int], q: list[int], order: list[int]) -> None:
    law, truth = np.array(p) / sum(p), np.array(q) / sum(q)
    for name in ("entropy", "heterozygosity", "support_size", "absorbed"):
        given = ob.OBSERVABLES[name]
        np.testing.assert_allclose(given(jnp.asarray(law[order])), given(jnp.asarray(law)), rtol=1e-14, atol=1e-15)
    for name in ("kl_divergence", "total_variation", "chi_square"):
        given = ob.OBSERVABLES[name]
        permuted = given(jnp.asarray(law[order]), jnp.asarray(truth[order]))
        np.testing.assert_allclose(permuted, given(jnp.asarray(law), jnp.asarray(truth)), rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(
        ob.lost(jnp.asarray(law[order]), jnp.asarray(truth[order])), (law == 0)[order]
    )  # fmt: skip


def normal(scales: list[float]) -> Normal:
    unit = np.eye(3) + np.tril(np.array([[0, 0, 0], [0.7, 0, 0], [-1.5, 0.2, 0]]))
    return Normal(jnp.array([1.0, -2.0, 0.5]), jnp.asarray(unit), jnp.asarray(scales))


def test_scales_of_a_normal_law() -> None:
    law = normal([0.3, -1.0, 0.1])
    covariance = np.asarray(law.covariance)
    np.testing.assert_allclose(ob.log_variance(law), np.log(np.diag(covariance)), rtol=1e-13)
    np.testing.assert_allclose(ob.standard_deviation(law), np.sqrt(np.diag(covariance)), rtol=1e-13)
    assert float(ob.log_determinant(law)) == pytest.approx(np.linalg.slogdet(covariance)[1], rel=1e-13)
    np.testing.assert_allclose(np.exp(ob.log_pivots(law)), np.diag(np.linalg.cholesky(covariance)) ** 2, rtol=1e-13)
    np.testing.assert_array_equal(ob.mean(law), [1.0, -2.0, 0.5])


def test_scales_far_beyond_the_exponents_of_a_double() -> None:
    law = normal([-1e5, -2e5, -3e5])
    np.testing.assert_allclose(
        ob.log_variance(law), [-2e5, -2e5 + 2 * np.log(0.7), -2e5 + 2 * np.log(1.5)], rtol=0, atol=1e-9
    )
    assert float(ob.log_determinant(law)) == -12e5
    np.testing.assert_array_equal(ob.standard_deviation(law), 0)
    truth = normal([0.0, 0.0, 0.0])
    # a point mass: the squared distance is the trace of the truth and the gap of the means
    assert float(ob.w2_squared(law, truth)) == pytest.approx(np.trace(np.asarray(truth.covariance)), rel=1e-13)


def mixture() -> NormalMixture:
    factors = jnp.array([[[1.0, 0.0], [0.3, 0.5]], [[0.2, 0.0], [0.0, 2.0]]])
    return NormalMixture(jnp.array([0.25, 0.75]), jnp.array([[0.0, 1.0], [2.0, -1.0]]), factors)


def test_scales_of_a_mixture() -> None:
    law = mixture()
    covariance = np.asarray(law.covariance)
    np.testing.assert_allclose(ob.log_variance(law), np.log(np.diag(covariance)), rtol=1e-13)
    assert float(ob.log_determinant(law)) == pytest.approx(np.linalg.slogdet(covariance)[1], rel=1e-13)
    np.testing.assert_allclose(ob.mean(law), [1.5, -0.5])
    assert float(ob.w2_squared(law, law)) == pytest.approx(0, abs=1e-28)
    assert float(ob.l2_squared(law, law)) == pytest.approx(0, abs=1e-15)


def test_distances_to_the_truth() -> None:
    law, truth = normal([0.3, -1.0, 0.1]), Normal(jnp.zeros(3), jnp.eye(3), jnp.zeros(3))
    assert float(ob.squared_mean_error(law, truth)) == pytest.approx(5.25)
    covariance = np.asarray(law.covariance)
    expected = 5.25 + (np.sqrt(np.linalg.eigvalsh(covariance)) - 1).__pow__(2).sum()
    assert float(ob.w2_squared(law, truth)) == pytest.approx(expected, rel=1e-12)


def distance(params: jax.Array, truth: jax.Array) -> jax.Array:
    return jnp.abs(params - truth).max()


def simulate(observe: Any) -> mc.Run:
    source = mc.categorical([0.5, 0.3, 0.15, 0.05])
    return mc.simulate(mc.Discrete(), source, observe=observe, size=8, generations=6, chains=9)


@pytest.fixture(scope="module")
def run() -> mc.Run:
    observe = {
        "p": "probabilities", "h": "heterozygosity", "tv": "total_variation", "gone": "lost", "distance": distance,
        "named": mc.tail_mass([1, 3]), "rare": mc.tail_mass(below=0.2),
        "first": mc.first_below("heterozygosity", 0.5), "far": mc.first_below(lambda p: -p.max(), -0.9),
    }  # fmt: skip
    return simulate(observe)


def test_tails_by_states_and_by_threshold(run: mc.Run) -> None:
    p = run["p"]
    np.testing.assert_allclose(run["named"], p[..., 1] + p[..., 3], rtol=1e-15)
    np.testing.assert_allclose(run["rare"], p[..., 2] + p[..., 3], rtol=1e-15)
    np.testing.assert_array_equal(run["gone"], p == 0)


def test_first_times_look_at_every_generation_and_stay(run: mc.Run) -> None:
    for name, below in (("first", run["h"] < 0.5), ("far", run["p"].max(-1) > 0.9)):
        expected = np.where(below.any(1), below.argmax(1), np.inf)
        # known from the moment on, infinite before
        for now in range(7):
            np.testing.assert_array_equal(run[name][:, now], np.where(expected <= now, expected, np.inf))
        assert len(set(expected)) > 2


def test_a_function_of_the_users_own(run: mc.Run) -> None:
    np.testing.assert_allclose(run["distance"], np.abs(run["p"] - [0.5, 0.3, 0.15, 0.05]).max(-1), rtol=1e-13)
    assert (run["distance"] <= 2 * run["tv"] + 1e-15).all()


def test_first_below_needs_one_number() -> None:
    with pytest.raises(ValueError, match=r"needs an observable that is one number, got shape \(4,\)"):
        simulate({"x": mc.first_below("probabilities", 0.5)})


@pytest.mark.parametrize(
    ("observe", "names"),
    [
        ("entropy", ["entropy"]),
        (place, ["place"]),
        ([distance, "total_variation"], ["distance", "total_variation"]),
        ([place, "entropy"], ["place", "entropy"]),
        ({"x": "entropy"}, ["x"]),
        (mc.absorption_time(), ["FirstTime"]),
        (mc.tail_mass([0]), ["Tail"]),
    ],
)
def test_names(observe: Any, names: list[str]) -> None:
    assert list(ob.named(observe)) == names


def test_every_named_observable_has_a_unit_and_only_dimensions_that_it_has() -> None:
    for name, given in ob.OBSERVABLES.items():
        said = marks(given)
        assert said.units, name
        assert isinstance(said.dims, tuple), name
    units = {name: marks(ob.OBSERVABLES[name]).units for name in ("entropy", "support_size", "absorption_time", "mean")}
    assert units == {"entropy": "nats", "support_size": "states", "absorption_time": "generations", "mean": "1"}


def bits(params: jax.Array) -> jax.Array:
    return jax.scipy.special.entr(params) / np.log(2)


bits.units, bits.dims, bits.unlabelled = "bits", ("word",), True  # type: ignore[attr-defined]


@part
class Marked:
    """An observable that says everything of itself that there is to say."""

    units, dims = "bits", ("word",)
    settles = unlabelled = needs_truth = needs_data = True
    shifts = False

    def start(self, truth: Any, first: Any) -> tuple:
        return ()

    def update(self, carry: tuple, state: Any, truth: Any) -> tuple:
        return carry

    def read(self, carry: tuple, state: Any, truth: Any) -> jax.Array:
        return state.params.sum()


def test_units_and_dimensions_of_ones_own_go_with_the_observable() -> None:
    pytest.importorskip("xarray")
    observe = {"own": bits, "field": mc.of("frequencies", bits), "entropy": lambda p: p.frequencies.sum()}
    rows = np.column_stack([np.linspace(0, 1, 12), np.repeat([0.0, 1.0], 6)])
    run = mc.simulate(
        mc.Conditional(mc.GaussianMean(), 2), mc.table(rows), observe=observe | {"own": lambda p: bits(p.frequencies)},
        size=8, generations=1, chains=2,
    )  # fmt: skip
    found = run.to_dataset()
    assert found["field"].attrs == {"units": "bits"}
    assert found["field"].dims == ("chain", "generation", "word")
    assert found["own"].attrs == found["entropy"].attrs == {}


# wrapper -> what it says of an observable that says everything, and of one that moves with the rows
WRAPPERS: dict[str, tuple[Callable[[Any], Any], dict[str, Any], dict[str, Any]]] = {
    "as it is": (lambda o: o, {}, {"shifts": True}),
    "of a field": (lambda o: mc.of("field", o), {"unlabelled": False, "shifts": None}, {"shifts": None}),
    "a threshold": (lambda o: ob.Below(o, 0.5), {"units": "", "dims": ()}, {"shifts": None}),
    "a first time": (ob.FirstTime, {"units": "generations", "dims": ()}, {"shifts": None}),
    "a first time below": (lambda o: mc.first_below(o, 1), {"units": "generations", "dims": ()}, {"shifts": None}),
    "in place": (lambda o: InPlace(o, jnp.zeros(1)), {"shifts": None}, {"shifts": None}),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrappers_pass_on_what_an_observable_says_of_itself(wrapper: str) -> None:
    wrap, changes, moved = WRAPPERS[wrapper]
    assert marks(wrap(Marked())) == dataclasses.replace(marks(Marked()), **changes)
    assert {"shifts": marks(wrap(ob.as_observable("mean"))).shifts} == moved
    # once more around: nothing is lost on the way
    twice = marks(ob.FirstTime(wrap(Marked())))
    assert (twice.settles, twice.needs_truth, twice.needs_data) == (True, True, True)
    assert marks(wrap(ob.as_observable(bits))).needs_data is False


def test_the_wasserstein_distance_of_a_kernel_density_is_that_of_the_whole_density() -> None:
    law = Kernels(jnp.array([[0.0], [2.0], [4.0]]), jnp.int32(3), jnp.array([[0.1]]))
    truth = mc.normal(2.0, 1.0).params
    # the variance of three points and of a kernel, not of a kernel alone
    expected = (np.sqrt(8 / 3 + 0.01) - 1) ** 2
    assert float(ob.w2_squared(law, truth)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("given", [ob.FirstTime(ob.absorbed), ob.FirstTime(ob.as_observable("absorbed"))])
def test_first_times_take_functions(given: Any) -> None:
    read = simulate({"x": given, "named": "absorption_time"})
    np.testing.assert_array_equal(read["x"], read["named"])


@part
class Pool:
    """How many items the regime remembers."""

    def start(self, truth: Any, first: Any) -> tuple:
        return ()

    def update(self, carry: tuple, state: Any, truth: Any) -> tuple:
        return carry

    def read(self, carry: tuple, state: Any, truth: Any) -> jax.Array:
        return state.memory.size


@part
class Drawn(Pool):
    """How often each state is in the data set that the generation was fitted to, ``(K,)``."""

    needs_data = True

    def read(self, carry: tuple, state: Any, truth: Any) -> jax.Array:
        return state.data.n


def test_an_observable_sees_the_memory_of_the_regime() -> None:
    run = mc.simulate(
        mc.Discrete(), mc.categorical([0.5, 0.5]), mc.Accumulate(), {"pool": Pool()}, size=8, generations=4, chains=2
    )
    np.testing.assert_array_equal(run["pool"], np.tile(8 * np.arange(1, 6), (2, 1)))


@pytest.mark.parametrize("regime", [mc.Replace(), mc.FreshReal(0.5)])
def test_an_observable_may_ask_for_the_data_set_of_the_generation(regime: Any) -> None:
    observe = {"p": "probabilities", "drawn": Drawn()}
    run = mc.simulate(
        mc.Discrete(),
        mc.categorical([0.5, 0.3, 0.2]),
        regime,
        observe,
        size=8,
        generations=4,
        chains=3,
        record=[0, 2, 4],
    )
    np.testing.assert_array_equal(run["drawn"].sum(-1), np.full((3, 3), 8))
    np.testing.assert_allclose(run["drawn"], 8 * run["p"], rtol=1e-12)
