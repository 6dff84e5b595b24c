r"""Backwards in time: generation n of a discrete chain is drawn from the ancestors of its items, not by running it.

To draw M items independently from the frequencies of a data set is to pick M of its items uniformly with replacement
and to copy their states. The picks never look at states. So trace the items of the last data set back, pick by pick, to
the first one, whose states are independent draws from the original law: each item has the state of its ancestor there,
and the joint law of the counts is exact. Lineages that meet stay together, so about :math:`2M/n` are left after n
generations, and the whole walk costs about :math:`2M\log n` picks, whatever the number of states.

Once few lineages are left, nearly every generation passes without a meeting. Picking one parent after another, lineage
l + 1 of a generation avoids the l parents taken so far with probability :math:`1 - l/M`; the exponential hazards

.. math:: H(a) = -\sum_{l < a} \log(1 - l / M)

add up over lineages and, generation after generation, to multiples of :math:`H(A)` until the next meeting. One
exponential variate therefore says after how many whole generations, and at which lineage, the next meeting happens;
whom that lineage meets is uniform over the parents taken. That is one step per lineage lost, however long the wait.

With fresh original data a lineage may also end (at an original item). Once all have ended, what is older no longer
matters: the same walk is then a perfect draw from the stationary law.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from modelcollapse import arguments
from modelcollapse.forks import computes
from modelcollapse.sampling import exact, integer_weights, keys, lineages, pick_states

__all__ = ["coalescence", "final_counts", "fixation", "stationary_counts"]

# buffers of all chains that run side by side hold about this many lineages
_SIDE_BY_SIDE = 2**21
# times are int32, and exceed fifty sample sizes with probability 1e-20
_LARGEST = 2**25
_NEVER = 2.0**52


@computes
def final_counts(
    key: jax.Array,
    probabilities: ArrayLike,
    sample_size: int | Sequence[int],
    fits: int,
    chains: int = 1,
    *,
    share: float | None = None,
    real: int | None = None,
    kept: int | None = None,
) -> jax.Array:
    r"""Counts of the data set of fit number ``fits``, int32 ``(chains, K)``, each row an exact joint draw.

    Fit 1 is made on real data: generation g is fit g + 1. ``probabilities`` p0 ``(K,)`` are nonnegative weights;
    ``sample_size`` M is one size for all data sets or a sequence of ``fits`` sizes. At most one of:

    * ``share``: every item is original with this probability (random mixing);
    * ``real``: this many items of every data set are fresh draws of the original law (exact counts);
    * ``kept``: this many items are kept from the data set before, without replacement; its frequencies give the others.

    None of them is the replace regime. Cost: about :math:`2 M \log n` picks and no more, whatever K, for one constant
    sample size without ``real`` and ``kept``; with these, or sizes that vary, every generation is walked. ``kept``
    sorts. Exact: states are independent of the picks (see the module). Raises ValueError for arguments out of range.
    Source: the backward construction of the Wright-Fisher model; Kingman, "The coalescent" (1982).
    """
    sizes = _sizes(sample_size, fits)
    chains, share, real, kept = _checked(chains, share, real, kept, int(sizes.min()))
    constant = bool((sizes == sizes[0]).all())
    older = (sizes[:1] if constant else sizes[-2::-1]).astype(np.float64)
    newest, largest = int(sizes[-1]), int(sizes.max())
    waits = constant and real is None and kept is None
    one = functools.partial(_counts, newest, largest, waits, real, kept)
    return _grouped(one, key, chains, largest)(_weights(probabilities), older, float(fits - 1), share)


@computes
def stationary_counts(
    key: jax.Array,
    probabilities: ArrayLike,
    sample_size: int,
    share: float | None = None,
    chains: int = 1,
    *,
    real: int | None = None,
) -> jax.Array:
    r"""Perfect draws from the stationary law of the counts under fresh real data, int32 ``(chains, K)``.

    Every item is original with probability ``share`` (random mixing), or ``real`` items of every data set are (exact
    counts); give one of them, positive. No burn-in: the walk goes on until every lineage has ended at an original item,
    at a cost of about :math:`M \log(1/\gamma)` picks. Exact. Raises ValueError for arguments out of range.
    """
    sizes = _sizes(sample_size, 1)
    chains, share, real, _ = _checked(chains, share, real, None, int(sizes[0]))
    if not (share or real):
        raise ValueError(f"a stationary law needs share > 0 or real > 0, got share={share} and real={real}")
    size = int(sizes[0])
    one = functools.partial(_counts, size, size, real is None, real, None)
    return _grouped(one, key, chains, size)(_weights(probabilities), sizes.astype(np.float64), np.inf, share)


@computes
def fixation(
    key: jax.Array, probabilities: ArrayLike, sample_size: int, chains: int = 1
) -> tuple[jax.Array, jax.Array]:
    r"""Which state takes over under replacement, and when: ``(time, winner)``, int32 ``(chains,)`` each, drawn jointly.

    The time T counts fits: the first n such that all items of the data set of fit n have one state. Given the numbers
    of lineages :math:`M = A_1 \ge A_2 \ge \dots` of n generations, fit n is fixed at state i with probability
    :math:`p_i^{A_n}`, so with :math:`f(a) = \sum_i p_i^a` and U uniform

    .. math:: T = \min\{n : f(A_n) \ge U\}, \qquad
              P(\text{winner} = i \mid T, A) \propto p_i^{A_T} - p_i^{A_{T-1}}, \quad p_i^{A_0} := 0.

    This is a joint draw of (T, winner), not of the path in between: the sequence of lineages is one that has the same
    law at every n and never increases, as fixation is never undone, and that is all the law of (T, winner) depends on.
    Exact. Raises ValueError for arguments out of range.
    """
    size, chains = _size_for_times(sample_size), arguments.count("chains", chains)
    return _grouped(functools.partial(_fixation, size), key, chains, size)(_weights(probabilities))


@computes
def coalescence(key: jax.Array, sample_size: int, chains: int = 1) -> jax.Array:
    """Fits until the whole data set descends from one item of the first, under replacement: int32 ``(chains,)``.

    Fixation of the states comes earlier unless all items of the first data set differ. Exact.
    """
    size, chains = _size_for_times(sample_size), arguments.count("chains", chains)
    return _grouped(functools.partial(_coalescence, size), key, chains, size)()


def _sizes(sample_size: int | Sequence[int], fits: int) -> np.ndarray:
    fits = arguments.count("fits", fits)
    sizes = arguments.whole_array("sample_size", sample_size, minimum=1)
    if sizes.ndim > 1 or (sizes.ndim == 1 and sizes.shape != (fits,)):
        raise ValueError(f"sample_size must be one integer or fits={fits} of them, got shape {sizes.shape}")
    return np.broadcast_to(sizes, (fits,)).astype(np.int32)


def _size_for_times(sample_size: int) -> int:
    # times are int32
    return arguments.whole("sample_size", sample_size, 1, _LARGEST)


def _checked(
    chains: int, share: float | None, real: int | None, kept: int | None, smallest: int
) -> tuple[int, float | None, int | None, int | None]:
    if sum(value is not None for value in (share, real, kept)) > 1:
        raise ValueError(f"give at most one of share, real and kept, got share={share}, real={real}, kept={kept}")
    share = None if share is None else arguments.share("share", share)
    # neither may exceed the smallest data set
    real, kept = (
        None if value is None else arguments.whole(name, value, maximum=smallest)
        for name, value in (("real", real), ("kept", kept))
    )
    return arguments.count("chains", chains), share, real, kept


def _weights(probabilities: ArrayLike) -> np.ndarray:
    return arguments.law("probabilities", probabilities, normalise=True)


def _grouped(function: functools.partial[Any], key: jax.Array, chains: int, size: int) -> Callable[..., Any]:
    """Run ``function(chain_keys, *rest)`` over groups of equally many chains, each as large as memory allows."""
    groups = -(-chains // max(1, min(chains, _SIDE_BY_SIDE // size)))
    together = -(-chains // groups)

    def run(*rest: ArrayLike | None) -> Any:
        with exact.float64():
            result = _jitted(function.func, function.args, groups, together)(keys.wrap(key), *rest)
        return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[:chains], result)

    return run


@functools.lru_cache(maxsize=64)
def _jitted(
    function: Callable[..., Any], settings: tuple[Hashable, ...], groups: int, together: int
) -> Callable[..., Any]:
    @jax.jit
    def all_groups(key: jax.Array, *rest: ArrayLike | None) -> Any:
        addresses = jnp.arange(groups * together, dtype=jnp.uint32)
        chain_keys = jax.vmap(functools.partial(keys.fold, key))(addresses).reshape(groups, together)
        return lax.map(lambda some: function(*settings, some, *rest), chain_keys)

    return all_groups


def _fold_all(chain_keys: jax.Array, address: int) -> jax.Array:
    return jax.vmap(lambda key: keys.fold(key, address))(chain_keys)


def _counts(
    newest: int,
    slots: int,
    waits: bool,
    real: int | None,
    kept: int | None,
    chain_keys: jax.Array,
    weights: jax.Array,
    older: jax.Array,
    left: jax.Array,
    share: jax.Array | None,
) -> jax.Array:
    chains = chain_keys.shape[0]
    alive = lax.broadcasted_iota(jnp.int32, (chains, newest), 1) >= (0 if real is None else real)
    rounds = jnp.full(chains, left, jnp.float64)
    tree = lineages.Tree(jnp.ones((chains, newest), jnp.int32), alive & (rounds > 0)[:, None], rounds)
    picks = lineages.Picks(older, share, real, kept)
    whole = integer_weights(weights)[0]
    counts = jnp.zeros((chains, weights.size), jnp.int32)
    widths = lineages.widths(newest, waits)
    for stage, width in enumerate(widths):
        lower = widths[stage + 1] if stage + 1 < len(widths) else 0
        here = _fold_all(chain_keys, stage)
        if lower or not waits:
            # a single lineage has none to meet
            tree, _ = lineages.walk(here, tree, lower if lower else _stop_at(share, real), slots, picks)
            over = (tree.left <= 0) | (not lower)
            tree = tree._replace(alive=tree.alive & ~over[:, None])
        else:
            stop = jnp.full(chains, _stop_at(share, real), jnp.int32)
            family = lineages.wait(here, tree, older[0], share, stop).family.reshape(chains, width)
            tree = lineages.Tree(family, jnp.zeros_like(tree.alive), tree.left)
        counts = _add_states(_fold_all(here, 1), counts, whole, jnp.where(tree.alive, 0, tree.family))
        if lower:
            tree = lineages.gather(tree, lower)
    return counts


def _stop_at(share: jax.Array | None, real: int | None) -> int:
    return 1 if share is None and real is None else 0


def _add_states(chain_keys: jax.Array, counts: jax.Array, weights: jax.Array, family: jax.Array) -> jax.Array:
    """Draw a state for each family that has ended, and count its members."""

    def add(_: None) -> jax.Array:
        high, low = jax.vmap(lambda key: keys.words(key, family.shape[1:]))(chain_keys)
        state = pick_states(weights, high, low)
        chain = lax.broadcasted_iota(jnp.int32, family.shape, 0)
        return counts.at[chain.reshape(-1), state.reshape(-1)].add(family.reshape(-1))

    return lax.cond(jnp.any(family > 0), add, lambda _: counts, None)


def _fixation(size: int, chain_keys: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
    log_p = jnp.log(weights)
    draw = jax.vmap(lambda key: exact.unit(keys.fold(key, 0), (2,)))(chain_keys)
    low = jnp.ones(chain_keys.shape[0], jnp.int32)

    def halve(_: int, bounds: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        # the most lineages with which the data set is fixed: f decreases, so halving finds the bound
        low, high = bounds
        middle = (low + high + 1) // 2
        fixed = jax.vmap(lambda a: jnp.exp(a * log_p).sum())(middle.astype(jnp.float64)) >= draw[:, 0]
        return jnp.where(fixed, middle, low), jnp.where(fixed, high, middle - 1)

    target, _ = lax.fori_loop(0, size.bit_length(), halve, (low, jnp.full_like(low, size)))
    time, now, before = _lineage_times(_fold_all(chain_keys, 1), size, target)

    def winner(u: jax.Array, time: jax.Array, now: jax.Array, before: jax.Array) -> jax.Array:
        lost = jnp.maximum(before - now, 1).astype(jnp.float64)
        since = jnp.where(time > 1, jnp.log1p(-jnp.exp(lost * log_p)), 0.0)
        log_weight = jnp.where(weights > 0, now.astype(jnp.float64) * log_p + since, -jnp.inf)
        upper = jnp.cumsum(integer_weights(jnp.exp(log_weight - log_weight.max()))[0])
        return exact.search(upper, jnp.floor(u * 2.0**61).astype(jnp.int64))

    return time.astype(jnp.int32), jax.vmap(winner)(draw[:, 1], time, now, before)


def _coalescence(size: int, chain_keys: jax.Array) -> jax.Array:
    return _lineage_times(chain_keys, size, jnp.ones(chain_keys.shape[0], jnp.int32))[0].astype(jnp.int32)


def _lineage_times(chain_keys: jax.Array, size: int, target: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """First fit with at most ``target`` (B,) lineages, and their numbers there and one fit before."""
    chains = chain_keys.shape[0]
    count = jnp.full(chains, size, jnp.int32)
    record: lineages.Record = (count <= target, jnp.ones(chains), count, count)

    def note(record: lineages.Record, before: jax.Array, after: jax.Array, going: jax.Array) -> lineages.Record:
        done, time, now, last = record
        return (
            done | (going & (after <= target)),
            time + going.astype(jnp.float64),
            jnp.where(going, after, now).astype(jnp.int32),
            jnp.where(going, before, last).astype(jnp.int32),
        )

    rounds = jnp.full(chains, _NEVER)
    tree = lineages.Tree(jnp.ones((chains, size), jnp.int32), jnp.ones((chains, size), bool), rounds)
    widths = lineages.widths(size, True)
    picks = lineages.Picks(jnp.full(1, float(size)))
    for stage, lower in enumerate(widths[1:]):
        tree, record = lineages.walk(_fold_all(chain_keys, stage), tree, lower, size, picks, record, note)
        tree = lineages.gather(tree, lower)
    done, time, now, last = record
    waiting = tree._replace(left=jnp.where(done, 0.0, _NEVER))
    end = lineages.wait(_fold_all(chain_keys, len(widths)), waiting, size, None, target)
    time = time + jnp.where(done, 0.0, _NEVER - end.left)
    return time, jnp.where(done, now, end.number), jnp.where(done, last, end.before)
