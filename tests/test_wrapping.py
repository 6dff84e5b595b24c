"""A wrapping family has exactly the abilities that it should: one table of wrappers, families within and abilities."""

import copy
import dataclasses
import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse import families, protocols, serial
from modelcollapse.data import Counts, Rows
from modelcollapse.families.wrapping import OutputWrapper, Wrapper, inherits
from modelcollapse.laws import Law, law_of, outcome
from modelcollapse.protocols import Blends, Checks, KeepsRows, Limits, Mixes, Observed, Projects, Rests, SeesLaws, Works
from modelcollapse.pytree import part, static

ABILITIES = {
    name: getattr(protocols, name)
    for name in (
        "Bounded", "Blends", "ByRows", "Checks", "Continues", "DrawsMany", "Equivariant", "GivesOut", "Informed", "KeepsRows", "Labours",
        "Limits", "Mixes", "NeedsItems", "Observed", "OfKind", "PredictsTokens", "Projects", "Rests", "SeesLaws", "Validates", "Works",
    )
}  # fmt: skip


@part
class Tempered(OutputWrapper):
    """Draws of a discrete model at a temperature: probabilities to the power 1 / temperature."""

    family: Any
    temperature: Any

    def altered(self, law: Law) -> Law:
        weights = law.params ** (1 / jnp.asarray(self.temperature, law.params.dtype))
        return Law(law.family, weights / weights.sum())


@part
class Preferred(OutputWrapper):
    """Draws of a discrete model by a vector of scores, one for each state."""

    family: Any
    scores: jax.Array  # (K,)

    def altered(self, law: Law) -> Law:
        weights = law.params * self.scores
        return Law(law.family, weights / weights.sum())


@part
class Words:
    """Token rows ``(n, 2)`` int32: a first word by its frequency, and the word that follows it. Parameters: weights
    ``(K, K)``.
    """

    words: int = static()

    data = Rows

    def draw(self, key: jax.Array, params: jax.Array, n: Any, capacity: int, given: Rows | None = None) -> Rows:
        return self.draw_rows(key, params, n, capacity, given)

    def draw_rows(self, key: jax.Array, params: jax.Array, n: Any, capacity: int, given: Rows | None = None) -> Rows:
        if given is None:
            first = jax.random.categorical(jax.random.fold_in(key, 0), jnp.log(params.sum(1)), shape=(capacity,))
        else:
            first = given.points[:capacity, 0]
        following = jax.random.categorical(jax.random.fold_in(key, 1), jnp.log(params)[first])
        first, following = (word.astype(jnp.int32) for word in (first, following))
        return Rows(jnp.stack([first, following], 1), jnp.asarray(n, jnp.int32))

    def continued_rows(self, rows: Rows) -> Rows:
        return Rows(rows.points[:, :1], rows.count)

    @property
    def vocabulary(self) -> int:
        return self.words

    def log_probabilities(self, params: jax.Array, blocks: jax.Array) -> jax.Array:
        return jnp.log(params / params.sum(1, keepdims=True))[blocks[:, :-1], blocks[:, 1:]]

    def summarise(self, rows: Rows) -> Rows:
        return rows

    def fit(self, key: jax.Array, data: Rows, previous: jax.Array | None) -> jax.Array:
        first, following = data.points.T
        counts = jnp.zeros((self.words, self.words)).at[first, following].add(data.present.astype(float))
        return counts / counts.sum()


@part
class Odd:
    """A family with abilities of every kind that no family of the package has together."""

    data = Counts
    deterministic = True
    bounded = True
    equivariant = True
    default_observables = ("probabilities",)

    def draw(self, key: jax.Array, params: Any, n: Any, capacity: int) -> Counts:
        return Counts(jnp.zeros(2, jnp.int32))

    def draw_rows(self, key: jax.Array, params: Any, n: Any, capacity: int) -> Rows:
        return Rows(jnp.zeros(capacity, jnp.int32), jnp.int32(n))

    def summarise(self, rows: Rows) -> Counts:
        return Counts(jnp.zeros(2, jnp.int32))

    def fit(self, key: jax.Array, data: Counts, previous: Any) -> Any:
        return jnp.ones(2) / 2

    def population(self, law: Any, n: Any) -> Counts:
        return Counts(jnp.zeros(2, jnp.int32))

    def valid(self, params: Any) -> jax.Array:
        return jnp.bool_(True)

    def with_room(self, params: Any, capacity: int) -> Any:
        return params

    def at_rest(self, params: Any) -> jax.Array:
        return jnp.bool_(True)

    def limit(self, source: Any) -> Any:
        return jnp.ones(2) / 2


def often(points: jax.Array) -> jax.Array:
    return jnp.full(points.shape[0], 0.5)


INNER: dict[str, Any] = {
    "Discrete": mc.Discrete(3),
    "Gaussian": mc.Gaussian(),
    "GaussianMixture": mc.GaussianMixture(1),
    "KernelDensity": mc.KernelDensity(),
    "Poisson": mc.Poisson(),
    "VAE": mc.VAE(2),
    "Words": Words(3),
    "Odd": Odd(),
    "Exact(Gaussian)": mc.Exact(mc.Gaussian()),
    "Rounded(KernelDensity)": mc.Rounded(mc.KernelDensity()),
    "Tempered(Discrete)": Tempered(mc.Discrete(3), 0.5),
    "Damped(Discrete)": mc.Damped(mc.Discrete(3), 0.5),
    "Truncated(Gaussian)": families.Truncated(mc.Gaussian(), within=2.0),
}
WRAPPERS: dict[str, Any] = {
    "Damped": lambda family: mc.Damped(family, 0.5),
    "Rounded": mc.Rounded,
    "Rounded by law": lambda family: mc.Rounded(family, rows=False),
    "Exact": mc.Exact,
    "Conditional": lambda family: mc.Conditional(family, 2),
    "Tempered": lambda family: Tempered(family, 0.5),
    "Tempered law": lambda family: families.Tempered(family, 0.5),
    "Curated states": lambda family: families.Curated(family, [0.0, 1.0, 2.0]),
    "Verified rows": lambda family: families.Verified(family, accept=often),
    "Noisy": lambda family: families.Noisy(family, 0.5),
    "Posterior": lambda family: families.Posterior(family, 3.0),
    "Posterior items": lambda family: families.Posterior(family, 3.0, per="item"),
    "Shrunk": lambda family: families.Shrunk(family, None, 0.5),
    "Ensemble": lambda family: families.Ensemble(family, 2),
    "Oversampled": lambda family: families.Oversampled(family, 2),
    "Stratified": families.Stratified,
}
ALWAYS = {
    "Exact": {"Checks", "SeesLaws"}, "Conditional": {"Checks", "Projects", "Works"}, "Tempered": {"GivesOut"},
    "Tempered law": {"GivesOut"}, "Curated states": {"GivesOut", "ByRows"}, "Verified rows": {"GivesOut", "ByRows"},
    "Noisy": {"GivesOut", "ByRows"}, "Posterior": {"Checks", "Informed"}, "Posterior items": {"Checks", "Informed"},
    "Shrunk": {"Checks", "Informed"}, "Ensemble": {"Informed"},
}  # fmt: skip
PASSED = {
    "Damped": set(ABILITIES) - {"Limits"},
    "Rounded": {
        "Blends", "Bounded", "ByRows", "Checks", "Continues", "Informed", "KeepsRows", "NeedsItems", "Observed", "Projects",
        "SeesLaws", "Validates", "Works",
    },
    "Exact": {"Blends", "Bounded", "Equivariant", "Informed", "Observed", "OfKind", "Projects", "Validates"},
    "Conditional": {"Bounded", "Informed", "KeepsRows", "Validates"},
    "Tempered": set(ABILITIES) - {"Bounded", "DrawsMany", "Equivariant", "GivesOut"},
}  # fmt: skip
PASSED["Rounded by law"] = PASSED["Rounded"]
PASSED["Tempered law"] = PASSED["Tempered"] | {"Equivariant"}
PASSED["Curated states"] = PASSED["Tempered"] | {"Bounded"}
BY_ROWS = PASSED["Tempered"] - {"Mixes", "Rests", "OfKind", "Continues"}
"""What comes out by rows is no law of the family, and has no mixture and no rest."""
PASSED["Verified rows"] = BY_ROWS | {"Bounded"}
PASSED["Posterior"] = {"Blends", "Mixes", "NeedsItems", "Observed", "OfKind", "Projects", "Works"}
PASSED["Posterior items"] = PASSED["Posterior"]
PASSED["Shrunk"] = PASSED["Posterior"] | {"DrawsMany", "SeesLaws", "Validates"}
PASSED["Ensemble"] = {"Blends", "Checks", "NeedsItems", "Observed", "OfKind", "Projects", "Validates"}
PASSED["Oversampled"] = set(ABILITIES) - {"Continues", "DrawsMany", "GivesOut", "Limits", "Mixes", "SeesLaws"}
PASSED["Stratified"] = {
    "Blends", "Bounded", "Checks", "Informed", "KeepsRows", "NeedsItems", "Observed", "OfKind", "Projects", "Rests",
    "Validates",
}  # fmt: skip
PASSED["Noisy"] = BY_ROWS | {"Equivariant"}
REFUSED = {
    "Damped": lambda family: not isinstance(family, Blends),
    "Rounded": lambda family: isinstance(family, SeesLaws),
    "Exact": lambda family: not isinstance(family, Limits),
    "Conditional": lambda family: isinstance(family, SeesLaws),
    "Tempered law": lambda family: not isinstance(family, protocols.OfKind),
    "Curated states": lambda family: not isinstance(family, protocols.OfKind) or family.kind != "states",
    "Verified rows": lambda family: isinstance(family, protocols.OfKind) and family.kind == "states",
    "Noisy": lambda family: isinstance(family, protocols.OfKind) and family.kind == "states",
    "Posterior": lambda family: type(family) not in (mc.Discrete, mc.Gaussian, mc.Poisson),
    "Posterior items": lambda family: type(family) not in (mc.Discrete, mc.Gaussian),
    "Shrunk": lambda family: type(family) not in (mc.Discrete, mc.Gaussian, mc.Poisson, mc.Exact),
    "Ensemble": lambda family: type(family) not in (mc.Discrete, mc.Gaussian, mc.Poisson),
    "Oversampled": lambda family: isinstance(family, protocols.SeesLaws | protocols.Continues),
    "Stratified": lambda family: family.data is not Counts or isinstance(family, protocols.GivesOut),
}
"""What a wrapper does not take."""


def abilities(family: Any) -> set[str]:
    return {name for name, ability in ABILITIES.items() if isinstance(family, ability)}


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapper_has_what_it_should_and_nothing_else(wrapper: str, inner: str) -> None:
    family = INNER[inner]
    if REFUSED.get(wrapper, lambda family: False)(family):
        with pytest.raises(TypeError):
            WRAPPERS[wrapper](family)
        return
    wrapped = WRAPPERS[wrapper](family)
    expected = (abilities(family) & PASSED[wrapper]) | ALWAYS.get(wrapper, set())
    if wrapper == "Noisy" and isinstance(family, protocols.OfKind):  # of a normal law comes another
        expected |= abilities(family) & PASSED["Tempered"]
    if wrapper == "Posterior items" and inner == "Gaussian":  # its items are t
        expected -= {"OfKind"}
    assert abilities(wrapped) == expected
    assert isinstance(wrapped, protocols.Family)
    # the same after a flight through JAX, with leaves of every kind, and after a copy
    leaves, tree = jax.tree.flatten(wrapped)
    for filled in (leaves, [None] * len(leaves), range(len(leaves)), [object() for _ in leaves]):
        assert abilities(jax.tree.unflatten(tree, filled)) == expected
    assert abilities(dataclasses.replace(wrapped)) == abilities(copy.deepcopy(wrapped)) == expected


def test_no_family_of_a_user_is_taken_for_a_form_of_the_engine() -> None:
    """``law`` is a word of many families."""
    for family in (mc.Poisson(), mc.Gamma(), mc.Pareto(), mc.GaussianMean(), *INNER.values()):
        assert not isinstance(family, protocols.Represents)
        assert all(isinstance(leaf, jax.Array | np.ndarray | float | int) for leaf in jax.tree.leaves(family))


def test_the_table_tells_what_classes_alone_have() -> None:
    """Before an instance has a family within, its class promises nothing."""
    for cls in (mc.Damped, mc.Rounded, Tempered):
        assert not hasattr(cls, "blend")
    assert "blend" in vars(mc.Damped(mc.Gaussian(), 0.5))  # found without ``__getattr__``, as Python 3.12 looks


@pytest.mark.parametrize("leaf", [None, 3, object()], ids=["none", "number", "object"])
def test_a_placeholder_for_a_whole_family_has_no_ability(leaf: Any) -> None:
    _, tree = jax.tree.flatten(mc.Damped(mc.Gaussian(), 0.5), is_leaf=lambda node: isinstance(node, mc.Gaussian))
    assert abilities(jax.tree.unflatten(tree, [leaf, leaf])) == set()


def test_copies_have_methods_of_their_own() -> None:
    family = mc.Rounded(mc.Damped(mc.Gaussian(), 0.5), "bfloat16")
    for one in (
        pickle.loads(pickle.dumps(family)),
        copy.deepcopy(family),
        dataclasses.replace(family, dtype="float16"),
    ):
        assert one.blend.__self__ is one
        assert repr(one).startswith("Rounded(family=Damped(family=Gaussian(ddof=1, divisor=None), rate=0.5)")


CALLS: dict[str, Any] = {
    "Blends": lambda family, params: family.blend(params, params, 0.5),
    "KeepsRows": lambda family, params: family.with_room(params, 20),
    "Validates": lambda family, params: family.valid(params),
    "Rests": lambda family, params: family.at_rest(params),
    "Mixes": lambda family, params: family.mix(
        jnp.ones(2) / 2, jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), params)
    ),
    "GivesOut": lambda family, params: family.given_out(params).params,
}
SOURCES = {
    "Discrete": mc.categorical([0.5, 0.3, 0.2]), "Tempered(Discrete)": mc.categorical([0.5, 0.3, 0.2]),
    "Damped(Discrete)": mc.categorical([0.5, 0.3, 0.2]), "Poisson": mc.poisson(2.0),
}  # fmt: skip
PLANE = mc.normal([0.5, 0.5], [[1.0, 0.2], [0.2, 1.0]])


@pytest.mark.parametrize("wrapper", ["Damped", "Rounded", "Rounded by law", "Exact", "Conditional", "Tempered"])
@pytest.mark.parametrize(
    "inner", ["Discrete", "Gaussian", "KernelDensity", "Poisson", "GaussianMixture", "Damped(Discrete)"]
)
def test_abilities_give_what_their_protocols_say(wrapper: str, inner: str) -> None:
    """By shapes alone: what an ability returns has the structure of the parameters, or is one boolean."""
    family = INNER[inner]
    fits = wrapper != "Conditional" or inner in ("Gaussian", "KernelDensity", "GaussianMixture")
    if (
        REFUSED.get(wrapper, lambda family: False)(family)
        or not fits
        or (wrapper == "Tempered" and "Discrete" not in inner)
    ):
        pytest.skip("refused")
    wrapped = WRAPPERS[wrapper](family)
    source = SOURCES.get(inner, PLANE)
    if wrapper == "Conditional":
        source = mc.table(np.column_stack([np.random.default_rng(0).normal(size=(9, 2)), np.arange(9) % 2]))

    def fitted(key: jax.Array) -> Any:
        data = (
            wrapped.population(source, jnp.int32(10))
            if isinstance(wrapped, SeesLaws)
            else wrapped.summarise(source.draw_rows(key, jnp.int32(10), 10))
        )
        params = wrapped.fit(key, data, None)
        again = wrapped.fit(key, wrapped.draw(key, params, jnp.int32(10), 10), params)
        return (
            params,
            again,
            {name: call(wrapped, params) for name, call in CALLS.items() if name in abilities(wrapped)},
        )

    params, again, found = jax.eval_shape(fitted, jax.random.key(0))
    structure = jax.tree.structure(params)
    assert jax.tree.structure(again) == structure
    for name, value in found.items():
        if name in ("Validates", "Rests"):
            assert (value.shape, value.dtype) == ((), bool)
        elif name == "KeepsRows":
            assert jax.tree.structure(value) == structure
            assert any(20 in leaf.shape for leaf in jax.tree.leaves(value))
        else:
            assert jax.tree.structure(value) == structure
            assert [leaf.shape for leaf in jax.tree.leaves(value)] == [leaf.shape for leaf in jax.tree.leaves(params)]
    batch = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape), leaf.dtype), params)
    if isinstance(wrapped, Works):
        assert wrapped.workspace(batch) >= 0
    if isinstance(wrapped, Observed):
        for name in wrapped.default_observables:
            observable = mc.observables.OBSERVABLES[name]
            assert jax.eval_shape(observable, params).shape is not None


def test_only_a_factor_of_the_covariance_is_one() -> None:
    """Kernels hold a factor of one kernel, which a distance must not take for that of the density."""
    kernels = mc.KernelDensity().fit(jax.random.key(0), Rows(jnp.eye(2), jnp.int32(2)), None)
    assert not isinstance(kernels, protocols.HasFactor)
    assert isinstance(PLANE.params, protocols.HasFactor)
    assert isinstance(PLANE.params, protocols.HasLogVariance)
    assert not isinstance(PLANE.params, protocols.HasVariance)


def test_a_scale_that_rounds_to_0_is_valid() -> None:
    """Whatever the family says of logarithms: those of what is kept are minus infinity."""
    for ddof in (0, 1):
        family, data = mc.Rounded(mc.Gaussian(ddof), "float16"), Rows(jnp.array([[1.5], [1.5]]), jnp.int32(2))
        params = family.fit(jax.random.key(0), data, None)
        assert float(params.factor[0, 0]) == 0
        assert bool(family.valid(params))
        assert not bool(family.valid(dataclasses.replace(params, mean=params.mean + jnp.inf)))


# --- faults of the first state (each fails there) ---


def test_kernel_densities_in_wrappers_keep_all_rows() -> None:
    """Parameters that hold rows need room for the largest pool, also within a wrapper."""
    rows = mc.table(np.column_stack([np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 2]))
    observe = {"mean": lambda params: params.mean}
    run = mc.simulate(
        mc.Rounded(mc.KernelDensity(), "bfloat16"), PLANE, mc.Accumulate(), observe, size=10, generations=2, chains=3
    )
    assert run.params.points.shape == (3, 30, 2)
    for regime, kept in ((mc.Accumulate(), 30), (mc.AccumulateSubsample(), 10)):
        run = mc.simulate(
            mc.Conditional(mc.KernelDensity(), 2), rows, regime, mc.of("frequencies", "heterozygosity"), size=10,
            generations=2, chains=3,
        )  # fmt: skip
        assert run.params.models.points.shape == (3, 2, 30, 2)
        np.testing.assert_array_equal(run.params.models.count.sum(1), kept)


def test_what_no_wrapper_can_do_is_refused_when_it_is_built() -> None:
    with pytest.raises(TypeError, match=r"Rounded\(GaussianMixture\) has no meaningful blend"):
        mc.Damped(mc.Rounded(mc.GaussianMixture(1)), 0.5)
    with pytest.raises(TypeError, match=r"what Damped\(Gaussian\) learns from infinitely many draws is not known"):
        mc.Exact(mc.Damped(mc.Gaussian(), 0.5))
    with pytest.raises(TypeError, match="Conditional needs rows of each class"):
        mc.Conditional(mc.Exact(mc.Gaussian()), 2)


# --- what a model gives out ---

LAW = np.array([0.5, 0.3, 0.2])
HALF = (0.579, 0.268, 0.153)
"""Half of what a model at temperature 0.5 gives out, and half of the truth; tempered as a whole it would be (.657,
.237, .106).
"""


def test_a_mixture_is_one_of_what_comes_out() -> None:
    family, params = Tempered(mc.Discrete(3), 0.5), jnp.asarray(LAW)
    out = outcome(Law(family, params))
    np.testing.assert_allclose(out.params, LAW**2 / (LAW**2).sum(), rtol=1e-14)
    mixed = family.mix(jnp.array([0.5, 0.5]), jnp.stack([out.params, params]))
    np.testing.assert_allclose(mixed, HALF, atol=5e-4)
    # fits are those of the family within
    np.testing.assert_allclose(family.fit(jax.random.key(0), Counts(jnp.array([5, 3, 2], jnp.int32)), None), LAW)
    # as a source, it is the law that comes out; real data of another source stay
    np.testing.assert_allclose(law_of(Law(family, params), mc.Discrete), out.params)
    np.testing.assert_allclose(family.project(mc.categorical(LAW)), LAW)
    np.testing.assert_allclose(outcome(mc.categorical(LAW)).params, LAW)


def test_a_run_mixes_what_comes_out_with_the_truth() -> None:
    """Half of each data set is real and half comes out at temperature 0.5: the law of the second one, not of the first
    fit.
    """
    size, family = 10**8, Tempered(mc.Discrete(3), 0.5)
    for source in (mc.categorical(LAW), Law(Tempered(mc.Discrete(3), 0.5), jnp.sqrt(LAW) / np.sqrt(LAW).sum())):
        run = mc.simulate(family, source, mc.Mixture(0.5, 0, 0.5), "probabilities", size=size, generations=1)
        np.testing.assert_allclose(run["probabilities"][0], [LAW, HALF], atol=7e-4)
    pooled = mc.simulate(family, mc.categorical(LAW), mc.FreshReal(0.5), "probabilities", size=size, generations=1)
    np.testing.assert_allclose(pooled["probabilities"][0], [LAW, HALF], atol=7e-4)


def test_wrappers_within_come_first() -> None:
    both = Tempered(Preferred(mc.Discrete(3), jnp.array([1.0, 2.0, 1.0])), 0.5)
    weights = (LAW * [1.0, 2.0, 1.0]) ** 2
    np.testing.assert_allclose(both.given_out(jnp.asarray(LAW)).params, weights / weights.sum(), rtol=1e-13)
    damped = mc.Damped(both, 0.5)
    np.testing.assert_allclose(outcome(Law(damped, jnp.asarray(LAW))).params, weights / weights.sum(), rtol=1e-13)


def test_endless_data_of_a_model_are_those_that_come_out() -> None:
    squares = LAW**2 / (LAW**2).sum()
    for family in (mc.Exact(Tempered(mc.Discrete(3), 0.5)), Tempered(mc.Exact(mc.Discrete(3)), 0.5)):
        run = mc.simulate(family, mc.categorical(LAW), observe="probabilities", size=5, generations=1)
        np.testing.assert_allclose(run["probabilities"][0], [LAW, squares], rtol=1e-13)


def test_endless_data_of_older_files_come_back() -> None:
    law = serial.decode(
        {
            "part": "modelcollapse.Fitted",
            "fields": {"family": serial.encode(mc.Discrete(), {}), "params": {"array": "p", "jax": True}},
        },
        {"p": LAW},
    )
    assert law_of(law, mc.Discrete) is law.params
    np.testing.assert_allclose(law.mixed(law, jnp.asarray(0.3)).params, LAW, rtol=1e-14)


def test_corners_rest_and_scores_are_a_leaf() -> None:
    family = Preferred(mc.Discrete(3), jnp.array([1.0, 1.0, 2.0]))
    assert isinstance(family, Rests)
    assert bool(family.at_rest(jnp.array([0.0, 1.0, 0.0])))
    assert not bool(family.at_rest(jnp.asarray(LAW)))

    def final(scores: jax.Array) -> jax.Array:
        model = Preferred(mc.Discrete(3), scores)
        return mc.trace(model, mc.categorical(LAW), None, "probabilities", size=40, generations=3, chains=200)[
            "probabilities"
        ]

    # a vector of scores for each run of a sweep, and the same numbers one by one
    scores = jnp.array([[1.0, 1.0, 1.0], [1.0, 1.0, 4.0]])
    swept = jax.vmap(final)(scores)
    run = mc.simulate(
        Preferred(mc.Discrete(3), scores[1]), mc.categorical(LAW), observe="probabilities", size=40, generations=3,
        chains=200,
    )  # fmt: skip
    np.testing.assert_array_equal(swept[1], run["probabilities"])
    # the first fit sees real data alone, so that scores change nothing there
    np.testing.assert_array_equal(swept[0][:, 0], swept[1][:, 0])
    expected = LAW * [1, 1, 4] / (LAW * [1, 1, 4]).sum()
    assert abs(run["probabilities"][:, 1, 2].mean() - expected[2]) < 0.05 < abs(LAW[2] - expected[2])


# --- draws that continue rows ---


def test_draws_continue_prompts_also_in_wrappers() -> None:
    family, params = Words(3), jnp.array([[0.2, 0.1, 0.0], [0.0, 0.0, 0.3], [0.4, 0.0, 0.0]])
    real = Rows(jnp.array([[1, 2], [0, 0], [2, 0], [0, 1]], jnp.int32), jnp.int32(4))
    prompts = family.continued_rows(real)
    for model in (family, mc.Rounded(family), mc.Rounded(family, rows=False)):
        assert isinstance(model, protocols.Continues)
        rows = model.draw(jax.random.key(0), params, jnp.int32(4), 4, given=model.continued_rows(real))
        assert rows.points.dtype == jnp.int32
        np.testing.assert_array_equal(rows.points[:, 0], prompts.points[:, 0])
        np.testing.assert_array_equal(rows.points[[0, 2], 1], [2, 0])  # each word is followed by one that was seen
    free = family.draw(jax.random.key(0), params, jnp.int32(500), 500).points
    assert set(np.asarray(free[:, 0]).tolist()) == {0, 1, 2}
    assert not isinstance(mc.Gaussian(), protocols.Continues)


# --- the rule itself ---


@part
@inherits(Blends, Projects)
class Shifted(Wrapper):
    """A wrapper of a user's own: its version of an ability counts only where the family within has it."""

    family: Any

    def blend(self, previous: Any, fitted: Any, rate: Any) -> Any:
        return self.family.blend(previous, fitted, rate) + 1


@part
class Further(Shifted):
    """A derived class inherits the abilities; what it defines itself is always there."""

    def project(self, source: Any) -> str:
        return "mine"


def test_a_wrapper_of_ones_own() -> None:
    assert abilities(Shifted(mc.KernelDensity())) == {"Projects"}
    assert float(Shifted(mc.Discrete()).blend(0.0, 1.0, 0.5)) == 1.5
    assert isinstance(Further(mc.Discrete()), Blends)
    assert isinstance(Further(mc.KernelDensity()), Projects)
    assert not isinstance(Further(mc.KernelDensity()), Blends)
    assert Further(mc.Discrete()).project(None) == "mine"
    assert not isinstance(Shifted(mc.Discrete()), Mixes | Checks | KeepsRows | Limits)


# --- what is kept if nothing is asked for ---

LINE = mc.linear([1.0, -2.0], noise=0.5)
LOGISTIC, COUNTS = mc.sources.logistic([1.0, -1.0]), mc.sources.log_linear([0.5, -0.5])
PLAIN: dict[str, tuple[Any, Any]] = {
    "Binomial": (mc.Binomial(), mc.bernoulli(0.3)),
    "NegativeBinomial": (mc.NegativeBinomial(), mc.negative_binomial(2.0, 1.0)),
    "Poisson": (mc.Poisson(), mc.poisson(2.0)),
    "Gamma": (mc.Gamma(), mc.exponential(2.0)),
    "GaussianMean": (mc.GaussianMean(), PLANE),
    "Uniform": (mc.Uniform(), mc.uniform(2.0)),
    "Pareto": (mc.Pareto(), mc.pareto(2.0)),
    "PPCA": (mc.PPCA(1), PLANE),
    "Regression": (LINE.family, LINE),
    "LogisticRegression": (LOGISTIC.family, LOGISTIC),
    "PoissonRegression": (COUNTS.family, COUNTS),
    "LanguageModel": (
        families.LanguageModel(families.Transformer(5, 4, 1, 1, 8), epochs=1, start="fresh"),
        mc.sources.tokens(np.arange(12).reshape(3, 4) % 5),
    ),
    "VAE": (mc.VAE(2, batch=2, steps=1), mc.sampler(lambda key, n: jax.random.uniform(key, (n, 4)))),
}


@pytest.mark.parametrize("name", PLAIN)
def test_every_family_can_read_its_default_observables(name: str) -> None:
    family, source = PLAIN[name]
    assert isinstance(family, Observed)

    def read(key: jax.Array) -> dict[str, jax.Array]:
        rows = source.draw_rows(key, jnp.int32(6), 6)
        params = family.fit(key, family.summarise(rows), None)
        return {one: mc.observables.OBSERVABLES[one](params) for one in family.default_observables}

    assert len(jax.eval_shape(read, jax.random.key(0))) >= 1
