"""What is kept of a chain: a pure function of the parameters, or of the parameters and the truth.

Any function ``f(params)`` or ``f(params, truth)`` that returns an array is an observable; its name is its own. ``truth`` is what the
family would be fitted to by infinitely many real draws. An observable that must see every generation, recorded or not, is a part with
``start(truth, first) -> carry``, ``update(carry, state, truth) -> carry`` and ``read(carry, state, truth) -> array``. One that no longer
changes once the parameters do not may say so by ``settles = True``: then chains that have come to rest cost nothing. One that depends
on the positive probabilities alone, not on whose they are, may say so by ``unlabelled = True``: then states that are lost cost nothing.
One that stays the same if all rows are moved may say so by ``shifts = False``, and one whose last axis moves with the coordinates of the
rows by ``shifts = True``: then it can be followed however far from 0 the rows lie.

Logarithms are natural; lengths are in the unit of the rows, and entropies in nats.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments
from modelcollapse.forks import computes
from modelcollapse.location import exactly
from modelcollapse.pytree import PACKAGE, part, register, static, used
from modelcollapse.sampling import axis_of_chains, over_lanes
from modelcollapse.transport import gaussian_w2, mixture_l2

OBSERVABLES: dict[str, Any] = {}
"""The observables of this package by name."""

LABELS: dict[str, tuple[str, tuple[str, ...]]] = {}
"""Unit, and names of the dimensions beyond chain and generation, of each."""


def observable(
    units: str = "1", dims: tuple[str, ...] = (), unlabelled: bool = False, shifts: bool | None = None
) -> Callable[[Any], Any]:
    """Give the decorated function a name that strings and the command line may use, its unit and the names of its dimensions.

    ``unlabelled`` says that it is the same for the positive entries of the parameters alone, in any order; ``shifts``, whether it
    moves with the rows, coordinate by coordinate, or stays the same (None: neither).
    """

    def enter(function: Any) -> Any:
        own = function.__module__.partition(".")[0] == PACKAGE
        register(function, name=f"{PACKAGE}.{function.__name__}" if own else None)
        function.unlabelled, function.shifts = unlabelled, shifts
        OBSERVABLES[function.__name__] = function
        LABELS[function.__name__] = (units, dims)
        return function

    return enter


@observable(dims=("state",))
def probabilities(params: jax.Array) -> jax.Array:
    """The law itself, ``(K,)``."""
    return params


@observable("states", unlabelled=True)
def support_size(params: jax.Array) -> jax.Array:
    """Number of states with positive probability, int32 ``()``."""
    # few numbers are summed along the chains: absorption times ask at every generation
    return _positive(params.reshape(-1)) if axis_of_chains(params.shape) else (params > 0).sum(dtype=jnp.int32)


@over_lanes
def _positive(params: jax.Array) -> jax.Array:
    return (params > 0).sum(0, dtype=jnp.int32)


@observable(dims=("state",))
def lost(params: jax.Array, truth: jax.Array) -> jax.Array:
    """Which states of the truth have probability 0 now, booleans ``(K,)``."""
    return (params == 0) & (truth > 0)


@observable(unlabelled=True, shifts=False)
def absorbed(params: Any) -> jax.Array:
    """Whether one state is left, or one value of a count, boolean ``()``."""
    if hasattr(params, "variance"):
        return (params.variance == 0).all()
    return support_size(params) == 1


@observable()
def extinct(params: Any) -> jax.Array:
    """Whether all counts are 0, boolean ``()``."""
    return (params.mean == 0).all()


@observable(unlabelled=True)
def heterozygosity(params: jax.Array) -> jax.Array:
    r"""Gini-Simpson index :math:`1 - \sum_i p_i^2`, the probability that two draws differ, ``()``."""
    # sum of p (1 - p): no cancellation near absorption, and exactly 0 there
    return (params * (1 - params)).sum()


@observable("nats", unlabelled=True)
def entropy(params: jax.Array) -> jax.Array:
    r"""Shannon entropy :math:`-\sum_i p_i \ln p_i`, ``()``."""
    return jax.scipy.special.entr(params).sum()


@observable("nats")
def kl_divergence(params: jax.Array, truth: jax.Array) -> jax.Array:
    r"""Kullback-Leibler divergence :math:`KL(p_n \| p_0)`, ``()``.

    The other direction is infinite as soon as one state is lost, so its expectation is infinite at every generation.
    """
    return jax.scipy.special.rel_entr(params, truth).sum()


@observable()
def total_variation(params: jax.Array, truth: jax.Array) -> jax.Array:
    r"""Total variation distance :math:`\frac12 \sum_i |p_n(i) - p_0(i)|`, ``()``."""
    return 0.5 * jnp.abs(params - truth).sum()


@observable()
def chi_square(params: jax.Array, truth: jax.Array) -> jax.Array:
    r"""Pearson's divergence :math:`\chi^2(p_n \| p_0) = \sum_i (p_n(i) - p_0(i))^2 / p_0(i)` over the support of the truth, ``()``."""
    there = truth > 0
    return jnp.where(there, (params - truth) ** 2 / jnp.where(there, truth, 1.0), 0.0).sum()


@observable(dims=("dimension",), shifts=True)
def mean(params: Any) -> jax.Array:
    """Mean ``(d,)``."""
    return params.mean


@observable(dims=("dimension",))
def log_mean(params: Any) -> jax.Array:
    """Natural logarithm of the mean of a positive law, ``(d,)``; minus infinity for a mean of 0, infinity for an infinite one."""
    return params.log_mean if hasattr(params, "log_mean") else jnp.log(params.mean)


@observable(dims=("dimension",))
def log_end(params: Any) -> jax.Array:
    """Natural logarithm of the upper end of a uniform law, ``(1,)``."""
    return params.log_end


@observable(dims=("dimension",))
def log_index(params: Any) -> jax.Array:
    """Natural logarithm of the tail index of a Pareto law, ``(1,)``; the smaller the index, the heavier the tail."""
    return params.log_index


@observable(dims=("dimension",), shifts=False)
def log_variance(params: Any) -> jax.Array:
    """Natural logarithm of the variance of each coordinate, ``(d,)``."""
    if hasattr(params, "log_variance"):
        return params.log_variance
    if hasattr(params, "log_scale"):
        # a row of the factor, squared and summed in log scale: no underflow
        terms = 2 * (jnp.log(jnp.abs(params.unit)) + params.log_scale[None, :])
        return jax.nn.logsumexp(terms, axis=1)
    return jnp.log(jnp.diagonal(params.covariance))


@observable(dims=("dimension",), shifts=False)
def variance(params: Any) -> jax.Array:
    """Variance of each coordinate, ``(d,)``; underflows to 0 long after collapse, and its mean over chains hides that."""
    return jnp.exp(log_variance(params)) if hasattr(params, "log_scale") else jnp.diagonal(params.covariance)


@observable(shifts=False)
def total_variance(params: Any) -> jax.Array:
    """Trace of the covariance, ``()``; underflows to 0 long after collapse."""
    return variance(params).sum()


@observable(shifts=False)
def determinant(params: Any) -> jax.Array:
    """Determinant of the covariance, ``()``; underflows to 0 long after collapse, and its mean over chains hides that."""
    return jnp.exp(log_determinant(params))


@observable(dims=("dimension",), shifts=False)
def standard_deviation(params: Any) -> jax.Array:
    """Standard deviation of each coordinate, ``(d,)``; underflows to 0 long after collapse."""
    return jnp.exp(0.5 * log_variance(params))


@observable(dims=("dimension",), shifts=False)
def log_pivots(params: Any) -> jax.Array:
    """Logarithms of the squared Cholesky pivots, ``(d,)``; their increments are exact log chi-squares."""
    return 2 * params.log_scale


@observable(shifts=False)
def log_determinant(params: Any) -> jax.Array:
    """Natural logarithm of the determinant of the covariance, ``()``."""
    if hasattr(params, "log_scale"):
        return 2 * params.log_scale.sum()
    return jnp.linalg.slogdet(params.covariance)[1]


@observable(dims=("direction",), shifts=False)
def decoder_variances(params: Any) -> jax.Array:
    """Variances of a linear decoder's means along their principal directions, ``(q,)``, largest first."""
    return jnp.linalg.svd(params.weights, compute_uv=False) ** 2


@observable(shifts=False)
def decoder_variance(params: Any) -> jax.Array:
    """Total variance of a linear decoder's means, the trace of W W^T, ``()``."""
    return (params.weights**2).sum()


@observable("nats", shifts=False)
def training_loss(params: Any) -> jax.Array:
    """Mean training loss of an image over the last tenth of the steps of a refit, in nats, ``()``."""
    return params.loss


@observable(shifts=False)
def squared_mean_error(params: Any, truth: Any) -> jax.Array:
    r"""Squared Euclidean distance :math:`|\mu_n - \mu_0|^2` of the means, ``()``."""
    return ((params.mean - truth.mean) ** 2).sum()


@observable(shifts=False)
def w2_squared(params: Any, truth: Any) -> jax.Array:
    """Squared Wasserstein-2 distance to the normal law with the true mean and covariance, ``()``; exact between normal laws."""
    return gaussian_w2(params.mean, _factor(params), truth.mean, _factor(truth))


@observable(shifts=False)
def l2_squared(params: Any, truth: Any) -> jax.Array:
    """Squared L2 distance of the densities of two normal mixtures, ``()``; unit 1 / volume."""
    return mixture_l2(params.weights, params.means, params.covariances, (truth.weights, truth.means, truth.covariances))


@observable(dims=("feature",))
def coefficients(params: Any) -> jax.Array:
    """Weights ``(d,)`` of a regression, in the unit of y over that of x."""
    return params.weights


@observable()
def squared_error(params: Any, truth: Any) -> jax.Array:
    r"""Squared Euclidean distance :math:`|w_n - w_0|^2` of regression weights, ``()``."""
    return ((params.weights - truth.weights) ** 2).sum()


@observable()
def excess_risk(params: Any, truth: Any) -> jax.Array:
    r"""Mean squared error on a noiseless label of a new row, :math:`(w_n - w_0)^T E[x x^T] (w_n - w_0)`, ``()``; unit of y squared."""
    return (((params.weights - truth.weights) @ truth.factor) ** 2).sum()


def _factor(params: Any) -> jax.Array:
    return params.factor if hasattr(params, "factor") else jnp.linalg.cholesky(params.covariance)


@computes
def tail_mass(states: Iterable[int] | None = None, *, below: float | None = None) -> Tail:
    """Probability of the given ``states``, or of those whose true probability is ``below`` a threshold in (0, 1].

    ``states`` are different whole numbers from 0. ``simulate`` refuses those that the law does not have. ValueError or TypeError for
    anything else.
    """
    if (states is None) == (below is None):
        raise ValueError(f"give either states or below, got states={states!r} and below={below!r}")
    return Tail(states, below)


@part
class Tail:
    """Probability that is left to rare states, ``()``."""

    states: Any
    below: Any

    settles = True

    def __post_init__(self) -> None:
        below = arguments.checker(arguments.number, 0, 1, open_low=True)
        arguments.converted(self, states=arguments.optional(_states), below=arguments.optional(below))

    def check(self, params: Any) -> None:
        """Refuse states that the law ``params`` ``(K,)`` does not have."""
        shape = np.shape(params)
        if self.states is None or arguments.traced(self.states) or len(shape) != 1:
            return
        largest = int(np.max(self.states))
        if largest >= shape[0]:
            raise ValueError(f"states must lie between 0 and {shape[0] - 1}, those of the law, got {largest}")

    def start(self, truth: Any, first: Any) -> tuple:
        return ()

    def update(self, carry: Any, state: Any, truth: Any) -> Any:
        return carry

    def read(self, carry: Any, state: Any, truth: jax.Array) -> jax.Array:
        if self.states is not None:
            return state.params[self.states].sum()
        return jnp.where(truth < self.below, state.params, 0.0).sum()


def _states(name: str, value: Any) -> jax.Array:
    several = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
    given = list(value) if several and not hasattr(value, "__array__") else value
    states = arguments.whole_array(name, given, ndim=1)
    if not states.size:
        raise ValueError(f"{name} must hold at least one state, got {value!r}")
    if np.unique(states).size < states.size:
        raise ValueError(f"{name} must differ from each other, got {value!r}")
    return jnp.asarray(states, jnp.int32)


@computes
def excess_log_loss(source: Any) -> ExcessLogLoss:
    r"""Mean loss on real data beyond that of the truth, :math:`KL(p_0 \| p_n) = E_{p_0} \log p_0 - E_{p_0} \log p_n`, in nats.

    ``source`` is the law of real data on one coordinate, normal or a mixture of normals, whether or not it lies in the family;
    the models are normal laws or have a ``log_density``. A sum over a grid of a twentieth of the smallest true deviation: exact to
    rounding for a normal model (float32: 1e-5); where the log density of a mixture turns from one component to another
    within less than a step, the error is of order step^2. Infinite for a model that has collapsed to a point.

    Raises
    ------
    TypeError, ValueError
        If the source is not such a law, or its grid would need more than 20,000 points.
    """
    params: Any = getattr(exactly(source), "params", None)
    if not hasattr(params, "covariance"):
        raise TypeError(f"source must be a normal law or a mixture of them, got {type(source).__name__}")
    if params.covariance.shape != (1, 1):
        raise ValueError(f"source must be a law on one coordinate, got {params.covariance.shape[0]}")
    mixed = hasattr(params, "weights")
    if not (mixed or hasattr(params, "log_scale")):
        raise TypeError(f"source must be a normal law or a mixture of them, got a law of {type(params).__name__}")
    each = (
        (params.weights, params.means[:, 0], params.factors[:, 0, 0])
        if mixed
        else ([1.0], params.mean, params.factor[0])
    )
    weights, means, deviations = (np.asarray(x, np.float64) for x in each)
    low, high = (means - 9 * deviations).min(), (means + 9 * deviations).max()
    # the trapezoidal rule is exact to rounding for what is smooth at this scale
    points = int(np.ceil((high - low) / (0.05 * deviations.min()))) + 1
    if points > 20_000:
        raise ValueError(f"source has components too thin for their distance: the grid would need {points} points")
    x, step = np.linspace(low, high, points, retstep=True)
    with np.errstate(under="ignore"):
        parts = weights * np.exp(-0.5 * ((x[:, None] - means) / deviations) ** 2) / deviations / np.sqrt(2 * np.pi)
    density = parts.sum(1)
    there = density > 0
    entropy = -step * (density[there] * np.log(density[there])).sum()
    kind = jnp.result_type(float)
    return ExcessLogLoss(x[there], jnp.asarray(step * density[there], kind), jnp.asarray(entropy, kind))


@part
class ExcessLogLoss:
    """Mean loss on real data, ``points`` (n,) of given ``weights`` (n,), beyond their ``entropy`` in nats; ``()``.

    The points are float64 on the host until a run takes them about its own location.
    """

    points: Any
    weights: jax.Array
    entropy: jax.Array

    settles = True
    shifts = False

    def about(self, location: np.ndarray | None) -> ExcessLogLoss:
        """The same for parameters about ``location`` (1,)."""
        points = self.points if location is None else np.asarray(self.points, np.float64) - location
        return dataclasses.replace(self, points=jnp.asarray(points, self.weights.dtype))

    def start(self, truth: Any, first: Any) -> tuple:
        return ()

    def update(self, carry: Any, state: Any, truth: Any) -> Any:
        return carry

    def read(self, carry: Any, state: Any, truth: Any) -> jax.Array:
        params = state.params
        if hasattr(params, "log_density"):
            return -(self.weights @ params.log_density(self.points[:, None])) - self.entropy
        log_variance = OBSERVABLES["log_variance"](params)[0]
        square = self.weights @ (self.points - params.mean[0]) ** 2
        loss = 0.5 * (np.log(2 * np.pi) + log_variance + square * jnp.exp(-log_variance)) - self.entropy
        return jnp.where(jnp.isneginf(log_variance), jnp.inf, loss)


def of(field: str, observable: Any) -> Of:
    """An observable (a function, part or name) of one field of the parameters: ``of("frequencies", "heterozygosity")``."""
    return Of(field, as_observable(observable))


@part
class Of:
    """An observable of one field of the parameters, and of the same field of the truth."""

    field: str = static()
    observable: Any

    def __post_init__(self) -> None:
        if not isinstance(self.field, str):
            raise TypeError(f"field must be the name of a field of the parameters, got {self.field!r}")

    @property
    def settles(self) -> bool:
        return getattr(self.observable, "settles", False)

    def check(self, params: Any) -> None:
        if not hasattr(params, self.field):
            raise TypeError(f"field must be one of {type(params).__name__}, which has no {self.field!r}")
        check(self.observable, getattr(params, self.field))

    @property
    def needs_truth(self) -> bool:
        return getattr(self.observable, "needs_truth", False)

    def start(self, truth: Any, first: Any) -> Any:
        return self.observable.start(*self._within(truth, first))

    def update(self, carry: Any, state: Any, truth: Any) -> Any:
        truth, state = self._within(truth, state)
        return self.observable.update(carry, state, truth)

    def read(self, carry: Any, state: Any, truth: Any) -> Any:
        truth, state = self._within(truth, state)
        return self.observable.read(carry, state, truth)

    def _within(self, truth: Any, state: Any) -> tuple[Any, Any]:
        inner = dataclasses.replace(state, params=getattr(state.params, self.field))
        return None if truth is None else getattr(truth, self.field), inner


class _Watching:
    """What is said of an observable that is a function of another: it can do what the other can."""

    @property
    def watched(self) -> Any:
        raise NotImplementedError

    @property
    def settles(self) -> bool:
        return getattr(self.watched, "settles", False)

    @property
    def unlabelled(self) -> bool:
        return getattr(self.watched, "unlabelled", False)

    @property
    def needs_truth(self) -> bool:
        return getattr(self.watched, "needs_truth", False)

    @property
    def shifts(self) -> bool | None:
        """What is derived from an observable that stays the same stays the same too; otherwise nothing is known."""
        return False if getattr(self.watched, "shifts", None) is False else None


@part
class FirstTime(_Watching):
    """First generation at which ``condition`` holds, as a number; infinity as long as it has not, ``()``.

    The condition is followed through every generation, so that it may be a running observable, or about one.
    """

    condition: Any

    @property
    def watched(self) -> Any:
        return as_observable(self.condition)

    def start(self, truth: Any, first: Any) -> tuple[jax.Array, Any]:
        return self._noted(jnp.full((), jnp.inf), self.watched.start(truth, first), first, truth)

    def check(self, params: Any) -> None:
        check(as_observable(self.condition), params)

    def update(self, carry: tuple[jax.Array, Any], state: Any, truth: Any) -> tuple[jax.Array, Any]:
        time, running = carry
        return self._noted(time, self.watched.update(running, state, truth), state, truth)

    def read(self, carry: tuple[jax.Array, Any], state: Any, truth: Any) -> jax.Array:
        return carry[0]

    def _noted(self, time: jax.Array, running: Any, state: Any, truth: Any) -> tuple[jax.Array, Any]:
        holds = self.watched.read(running, state, truth)
        return jnp.where(jnp.isinf(time) & holds, state.generation.astype(time.dtype), time), running


@part
class Below(_Watching):
    """Whether an observable that is one number is below ``threshold``, boolean ``()``."""

    observable: Any
    threshold: Any

    def __post_init__(self) -> None:
        arguments.converted(self, threshold=_threshold)

    @property
    def watched(self) -> Any:
        return as_observable(self.observable)

    def check(self, params: Any) -> None:
        check(as_observable(self.observable), params)

    def start(self, truth: Any, first: Any) -> Any:
        return self.watched.start(truth, first)

    def update(self, carry: Any, state: Any, truth: Any) -> Any:
        return self.watched.update(carry, state, truth)

    def read(self, carry: Any, state: Any, truth: Any) -> jax.Array:
        value = self.watched.read(carry, state, truth)
        if value.size != 1:
            raise ValueError(f"a threshold needs an observable that is one number, got shape {value.shape}")
        return value.reshape(()) < self.threshold


def absorption_time() -> FirstTime:
    """First generation at which one state is left; generation g is the fit number g + 1."""
    return FirstTime(as_observable(absorbed))


def first_below(observable: Any, threshold: Any) -> FirstTime:
    """First generation at which an observable (a function, part or name) is below ``threshold``, a finite number."""
    return FirstTime(Below(as_observable(observable), threshold))


def _threshold(name: str, value: Any) -> float | int:
    found = arguments.number(name, value)
    # a count is compared with a whole number as it is
    return int(found) if isinstance(value, int | np.integer) and abs(found) <= arguments.LARGEST else found


@part
class Read:
    """A function of the parameters, or of the parameters and the truth, as an observable."""

    function: Callable[..., Any] = static()

    settles = True

    @property
    def unlabelled(self) -> bool:
        return getattr(self.function, "unlabelled", False)

    @property
    def shifts(self) -> bool | None:
        return getattr(self.function, "shifts", None)

    @property
    def needs_truth(self) -> bool:
        return len(_required(self.function)) == 2

    def start(self, truth: Any, first: Any) -> tuple:
        return ()

    def update(self, carry: Any, state: Any, truth: Any) -> Any:
        return carry

    def read(self, carry: Any, state: Any, truth: Any) -> Any:
        return self.function(state.params, truth) if self.needs_truth else self.function(state.params)


@part
class Call:
    """A part with ``__call__(params)`` as an observable: what it holds are leaves, not constants of the program."""

    function: Any

    settles = True

    def start(self, truth: Any, first: Any) -> tuple:
        return ()

    def update(self, carry: Any, state: Any, truth: Any) -> Any:
        return carry

    def read(self, carry: Any, state: Any, truth: Any) -> Any:
        return self.function(state.params)


def as_observable(given: Any) -> Any:
    """The observable behind a name, a function, or an object that is one already."""
    if isinstance(given, str):
        if given not in OBSERVABLES:
            raise ValueError(f"unknown observable {given!r}; the names are {', '.join(sorted(OBSERVABLES))}")
        given = OBSERVABLES[given]
    if all(hasattr(given, method) for method in ("start", "update", "read")):
        return given
    if not callable(given):
        raise TypeError(
            f"an observable must be a name, a function of (params) or (params, truth), or an Observable; got {given!r}"
        )
    if len(_required(given)) not in (1, 2):
        raise TypeError(f"an observable must take (params) or (params, truth), got {given!r}{inspect.signature(given)}")
    if dataclasses.is_dataclass(given):
        return Call(given)
    used(given)
    return Read(given)


def labelled(part: Any) -> tuple[str, tuple[str, ...]]:
    """Unit and names of dimensions of a known observable, whatever a run calls it; nothing for any other, whatever its name."""
    if type(part) is FirstTime:
        return LABELS["absorption_time"]
    function = getattr(part, "function", None)
    known = next((name for name, one in OBSERVABLES.items() if one is function), None)
    return ("", ()) if known is None else LABELS[known]


def check(observable: Any, params: Any) -> None:
    """Let an observable refuse parameters that it cannot be read from; of these, only shapes and types are known."""
    if hasattr(observable, "check"):
        observable.check(params)


def named(observe: Any) -> dict[str, Any]:
    """One observable, several, or a mapping from names, as a mapping from names to observables."""
    if isinstance(observe, Mapping) and observe:
        return {str(name): as_observable(given) for name, given in observe.items()}
    if hasattr(observe, "__array__"):
        raise TypeError(
            f"observe must be names, functions of (params) or (params, truth), or Observables; got {observe!r}"
        )
    several = [observe] if isinstance(observe, str) or not isinstance(observe, Iterable) else list(observe)
    out: dict[str, Any] = {}
    for given in several:
        name = given if isinstance(given, str) else getattr(given, "__name__", type(given).__name__)
        if name in out or name == "<lambda>":
            raise ValueError(
                f"observables need names of their own, got {name!r}: pass a dictionary of names and observables"
            )
        out[name] = as_observable(given)
    if not out:
        raise ValueError("observe must name at least one observable")
    return out


def _required(function: Callable[..., Any]) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind in kinds and p.default is inspect.Parameter.empty]


OBSERVABLES["absorption_time"] = absorption_time()
LABELS["absorption_time"] = ("generations", ())
