"""One legal call of every source, family, regime and observable, with every argument that it has."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import modelcollapse as mc
from modelcollapse import families
from modelcollapse import observables as text
from modelcollapse.observables import images as image_observables
from modelcollapse.observables import populations as population
from tests.toys import Bigram

PICTURES = np.random.default_rng(0).uniform(size=(16, 2, 2))
LAW, ROWS = [0.5, 0.25, 0.25], [[0.0, 1.0], [1.0, 0.5], [2.0, 3.0], [3.0, 1.5], [0.5, 2.0]]
EACH = [[0.75, 0.0], [1.0, 0.0]]
TOKENS = np.arange(32).reshape(8, 4) % 5
SIZE = {"size": 8, "generations": 2}


@dataclasses.dataclass(frozen=True)
class Case:
    """A callable, its arguments, and what is asked of its answer: a part must also be refused or taken by
    ``predictions``.
    """

    call: Callable[..., Any]
    arguments: dict[str, Any]
    then: Callable[[Any], Any] = lambda answer: answer
    raises: tuple[type[Exception], ...] = ()
    """What the docstring names beside ValueError and TypeError."""


def _draw(key: Any, n: int) -> Any:
    return jax.random.normal(key, (n, 1))


def predicted(source: Any, regime: Any = None, **size: int) -> Callable[[Any], Any]:
    """A family goes on to ``predictions``, which refuses whatever ``simulate`` refuses, before anything is compiled."""
    return lambda family: values(mc.predictions(family, source, regime, **{**SIZE, **size}))


def governed(family: Any, source: Any) -> Callable[[Any], Any]:
    """The same for a regime."""
    return lambda regime: values(mc.predictions(family, source, regime, **SIZE))


def observed(family: Any, source: Any, regime: Any = None) -> Callable[[Any], Any]:
    """The same for an observable."""
    return lambda observable: values(mc.predictions(family, source, regime, observe={"x": observable}, **SIZE))


def values(found: Any) -> list[Any]:
    return [prediction.values for prediction in found]


def sources() -> dict[str, Case]:
    spread = [[1.0, 0.25], [0.25, 2.0]]
    labelled = {"pixels": np.full((4, 2, 2), 0.5), "labels": [0, 1, 0, 1], "replace": True}
    return {
        "categorical": Case(mc.categorical, {"weights": LAW, "normalise": False}),
        "categorical (counts)": Case(mc.categorical, {"weights": [5, 3], "normalise": True}),
        "counts": Case(mc.counts, {"mapping": {"a": 3, "b": 5}}),
        "normal": Case(mc.normal, {"mean": [0.0, 1.0], "covariance": spread}),
        "normal (numbers)": Case(mc.normal, {"mean": 0.5, "covariance": 1.5}),
        "normal_mixture": Case(
            mc.normal_mixture,
            {"weights": [0.5, 0.5], "means": [0.0, 1.0], "covariances": [1.0, 2.0], "normalise": False},
        ),
        "linear": Case(mc.linear, {"weights": [1.0, 2.0], "covariance": spread, "noise": 1.0, "design": None}),
        "linear (design)": Case(mc.linear, {"weights": [1.0, 2.0], "covariance": 1.0, "noise": 1.0, "design": ROWS}),
        "logistic": Case(mc.sources.logistic, {"weights": [1.0, 2.0], "covariance": spread, "design": None}),
        "log_linear": Case(mc.sources.log_linear, {"weights": [1.0, 2.0], "covariance": 1.0, "design": ROWS}),
        "bernoulli": Case(mc.bernoulli, {"chance": 0.25}),
        "binomial": Case(mc.binomial, {"trials": 3, "chance": 0.25}),
        "poisson": Case(mc.poisson, {"mean": 2.0}),
        "negative_binomial": Case(mc.negative_binomial, {"mean": 2.0, "successes": 1.5}),
        "exponential": Case(mc.exponential, {"mean": 2.0}),
        "gamma": Case(mc.gamma, {"mean": 2.0, "shape": 1.5}),
        "uniform": Case(mc.uniform, {"end": 2.0}),
        "pareto": Case(mc.pareto, {"index": 2.5, "minimum": 1.0}),
        "table": Case(mc.table, {"rows": ROWS, "replace": True}),
        "table (states)": Case(mc.table, {"rows": [0, 1, 2, 1], "replace": False}),
        "labels": Case(mc.labels, {"values": ["a", "b", "a"], "replace": True}),
        "images": Case(mc.images, labelled),
        "separate": Case(lambda sources: mc.sources.separate(*sources), {"sources": [mc.categorical(LAW)] * 2}),
        "sampler": Case(mc.sampler, {"draw": _draw}),
        "Law": Case(
            mc.Law,
            {"family": mc.Discrete(), "params": jnp.asarray(LAW), "named": None, "exact": None},
            lambda law: values(mc.predictions(mc.Discrete(), law, **SIZE)),
        ),
    }


def family_cases() -> dict[str, Case]:
    coins, line, plane = mc.categorical(LAW), mc.normal(), mc.normal([0.0, 1.0])
    pictures = mc.images(PICTURES.reshape(4, 4, 4))
    classes = mc.images(PICTURES, [0, 1] * 8)
    vae = {
        "latent": 2, "network": families.MLP((3,)), "steps": 2, "batch": 2, "rate": 0.5, "kl_weight": 1.0, "weight_decay": 0.0,
        "output": "mean", "start": "fresh", "warm_steps": None, "noise": None,
    }  # fmt: skip
    regression = {
        "rows": families.NormalRows(np.eye(2)), "noise": 1.0, "penalty": 0.0, "minimum_norm": False, "alone": False, "steps": None,
        "rate": None,
    }  # fmt: skip
    own = {"rows": families.NormalRows(np.eye(2)), "penalty": 0.0, "steps": 10}
    mixture = {
        "components": 2,
        "reg_covar": 0.5,
        "tol": 0.5,
        "max_iter": 10,
        "init": "parent",
        "tied": False,
        "mirrored": False,
    }
    linear = mc.linear([1.0, 2.0])
    transformer = {"vocabulary": 5, "width": 4, "layers": 1, "heads": 2, "length": 8}
    network, tokens, rewrite = families.Transformer(**transformer), mc.sources.tokens(TOKENS), mc.regimes.Rewrite(0.25)
    base = jax.tree.map(lambda leaf: np.ones(leaf.shape, leaf.dtype), jax.eval_shape(network.init, jax.random.key(0)))
    language = {
        "network": network, "base": base, "decoding": families.Beam(2), "epochs": 2, "batch": 2, "rate": 0.5, "decay": 0.25,
        "start": "base", "validation": TOKENS[:2], "prompts": TOKENS[2:], "at_once": 2,
    }  # fmt: skip
    sampled = {
        "temperature": 0.5, "top_k": 2, "top_p": 0.5, "min_p": 0.25, "typical": 0.75, "epsilon": 0.125, "eta": 0.125,
        "repetition": 2.0,
    }  # fmt: skip
    written = lambda one: predicted(tokens, rewrite)(families.LanguageModel(**language | one))  # noqa: E731
    autoencoder = lambda one: values(mc.predictions(mc.VAE(2, one, steps=2, batch=2), pictures, **SIZE))  # noqa: E731
    rows = lambda one: values(mc.predictions(mc.Regression(one), linear, size=5, generations=2))  # noqa: E731
    return {
        "Discrete": Case(mc.Discrete, {"states": 3}, predicted(coins)),
        "Gaussian": Case(mc.Gaussian, {"ddof": 1}, predicted(plane)),
        "GaussianMean": Case(mc.GaussianMean, {"covariance": 1.0}, predicted(line)),
        "GaussianMixture": Case(mc.GaussianMixture, mixture, predicted(line)),
        "KernelDensity": Case(mc.KernelDensity, {"bandwidth": 0.5, "rule": "fixed", "scaled": None}, predicted(line)),
        "Binomial": Case(mc.Binomial, {"trials": 3}, predicted(mc.binomial(3, 0.25))),
        "Poisson": Case(mc.Poisson, {}, predicted(mc.poisson(2.0))),
        "NegativeBinomial": Case(mc.NegativeBinomial, {"successes": 1.5}, predicted(mc.negative_binomial(2.0, 1.5))),
        "Gamma": Case(mc.Gamma, {"shape": 1.5}, predicted(mc.gamma(2.0, 1.5))),
        "Uniform": Case(mc.Uniform, {"estimator": "mle"}, predicted(mc.uniform(2.0))),
        "Pareto": Case(mc.Pareto, {"minimum": 1.0, "estimator": "mle"}, predicted(mc.pareto(2.5))),
        "Conditional": Case(mc.Conditional, {"family": mc.Gaussian(), "classes": 2}, predicted(classes)),
        "Population": Case(families.Population, {"family": mc.Discrete(), "models": 2}, predicted(coins)),
        "Damped": Case(mc.Damped, {"family": mc.Gaussian(), "rate": 0.5}, predicted(line)),
        "Exact": Case(mc.Exact, {"family": mc.Gaussian()}, predicted(line)),
        "Gaussian (divisor)": Case(mc.Gaussian, {"ddof": 1, "divisor": "log_unbiased"}, predicted(plane)),
        "Posterior": Case(
            families.Posterior, {"family": mc.Discrete(), "strength": 0.5, "base": LAW, "per": "fit"}, predicted(coins)
        ),
        "Stratified": Case(families.Stratified, {"family": mc.Discrete()}, predicted(coins)),
        "Shrunk": Case(families.Shrunk, {"family": mc.Discrete(), "to": LAW, "weight": 0.5}, predicted(coins)),
        "Oversampled": Case(families.Oversampled, {"family": mc.Discrete(), "times": 2}, predicted(coins)),
        "Ensemble": Case(families.Ensemble, {"family": mc.Gaussian(), "refits": 2, "samples": "one"}, predicted(line)),
        "NGram": Case(
            families.NGram,
            {
                "order": 2,
                "smoothing": 0.5,
                "decoding": families.Greedy(),
                "prompts": "random",
                "form": "counts",
                "vocabulary": 5,
            },
            predicted(mc.table(TOKENS)),
        ),
        "NGram (background)": Case(
            families.NGram,
            {"background": [0.5, 0.25, 0.25, 0.0, 0.0], "strength": 1.5, "interpolation": None},
            predicted(mc.table(TOKENS), size=24),
        ),
        "MedianMAD": Case(families.MedianMAD, {}, predicted(line)),
        "StudentT": Case(families.StudentT, {"dof": 3.0, "iterations": 10}, predicted(line)),
        "Rounded": Case(mc.Rounded, {"family": mc.Gaussian(), "dtype": "float16", "rows": True}, predicted(line)),
        "Tempered": Case(families.Tempered, {"family": mc.Discrete(), "temperature": 0.5}, predicted(coins)),
        "Truncated": Case(families.Truncated, {"family": mc.Discrete(), "top_k": 2, "top_p": 0.5}, predicted(coins)),
        "Truncated (width)": Case(families.Truncated, {"family": mc.Gaussian(), "within": 2.0}, predicted(line)),
        "Curated": Case(
            families.Curated,
            {"family": mc.Discrete(), "reward": [0.0, 1.0, 2.0], "choices": 3, "pick": "best"},
            predicted(coins),
        ),
        "Curated (several)": Case(
            families.Curated,
            {
                "family": mc.Discrete(),
                "reward": [[0.0, 1.0, 2.0]] * 2,
                "choices": 2,
                "pick": "bradley-terry",
                "shares": [0.5, 0.5],
            },
            predicted(coins),
        ),
        "Verified": Case(
            families.Verified, {"family": mc.Discrete(), "accept": [0.5, 1.0, 0.25], "rounds": 3}, predicted(coins)
        ),
        "Verified (truth)": Case(
            families.Verified,
            {"family": mc.Discrete(), "correct": [1, 0, 1], "right": 0.75, "wrong": 0.25},
            predicted(coins),
        ),
        "Noisy": Case(families.Noisy, {"family": mc.Gaussian(), "scale": 0.5}, predicted(line)),
        "PPCA": Case(mc.PPCA, {"latent": 1, "noise": 0.5, "kl_weight": 1.0, "output": "mean"}, predicted(plane)),
        "VAE": Case(mc.VAE, vae, predicted(pictures)),
        "Greedy": Case(families.Greedy, {}, lambda one: written({"decoding": one})),
        "Sampled": Case(families.Sampled, sampled, lambda one: written({"decoding": one})),
        "Beam": Case(families.Beam, {"width": 2, "penalty": 2.0}, lambda one: written({"decoding": one})),
        "Transformer": Case(
            families.Transformer, transformer, lambda one: written({"network": one, "base": None, "start": "fresh"})
        ),
        "LanguageModel": Case(families.LanguageModel, language, predicted(tokens, rewrite)),
        "Regression": Case(mc.Regression, regression, predicted(linear)),
        "Regression (descent)": Case(mc.Regression, {**regression, "steps": 3, "rate": 0.25}, predicted(linear)),
        "LogisticRegression": Case(families.LogisticRegression, own, predicted(mc.sources.logistic([1.0, 2.0]))),
        "PoissonRegression": Case(families.PoissonRegression, own, predicted(mc.sources.log_linear([1.0, 2.0]))),
        "Design": Case(families.Design, {"given": ROWS, "factor": np.eye(2)}, rows),
        "NormalRows": Case(families.NormalRows, {"factor": np.eye(2)}, rows),
        "MLP": Case(families.MLP, {"hidden": (3,)}, autoencoder),
        "Convolutional": Case(families.Convolutional, {"channels": 2, "shape": (4, 4)}, autoencoder),
    }


def regimes() -> dict[str, Case]:
    states = governed(mc.Discrete(), mc.categorical(LAW))
    numbers = governed(mc.Gaussian(), mc.normal())
    together = governed(families.Population(mc.Discrete(), models=2), mc.categorical(LAW))
    exchange = {
        "weights": EACH, "real": [0.25, 0.0], "sizes": [8, 4], "enters": [0, 0], "frozen": [2, None], "shared": None,
        "fixed": True, "numbers": [1, 0],
    }  # fmt: skip
    blocks = governed(Bigram(), mc.table(TOKENS))
    switch = {"before": mc.Replace(), "after": mc.FreshReal(0.25), "generation": 1}
    return {
        "Exchange": Case(mc.regimes.Exchange, exchange, together),
        "Exchange (schedule)": Case(mc.regimes.Exchange, exchange | {"weights": [EACH] * 3, "fixed": False}, together),
        "Replace": Case(mc.Replace, {}, states),
        "Accumulate": Case(mc.Accumulate, {}, states),
        "AccumulateSubsample": Case(mc.AccumulateSubsample, {"budget": 4}, states),
        "FreshReal": Case(mc.FreshReal, {"share": 0.25}, states),
        "FreshReal (schedule)": Case(mc.FreshReal, {"share": [0.0, 0.25, 0.5]}, states),
        "FixedReal": Case(mc.FixedReal, {"share": 0.25}, states),
        "Retain": Case(mc.Retain, {"share": 0.25, "fresh": 0.25}, states),
        "Weighted": Case(mc.Weighted, {"weight": 0.25, "share": 0.5}, numbers),
        "Weighted (states)": Case(mc.Weighted, {"weight": 0.25, "share": 0.5}, states),
        "Detected": Case(
            mc.regimes.Detected,
            {
                "regime": mc.FreshReal(0.25),
                "true_positive": 0.5,
                "false_positive": 0.25,
                "refill": False,
                "weight": 0.0,
            },
            states,
        ),
        "Mixture": Case(mc.Mixture, {"alpha": 0.5, "beta": 0.25, "gamma": 0.25, "depth": None}, states),
        "Mixture (ring)": Case(mc.Mixture, {"alpha": 0.5, "beta": 0.25, "gamma": 0.25, "depth": 2}, numbers),
        "Switch": Case(mc.Switch, switch, states),
        "Rewrite": Case(mc.regimes.Rewrite, {"share": 0.25}, blocks),
        "Rewrite (schedule)": Case(mc.regimes.Rewrite, {"share": [0.0, 0.25, 0.5]}, blocks),
    }


def observables() -> dict[str, Case]:
    states = observed(mc.Discrete(), mc.categorical(LAW))
    several = observed(families.Population(mc.Discrete(), models=2), mc.categorical(LAW))
    within = observed(mc.Conditional(mc.Gaussian(), 2), mc.images(PICTURES, [0, 1] * 8))
    vae = mc.VAE(2, families.MLP((3,)), steps=2, batch=2)
    pictures = np.linspace(0, 1, 64).reshape(4, 16)
    seen = observed(vae, mc.images(pictures))
    classifier = image_observables.Classifier([{"weights": np.eye(16)[:, :2], "offset": np.zeros(2)}], 0.5)
    drawn = {"family": vae, "draws": 3}
    train = {
        "pixels": np.linspace(0, 1, 64).reshape(4, 4, 4), "labels": [0, 1, 0, 1], "hidden": 2, "steps": 2, "batch": 2, "rate": 0.5,
        "held_out": 0.5, "seed": 0,
    }  # fmt: skip
    read = observed(Bigram(), mc.table(TOKENS), mc.regimes.Rewrite(0.25))
    return {
        "absorption_time": Case(mc.absorption_time, {}, states),
        "excess_log_loss": Case(
            mc.excess_log_loss, {"source": mc.normal()}, observed(mc.GaussianMixture(2, 0.5), mc.normal())
        ),
        "first_below": Case(mc.first_below, {"observable": "heterozygosity", "threshold": 0.5}, states),
        "of": Case(mc.of, {"field": "models", "observable": image_observables.Each(mean_of)}, within),
        "between": Case(population.between, {"observable": "mismatch"}, several),
        "union": Case(population.union, {"observable": "heterozygosity", "weights": [0.5, 0.5]}, several),
        "fixation_index": Case(population.fixation_index, {"mismatches": np.full((3, 2, 2, 2), 0.5)}),
        "tail_mass": Case(mc.tail_mass, {"states": [0, 1], "below": None}, states),
        "tail_mass (below)": Case(mc.tail_mass, {"states": None, "below": 0.25}, states),
        "observables.living_cross_entropy": Case(text.living_cross_entropy, {"blocks": [[0, 1, 2], [2, 4, 0]]}, read),
        "observables.lost_share": Case(text.lost_share, {"blocks": [[0, 1, 2], [2, 4, 0]]}, read),
        "observables.perplexity": Case(text.perplexity, {"blocks": [[0, 1, 2], [2, 4, 0]]}, read),
        "observables.cross_entropy": Case(text.cross_entropy, {"blocks": [[0, 1, 2], [2, 4, 0]]}, read),
        "observables.own_cross_entropy": Case(text.own_cross_entropy, {"under": 0}, read),
        "observables.own_perplexity": Case(text.own_perplexity, {"under": 0}, read),
        "observables.own_losses": Case(text.own_losses, {"under": 1}, read),
        "observables.own_perplexity_quantiles": Case(
            text.own_perplexity_quantiles, {"at": [0.25, 0.5], "under": 0}, read
        ),
        "observables.own_perplexity_histogram": Case(
            text.own_perplexity_histogram, {"edges": [2.0, 4.0], "under": 0}, read
        ),
        "observables.distinct": Case(text.distinct, {"n": 2}, read),
        "observables.repetition": Case(text.repetition, {"n": 2}, read),
        "observables.looped": Case(text.looped, {"max_period": 2}, read),
        "observables.unigrams": Case(text.unigrams, {"vocabulary": 5}, read),
        "observables.token_entropy": Case(text.token_entropy, {}, read),
        "observables.zipf_slope": Case(text.zipf_slope, {"ranks": 3}, read),
        "observables.blocks": Case(text.blocks, {"number": 2}, read),
        "image_observables.Images": Case(image_observables.Images, drawn, seen),
        "image_observables.PixelVariance": Case(image_observables.PixelVariance, drawn, seen),
        "image_observables.EvidenceBound": Case(image_observables.EvidenceBound, {"images": pictures}, seen),
        "image_observables.Latents": Case(image_observables.Latents, {**drawn, "reference": None}, seen),
        "image_observables.LatentSpread": Case(image_observables.LatentSpread, {**drawn, "reference": None}, seen),
        "image_observables.ClassHistogram": Case(
            image_observables.ClassHistogram, {**drawn, "classifier": classifier}, seen
        ),
        "image_observables.FrechetDistance": Case(
            image_observables.FrechetDistance, {**drawn, "classifier": classifier, "images": pictures}, seen
        ),
        "image_observables.frechet_distance": Case(
            image_observables.frechet_distance, {"classifier": classifier, "images": pictures, "others": pictures}
        ),
        "image_observables.NearestReal": Case(image_observables.NearestReal, {**drawn, "images": pictures}, seen),
        "image_observables.Each": Case(
            image_observables.Each, {"function": mean_of}, lambda each: within(mc.of("models", each))
        ),
        "image_observables.train_classifier": Case(image_observables.train_classifier, train),
    }


def mean_of(params: Any) -> Any:
    return params.mean


ALL = (sources, family_cases, regimes, observables)
"""What makes the cases, in the precision in force."""
