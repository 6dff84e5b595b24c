"""A chain does not know its neighbours, a generation does not know what follows, and the loop is pure."""

import contextlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toys import Walk, origin, place

import modelcollapse as mc
from modelcollapse import sampling
from modelcollapse.addresses import chain_keys
from modelcollapse.engine import scan
from modelcollapse.families.gaussian import Normal
from modelcollapse.loop import before as state_before
from modelcollapse.process import prepare

STATES = [0.4, 0.3, 0.2, 0.1]


def discrete(generations: int = 5, chains: int = 7, size: Any = 20, **options: Any) -> mc.Run:
    return mc.simulate(
        mc.Discrete(), mc.categorical(STATES), observe=["probabilities", "entropy"],
        size=size, generations=generations, chains=chains, **options,
    )  # fmt: skip


def gaussian(generations: int = 5, chains: int = 7, size: Any = 10, **options: Any) -> mc.Run:
    source = mc.normal([1.0, -2.0], [[2.0, 0.9], [0.9, 1.0]])
    return mc.simulate(
        mc.Gaussian(),
        source,
        observe=["mean", "log_determinant"],
        size=size,
        generations=generations,
        chains=chains,
        **options,
    )


def precision(bits: int) -> Any:
    return jax.enable_x64(False) if bits == 32 else contextlib.nullcontext()


def assert_same(long: dict[str, np.ndarray], part: dict[str, np.ndarray], *where: Any) -> None:
    """Counts agree bit for bit, floating results within a few ulp of their scale."""
    for name, values in part.items():
        expected = long[name][where]
        if name == "probabilities":
            np.testing.assert_array_equal(values, expected)
        else:
            ulp = np.finfo(values.dtype).eps
            np.testing.assert_allclose(values, expected, rtol=64 * ulp, atol=64 * ulp)


@pytest.mark.parametrize("run", [discrete, gaussian])
@pytest.mark.parametrize("bits", [32, 64])
def test_a_chain_does_not_know_its_neighbours(run: Any, bits: int) -> None:
    with precision(bits):
        many = run()
        assert {leaf.dtype for leaf in many.trace.values()} == {np.dtype(f"float{bits}")}
        assert len(np.unique(many[list(many.trace)[-1]][:, -1])) > 5
        # batches of three: the last has room for chains that are not asked for
        assert_same(many.trace, run(batch_size=3).trace, slice(None))
        assert_same(many.trace, run(chains=3).trace, slice(3))


@pytest.mark.parametrize("run", [discrete, gaussian])
def test_a_generation_does_not_know_what_follows(run: Any) -> None:
    long = run()
    short = run(generations=2)
    assert_same(long.trace, short.trace, slice(None), slice(3))
    longer = short.extend(2)
    assert longer.generations == 4
    assert_same(long.trace, longer.trace, slice(None), slice(5))


def test_sparse_records_are_the_same_numbers() -> None:
    long, sparse = discrete(), discrete(record=[1, 4])
    assert_same(long.trace, sparse.trace, slice(None), [1, 4])
    np.testing.assert_array_equal(sparse.recorded, [1, 4])


def test_the_key_of_a_chain_is_its_address() -> None:
    key = sampling.key(3)
    all_keys = jax.random.key_data(chain_keys(key, np.arange(9)))
    np.testing.assert_array_equal(jax.random.key_data(chain_keys(key, np.arange(4, 7))), all_keys[4:7])
    np.testing.assert_array_equal(jax.random.key_data(jax.random.fold_in(jax.random.key(3), 5)), all_keys[5])
    assert len(np.unique(all_keys, axis=0)) == 9


def test_seeds_are_integers_or_keys() -> None:
    def numbers(seed: Any) -> np.ndarray:
        return discrete(seed=seed)["probabilities"]

    np.testing.assert_array_equal(numbers(5), numbers(jax.random.key(5)))
    np.testing.assert_array_equal(numbers(5), numbers(np.int64(5)))
    assert (numbers(5) != numbers(6)).any()


def walk(generations: int, **options: Any) -> mc.Run:
    return mc.simulate(
        Walk(), origin(), observe=place, size=options.pop("size", 3), generations=generations, chains=4, **options
    )


def test_steps_are_independent_over_chains_and_generations() -> None:
    steps = np.diff(walk(5)["place"], axis=1, prepend=0)
    assert len(np.unique(steps)) == steps.size


def test_simulate_and_trace_give_the_same_numbers() -> None:
    def observe(params: Any) -> Any:
        return params

    run = mc.simulate(Walk(), origin(), observe=observe, size=3, generations=5, chains=4)
    pure = mc.trace(Walk(), origin(), observe=observe, size=3, generations=5, chains=4)
    np.testing.assert_array_equal(run["observe"], pure["observe"])
    np.testing.assert_array_equal(run["observe"][..., 1], np.broadcast_to(np.arange(1, 7), (4, 6)))


def test_vmap_over_a_field_of_a_regime_is_a_sweep_with_one_trace() -> None:
    traced = []

    def law(params: jax.Array) -> jax.Array:
        traced.append(1)
        return params

    shares = jnp.array([0.0, 0.2, 0.5])

    def one(share: Any) -> jax.Array:
        source = mc.categorical(STATES)
        return mc.trace(mc.Discrete(), source, mc.FreshReal(share), law, size=20, generations=4, chains=3)["law"]

    single = [one(float(share)) for share in shares]
    count = len(traced)
    swept = jax.vmap(one)(shares)
    # one more trace, not one for each share: the plain calls above already cost one in all, plus a check each
    assert len(traced) - count <= count
    assert swept.shape == (3, 3, 5, 4)
    np.testing.assert_array_equal(swept, np.stack(single))
    assert (swept[0] != swept[1]).any()
    assert (swept[1] != swept[2]).any()


def test_other_coefficients_and_sizes_cost_no_compilation() -> None:
    def run(regime: Any, size: int) -> None:
        mc.simulate(Walk(), origin(), regime, place, size=size, generations=3, chains=2)

    run(mc.FreshReal(0.1), 6)
    before = scan.programs()
    for share in (0.2, 0.3):
        run(mc.FreshReal(share), 6)
    assert scan.programs() == before
    run(mc.Mixture(1.0), 6)
    assert scan.programs() == before + 1
    discrete(size=20)
    before = scan.programs()
    discrete(size=27)
    assert scan.programs() == before


def test_grad_goes_through_a_run() -> None:
    def final(log_scale: jax.Array) -> tuple[jax.Array, jax.Array]:
        law = mc.Law(mc.Gaussian(), Normal(jnp.zeros(1), jnp.eye(1), log_scale[None]))
        values = mc.trace(mc.Gaussian(), law, observe=["mean", "log_variance"], size=8, generations=3, chains=5)
        mean = values["mean"][0, -1, 0]
        return values["log_variance"][:, -1, 0].mean() + mean, mean

    (value, mean), slope = jax.value_and_grad(final, has_aux=True)(jnp.asarray(0.3))
    # with the same randomness the log variance is shifted by twice the log scale, and the mean is scaled by it
    assert float(slope) == pytest.approx(2 + float(mean), rel=1e-12)
    assert abs(mean) > 1e-3
    assert np.isfinite(value)


def test_a_million_generations_are_cheap_to_record_and_stay_finite() -> None:
    record = np.arange(20_000, 1_000_001, 20_000)
    run = mc.simulate(
        mc.Gaussian(),
        mc.normal(),
        observe=["log_variance", "mean"],
        size=10,
        generations=10**6,
        chains=1,
        record=record,
    )
    assert run["log_variance"].shape == (1, 50, 1)
    np.testing.assert_array_equal(run.recorded, record)
    assert all(np.isfinite(values).all() for values in run.trace.values())
    # mean -0.1151 a fit, variance psi1(4.5) = 0.2487: within 5.5 standard deviations at the end
    assert abs(run["log_variance"][0, -1, 0] + 0.1151 * 10**6) < 5.5 * np.sqrt(0.2487e6) + 100
    # a million entries anywhere in the compiled program would show in its buffers
    process = prepare(run.family, run.source, run.regime, ["log_variance"], 10, 10**6).process
    states = jax.tree.map(lambda leaf: np.asarray(leaf)[None], state_before(process))
    gaps, keys = np.full(50, 20_000, np.int32), sampling.key(0)[None]
    program = jax.jit(scan.advance).lower(keys, states, process, gaps, np.int32(50)).compile()
    assert program.memory_analysis().temp_size_in_bytes < 10**5


def test_running_observables_see_generations_that_are_not_recorded() -> None:
    dense = mc.simulate(
        mc.Discrete(), mc.categorical([0.5, 0.5]), observe=["absorption_time", "absorbed"],
        size=4, generations=12, chains=30,
    )  # fmt: skip
    times = dense["absorption_time"][:, -1]
    first = np.where(dense["absorbed"].any(1), dense["absorbed"].argmax(1), np.inf)
    np.testing.assert_array_equal(times, first)
    sparse = mc.simulate(
        mc.Discrete(), mc.categorical([0.5, 0.5]), observe=["absorption_time", "absorbed"],
        size=4, generations=12, chains=30, record=[12],
    )  # fmt: skip
    np.testing.assert_array_equal(sparse["absorption_time"][:, 0], times)
    assert len(set(times)) > 3
