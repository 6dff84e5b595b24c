"""Every public constructor and function says what is wrong with an argument before anything is compiled, and takes what
means a number.

One table has a row for each argument, with its kind; one has the values that no argument of a kind can be. A new field
of a family or regime that is in no row fails the test of completeness.
"""

from __future__ import annotations

import dataclasses
import decimal
import fractions
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse import ancestry, families, observables, regimes, transport
from modelcollapse_theory import replacement as theory

COINS = mc.categorical([0.5, 0.5])
LINE = mc.normal()
PLANE = mc.normal([0.0, 0.0])


class Column:
    """A column of a data frame, as far as anybody may ask."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def to_numpy(self) -> np.ndarray:
        return np.array(self.values)


def run(**options: Any) -> Any:
    """A call of ``simulate`` that nothing but a refusal may leave."""
    return mc.simulate(*(mc.Discrete(), COINS), **({"observe": "entropy", "size": 10, "generations": 4} | options))


def traced(**options: Any) -> Any:
    return mc.trace(*(mc.Discrete(), COINS), **({"observe": "entropy", "size": 10, "generations": 4} | options))


def hosted(**options: Any) -> Any:
    return mc.simulate_models(lambda: None, LINE, **({"size": 10, "generations": 4} | options))


def counts(**options: Any) -> Any:
    key = jax.random.key(0)
    return ancestry.final_counts(
        key,
        *(options.pop(n, d) for n, d in (("probabilities", [0.5, 0.5]), ("sample_size", 4), ("fits", 3))),
        **options,
    )


def vae(**options: Any) -> Any:
    return mc.VAE(**({"noise": 1.0} | options))


NETWORK = families.Transformer(5, width=4, layers=1, heads=1, length=8)
BASE = jax.eval_shape(NETWORK.init, jax.random.key(0))
BASE = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), BASE)


def language(**options: Any) -> Any:
    return families.LanguageModel(**({"network": NETWORK, "base": BASE} | options))


def regression(**options: Any) -> Any:
    return mc.Regression(**({"rows": families.NormalRows([[1.0]])} | options))


def own_labels(kind: Any, name: str, value: Any) -> Any:
    return kind(families.NormalRows([[1.0]]), **{name: value})


def descent(**options: Any) -> Any:
    return regression(**({"steps": 3, "rate": 0.1} | options))


def decompose(**options: Any) -> Any:
    return mc.decompose(
        **({"build": lambda on: {"family": mc.Gaussian(), "source": LINE}, "errors": ["a"], "chains": 2} | options)
    )


def switch(**options: Any) -> Any:
    return mc.Switch(**({"before": mc.Replace(), "after": mc.Replace(), "generation": 2} | options))


ROWS: dict[str, tuple[Callable[[Any], Any], str]] = {
    # families
    "Discrete.states": (mc.Discrete, "count or none"),
    "Gaussian.ddof": (mc.Gaussian, "choice"),
    "Gaussian.divisor": (lambda v: mc.Gaussian(divisor=v), "word or none"),
    "GaussianMixture.components": (mc.GaussianMixture, "count"),
    "GaussianMixture.reg_covar": (lambda v: mc.GaussianMixture(1, reg_covar=v), "nonnegative"),
    "GaussianMixture.tol": (lambda v: mc.GaussianMixture(1, tol=v), "nonnegative"),
    "GaussianMixture.max_iter": (lambda v: mc.GaussianMixture(1, max_iter=v), "count"),
    "GaussianMixture.init": (lambda v: mc.GaussianMixture(1, init=v), "word"),
    "GaussianMixture.tied": (lambda v: mc.GaussianMixture(2, tied=v), "flag"),
    "GaussianMixture.mirrored": (lambda v: mc.GaussianMixture(2, mirrored=v), "flag"),
    "NGram.order": (families.NGram, "count"),
    "NGram.smoothing": (lambda v: families.NGram(smoothing=v), "nonnegative"),
    "NGram.background": (lambda v: families.NGram(background=v, strength=1.0), "law or none"),
    "NGram.strength": (lambda v: families.NGram(strength=v), "nonnegative or none"),
    "NGram.interpolation": (lambda v: families.NGram(interpolation=v), "share or none"),
    "NGram.decoding": (lambda v: families.NGram(decoding=v), "part or none"),
    "NGram.prompts": (lambda v: families.NGram(prompts=v), "word"),
    "NGram.form": (lambda v: families.NGram(form=v), "word or none"),
    "NGram.text": (lambda v: families.NGram(text=v), "part or none"),
    "NGram.vocabulary": (lambda v: families.NGram(vocabulary=v), "count or none"),
    "KernelDensity.bandwidth": (mc.KernelDensity, "positive"),
    "KernelDensity.rule": (lambda v: mc.KernelDensity(rule=v), "word"),
    "KernelDensity.scaled": (lambda v: mc.KernelDensity(scaled=v), "flag or none"),
    "PPCA.latent": (mc.PPCA, "count"),
    "PPCA.noise": (lambda v: mc.PPCA(1, noise=v), "positive or none"),
    "PPCA.kl_weight": (lambda v: mc.PPCA(1, noise=1.0, kl_weight=v), "positive"),
    "PPCA.output": (lambda v: mc.PPCA(1, output=v), "word"),
    "Sampled.temperature": (families.Sampled, "nonnegative"),
    "Sampled.top_k": (lambda v: families.Sampled(top_k=v), "count or none"),
    "Sampled.top_p": (lambda v: families.Sampled(top_p=v), "positive share or none"),
    "Sampled.typical": (lambda v: families.Sampled(typical=v), "positive share or none"),
    "Sampled.min_p": (lambda v: families.Sampled(min_p=v), "share or none"),
    "Sampled.epsilon": (lambda v: families.Sampled(epsilon=v), "share or none"),
    "Sampled.eta": (lambda v: families.Sampled(eta=v), "share or none"),
    "Sampled.repetition": (lambda v: families.Sampled(repetition=v), "positive or none"),
    "Beam.width": (families.Beam, "count"),
    "Beam.penalty": (lambda v: families.Beam(penalty=v), "positive or none"),
    "Watermarked.decoding": (families.Watermarked, "part"),
    "Watermarked.share": (lambda v: families.Watermarked(share=v), "inner share"),
    "Watermarked.delta": (lambda v: families.Watermarked(delta=v), "nonnegative"),
    "Watermarked.key": (lambda v: families.Watermarked(key=v), "whole or none"),
    "Gumbel.decoding": (families.Gumbel, "part"),
    "Gumbel.key": (lambda v: families.Gumbel(key=v), "whole or none"),
    "Gumbel.per": (lambda v: families.Gumbel(per=v), "word"),
    "GreenScore.vocabulary": (families.GreenScore, "count"),
    "GreenScore.share": (lambda v: families.GreenScore(9, v), "inner share"),
    "GreenScore.key": (lambda v: families.GreenScore(9, key=v), "whole"),
    "GumbelScore.vocabulary": (families.GumbelScore, "count"),
    "GumbelScore.key": (lambda v: families.GumbelScore(9, v), "whole"),
    "GumbelScore.per": (lambda v: families.GumbelScore(9, per=v), "word"),
    "Transformer.vocabulary": (families.Transformer, "count"),
    "Transformer.width": (lambda v: families.Transformer(5, width=v, heads=1), "count"),
    "Transformer.layers": (lambda v: families.Transformer(5, layers=v), "count"),
    "Transformer.heads": (lambda v: families.Transformer(5, heads=v), "count"),
    "Transformer.length": (lambda v: families.Transformer(5, length=v), "count"),
    "LanguageModel.network": (lambda v: language(network=v), "part"),
    "LanguageModel.base": (lambda v: language(base=v), "weights of a network"),
    "LanguageModel.decoding": (lambda v: language(decoding=v), "part"),
    "LanguageModel.epochs": (lambda v: language(epochs=v), "count"),
    "LanguageModel.batch": (lambda v: language(batch=v), "count"),
    "LanguageModel.rate": (lambda v: language(rate=v), "positive"),
    "LanguageModel.decay": (lambda v: language(decay=v), "nonnegative"),
    "LanguageModel.start": (lambda v: language(start=v), "word"),
    "LanguageModel.validation": (lambda v: language(validation=v), "blocks or none"),
    "LanguageModel.prompts": (lambda v: language(prompts=v), "blocks or none"),
    "LanguageModel.at_once": (lambda v: language(at_once=v), "count"),
    "Binomial.trials": (mc.Binomial, "count"),
    "NegativeBinomial.successes": (mc.NegativeBinomial, "positive"),
    "Gamma.shape": (mc.Gamma, "positive"),
    "GaussianMean.covariance": (mc.GaussianMean, "positive or matrix"),
    "Pareto.minimum": (mc.Pareto, "positive"),
    "Pareto.estimator": (lambda v: mc.Pareto(estimator=v), "word"),
    "Uniform.estimator": (mc.Uniform, "word"),
    "Damped.family": (lambda v: mc.Damped(v, 0.5), "part"),
    "Damped.rate": (lambda v: mc.Damped(mc.Gaussian(), v), "share"),
    "Exact.family": (mc.Exact, "part"),
    "Tempered.family": (lambda v: families.Tempered(v, 0.5), "part"),
    "Tempered.temperature": (lambda v: families.Tempered(mc.Discrete(), v), "positive"),
    "Truncated.family": (lambda v: families.Truncated(v, top_k=2), "part"),
    "Truncated.top_k": (lambda v: families.Truncated(mc.Discrete(), top_k=v), "count"),
    "Truncated.top_p": (lambda v: families.Truncated(mc.Discrete(), top_p=v), "positive share"),
    "Truncated.within": (lambda v: families.Truncated(mc.Gaussian(), within=v), "positive or infinite"),
    "Curated.family": (lambda v: families.Curated(v, [0.0, 1.0]), "part"),
    "Curated.reward": (lambda v: families.Curated(mc.Discrete(), v), "vector"),
    "Curated.choices": (lambda v: families.Curated(mc.Discrete(), [0.0, 1.0], v), "count or infinite"),
    "Curated.pick": (lambda v: families.Curated(mc.Discrete(), [0.0, 1.0], pick=v), "word"),
    "Curated.shares": (lambda v: families.Curated(mc.Discrete(), [[0.0, 1.0], [1.0, 0.0]], shares=v), "weights"),
    "Verified.family": (lambda v: families.Verified(v, [0.0, 1.0]), "part"),
    "Verified.accept": (lambda v: families.Verified(mc.Discrete(), v), "chances"),
    "Verified.correct": (lambda v: families.Verified(mc.Discrete(), None, v, 0.9, 0.1), "truths"),
    "Verified.right": (lambda v: families.Verified(mc.Discrete(), None, [1, 0], v, 0.1), "share"),
    "Verified.wrong": (lambda v: families.Verified(mc.Discrete(), None, [1, 0], 0.9, v), "share"),
    "Verified.rounds": (lambda v: families.Verified(mc.Discrete(), [0.0, 1.0], rounds=v), "count"),
    "Noisy.family": (lambda v: families.Noisy(v, 0.5), "part"),
    "Noisy.scale": (lambda v: families.Noisy(mc.Gaussian(), v), "nonnegative"),
    "Posterior.family": (lambda v: families.Posterior(v, 1.0), "part"),
    "Posterior.strength": (lambda v: families.Posterior(mc.Discrete(), v), "nonnegative"),
    "Posterior.base": (lambda v: families.Posterior(mc.Discrete(), 1.0, v), "law or none"),
    "Posterior.per": (lambda v: families.Posterior(mc.Discrete(), 1.0, per=v), "word"),
    "Stratified.family": (families.Stratified, "part"),
    "Shrunk.family": (lambda v: families.Shrunk(v, None, 0.5), "part"),
    "Shrunk.to": (lambda v: families.Shrunk(mc.Gaussian(), v, 0.5), "law or none"),
    "Shrunk.weight": (lambda v: families.Shrunk(mc.Gaussian(), None, v), "share"),
    "Oversampled.family": (lambda v: families.Oversampled(v, 2), "part"),
    "Oversampled.times": (lambda v: families.Oversampled(mc.Discrete(), v), "count"),
    "Ensemble.family": (lambda v: families.Ensemble(v, 2), "part"),
    "Ensemble.refits": (lambda v: families.Ensemble(mc.Discrete(), v), "count"),
    "Ensemble.samples": (lambda v: families.Ensemble(mc.Discrete(), 2, v), "word"),
    "StudentT.dof": (families.StudentT, "positive"),
    "StudentT.iterations": (lambda v: families.StudentT(3.0, v), "count"),
    "Rounded.family": (mc.Rounded, "part"),
    "Rounded.dtype": (lambda v: mc.Rounded(mc.Gaussian(), v), "word"),
    "Rounded.rows": (lambda v: mc.Rounded(mc.Gaussian(), rows=v), "flag"),
    "Conditional.family": (lambda v: mc.Conditional(v, 2), "part"),
    "Conditional.classes": (lambda v: mc.Conditional(mc.Gaussian(), v), "count"),
    "Design.given": (mc.Design, "table"),
    "Design.factor": (lambda v: mc.Design([[1.0, 0.0], [0.0, 1.0]], v), "table or none"),
    "NormalRows.factor": (families.NormalRows, "table"),
    **{
        f"{kind.__name__}.{name}": (make, rule)
        for kind in (families.LogisticRegression, families.PoissonRegression)
        for name, make, rule in (
            ("rows", kind, "part"),
            ("penalty", functools.partial(own_labels, kind, "penalty"), "nonnegative"),
            ("steps", functools.partial(own_labels, kind, "steps"), "count"),
        )
    },
    "Regression.rows": (mc.Regression, "part"),
    "Regression.noise": (lambda v: regression(noise=v), "nonnegative"),
    "Regression.penalty": (lambda v: regression(penalty=v), "nonnegative"),
    "Regression.minimum_norm": (lambda v: regression(minimum_norm=v), "flag"),
    "Regression.alone": (lambda v: regression(alone=v), "flag"),
    "Regression.steps": (lambda v: descent(steps=v), "count"),
    "Regression.rate": (lambda v: descent(rate=v), "positive"),
    "VAE.latent": (lambda v: vae(latent=v), "count"),
    "VAE.network": (lambda v: vae(network=v), "part"),
    "VAE.steps": (lambda v: vae(steps=v), "count"),
    "VAE.batch": (lambda v: vae(batch=v), "count"),
    "VAE.rate": (lambda v: vae(rate=v), "positive"),
    "VAE.kl_weight": (lambda v: vae(kl_weight=v), "nonnegative"),
    "VAE.weight_decay": (lambda v: vae(weight_decay=v), "nonnegative"),
    "VAE.output": (lambda v: vae(output=v), "word"),
    "VAE.start": (lambda v: vae(start=v), "word"),
    "VAE.warm_steps": (lambda v: vae(start="warm", warm_steps=v), "count or none"),
    "VAE.noise": (lambda v: mc.VAE(noise=v), "positive or none"),
    "MLP.hidden": (families.MLP, "counts"),
    "Convolutional.channels": (families.Convolutional, "count"),
    "Convolutional.shape": (lambda v: families.Convolutional(shape=v), "counts"),
    # regimes
    "FreshReal.share": (mc.FreshReal, "shares"),
    "FixedReal.share": (mc.FixedReal, "share"),
    "Retain.share": (mc.Retain, "shares"),
    "Retain.fresh": (lambda v: mc.Retain(0.0, v), "shares"),
    "Rewrite.share": (regimes.Rewrite, "shares"),
    "AccumulateSubsample.budget": (mc.AccumulateSubsample, "count or none"),
    "Weighted.weight": (mc.Weighted, "shares"),
    "Weighted.share": (lambda v: mc.Weighted(0.5, v), "shares"),
    "Mixture.alpha": (mc.Mixture, "shares"),
    "Mixture.beta": (lambda v: mc.Mixture(0.0, v), "shares"),
    "Mixture.gamma": (lambda v: mc.Mixture(0.0, 0.0, v), "shares"),
    "Mixture.depth": (lambda v: mc.Mixture(depth=v), "count or none"),
    "Detected.regime": (lambda v: regimes.Detected(v, 0.5, 0.1), "part"),
    "Detected.true_positive": (lambda v: regimes.Detected(mc.Replace(), v, 0.1), "rates"),
    "Detected.false_positive": (lambda v: regimes.Detected(mc.Replace(), 0.5, v), "rates"),
    "Detected.refill": (lambda v: regimes.Detected(mc.Replace(), 0.5, 0.1, refill=v), "flag or none"),
    "Detected.weight": (lambda v: regimes.Detected(mc.Replace(), 0.5, 0.1, weight=v), "share or none"),
    "Detected.score": (lambda v: regimes.Detected(mc.Replace(), score=v, threshold=0.5), "function"),
    "Detected.threshold": (lambda v: regimes.Detected(mc.Replace(), score=abs, threshold=v), "number"),
    "Population.family": (lambda v: families.Population(v, 2), "part"),
    "Population.models": (lambda v: families.Population(mc.Discrete(), v), "count"),
    "Exchange.weights": (lambda v: regimes.Exchange(v, 0.0), "matrix of shares"),
    "Exchange.real": (lambda v: regimes.Exchange(np.eye(2), v), "shares of models"),
    "Exchange.sizes": (lambda v: regimes.Exchange(np.eye(2), 0.0, sizes=v), "sizes of models"),
    "Exchange.enters": (lambda v: regimes.Exchange(np.eye(2), 0.0, enters=v), "whole of models"),
    "Exchange.frozen": (lambda v: regimes.Exchange(np.eye(2), 0.0, frozen=v), "whole of models"),
    "Exchange.shared": (lambda v: regimes.Exchange(np.eye(2), 0.0, shared=v), "whole of models"),
    "Exchange.fixed": (lambda v: regimes.Exchange(np.eye(2), 0.0, fixed=v), "flag"),
    "Exchange.numbers": (lambda v: regimes.Exchange(np.eye(2), 0.0, numbers=v), "numbers of models"),
    "Switch.before": (lambda v: switch(before=v), "part"),
    "Switch.after": (lambda v: switch(after=v), "part"),
    "Switch.generation": (lambda v: switch(generation=v), "count"),
    # observables
    "tail_mass states": (mc.tail_mass, "states"),
    "tail_mass below": (lambda v: mc.tail_mass(below=v), "positive share or none"),
    "first_below threshold": (lambda v: mc.first_below("entropy", v), "number"),
    "first_below observable": (lambda v: mc.first_below(v, 0.1), "part"),
    "of field": (lambda v: mc.of(v, "entropy"), "text"),
    "of observable": (lambda v: mc.of("frequencies", v), "part"),
    "excess_log_loss source": (mc.excess_log_loss, "part"),
    "perplexity blocks": (observables.perplexity, "blocks"),
    "cross_entropy blocks": (observables.cross_entropy, "blocks"),
    "own_cross_entropy under": (observables.own_cross_entropy, "whole"),
    "own_perplexity under": (observables.own_perplexity, "whole"),
    "own_losses under": (observables.own_losses, "whole"),
    "own_perplexity_quantiles at": (observables.own_perplexity_quantiles, "chances of blocks"),
    "own_perplexity_histogram edges": (observables.own_perplexity_histogram, "edges"),
    "living_cross_entropy blocks": (observables.living_cross_entropy, "blocks"),
    "lost_share blocks": (observables.lost_share, "blocks"),
    "distinct n": (observables.distinct, "count"),
    "repetition n": (observables.repetition, "count"),
    "looped max_period": (observables.looped, "count"),
    "unigrams vocabulary": (observables.unigrams, "count"),
    "zipf_slope ranks": (observables.zipf_slope, "count or none"),
    "blocks number": (observables.blocks, "count"),
    # functions
    **{
        f"{name} {argument}": (lambda v, call=call, argument=argument: call(**{argument: v}), kind)
        for name, call in (("simulate", run), ("trace", traced), ("simulate_models", hosted))
        for argument, kind in (("size", "size"), ("generations", "generations"), ("chains", "count"), ("regime", "part or none"))
    },
    "simulate family": (lambda v: mc.simulate(v, COINS, size=3, generations=1), "part"),
    "simulate source": (lambda v: mc.simulate(mc.Discrete(), v, size=3, generations=1), "part"),
    "simulate observe": (lambda v: run(observe=v), "observe"),
    "simulate record": (lambda v: run(record=v), "record or none"),
    "simulate batch_size": (lambda v: run(batch_size=v), "count or none"),
    "simulate progress": (lambda v: run(progress=v), "flag"),
    "simulate mesh": (lambda v: run(mesh=v), "part or none"),
    "simulate seed": (lambda v: run(seed=v), "seed"),
    "trace seed": (lambda v: traced(seed=v), "seed"),
    "simulate_models seed": (lambda v: hosted(seed=v), "seed"),
    "simulate_models record": (lambda v: hosted(record=v), "record or none"),
    "simulate_models make_model": (lambda v: mc.simulate_models(v, LINE, size=3, generations=1), "function"),
    "decompose errors": (lambda v: decompose(errors=v), "names"),
    "decompose chains": (lambda v: decompose(chains=v), "count"),
    "decompose build": (lambda v: decompose(build=v), "function"),
    "decompose theory": (lambda v: decompose(theory=v), "function or none"),
    "final_counts probabilities": (lambda v: counts(probabilities=v), "weights"),
    "final_counts sample_size": (lambda v: counts(sample_size=v), "size"),
    "final_counts fits": (lambda v: counts(fits=v), "count"),
    "final_counts chains": (lambda v: counts(chains=v), "count"),
    "final_counts share": (lambda v: counts(share=v), "share or none"),
    "final_counts real": (lambda v: counts(real=v), "whole or none"),
    "final_counts kept": (lambda v: counts(kept=v), "whole or none"),
    "stationary_counts sample_size": (lambda v: ancestry.stationary_counts(jax.random.key(0), [1.0], v, 0.5), "count"),
    "stationary_counts share": (lambda v: ancestry.stationary_counts(jax.random.key(0), [1.0], 4, v), "share"),
    "fixation sample_size": (lambda v: ancestry.fixation(jax.random.key(0), [1.0], v), "count"),
    "fixation chains": (lambda v: ancestry.fixation(jax.random.key(0), [1.0], 4, v), "count"),
    "coalescence sample_size": (lambda v: ancestry.coalescence(jax.random.key(0), v), "count"),
    "bures first": (lambda v: transport.bures(v, [[1.0]]), "operand"),
    "sample_w2 first": (lambda v: transport.sample_w2(v, [1.0]), "operand"),
    "sample_w2 second": (lambda v: transport.sample_w2([1.0], v), "operand"),
}  # fmt: skip

NOTHING = {"None": None}
TEXT = {"a text": "abc", "a number as text": "1", "bytes": b"1"}
OBJECTS = {"an object": object(), "a dictionary": {}, "a complex number": 1j, "a complex array": np.array(1j)}
BOOLEANS = {"True": True, "NumPy's True": np.True_, "an array of True": np.array(True), "JAX's True": jnp.asarray(True)}
MANY = {"a list of numbers": [0.5, 0.5], "nothing": [], "a ragged table": [[1], [1, 2]]}
UNREAL = {"nan": float("nan"), "infinity": float("inf"), "nan in an array": np.array(np.nan), "10**400": 10**400}
NEGATIVE = {
    "-1": -1,
    "-0.5": -0.5,
    "NumPy's -1": np.float32(-1),
    "a negative array": np.array(-1.0),
    "JAX's -1": jnp.asarray(-1),
}
ZERO = {"0": 0, "0.0": 0.0, "NumPy's 0": np.int64(0)}
LARGE = {"10**30": 10**30, "64 bits": np.uint64(2**63), "1e300": 1e300}
FLOATS = {"a fraction": 0.5, "a whole float": 2.0, "NumPy's 2.0": np.float64(2)}
BAD_NUMBER = TEXT | OBJECTS | BOOLEANS | MANY | UNREAL
BAD_WHOLE = BAD_NUMBER | FLOATS | LARGE | {"-1": -1, "NumPy's -1": np.int64(-1)}
BAD_ENTRIES = {
    "a text within": [0.5, "x"], "True within": [0.5, True], "nan within": [0.5, np.nan], "-1 within": [0.5, -1.0],
    "a masked entry": np.ma.array([0.5, 0.5], mask=[False, True]), "an object within": [0.5, {}],
    "an array of text": np.array(["0.5", "0.5"]), "complex entries": np.array([0.5, 0.5j]), "dates": np.array([1, 2], "M8[s]"),
    "a column with a gap": Column([0.5, None]),
}  # fmt: skip
BAD_ARRAY = (
    TEXT | OBJECTS | BOOLEANS | UNREAL | NOTHING | BAD_ENTRIES | {"nothing": [], "a ragged table": [[1], [1, 2]]}
)
BAD_PART = TEXT | OBJECTS | NOTHING | {"a number": 1, "a list": [0.5], "a class": mc.Gaussian, "True": True}

BAD_VECTOR = BAD_ARRAY | {"a number": 1.0, "infinity within": [0.5, np.inf], "three axes": [[[1.0]]]}
BAD_VECTOR.pop("-1 within")

OF_MODELS = BAD_ENTRIES | TEXT | OBJECTS | UNREAL | {"three of two": [1, 1, 1], "nothing": []}
NO_SCHEDULE = {"a table": [[1, 1]] * 2}

BAD: dict[str, dict[str, Any]] = {
    "rates": BAD_ARRAY | NEGATIVE | LARGE | {"a table": [[0.5]], "1.5 within": [0.5, 1.5]},
    "matrix of shares": BAD_ARRAY | NEGATIVE | LARGE
    | {"a number": 0.5, "a vector": [0.5, 0.5], "1.5 within": [[1.5, 0.0], [0.0, 1.0]], "not square": [[0.5, 0.5]]},
    "shares of models": OF_MODELS | BOOLEANS | NEGATIVE | LARGE | {"1.5 within": [0.5, 1.5]},
    "sizes of models": OF_MODELS | BOOLEANS | NEGATIVE | FLOATS,
    "whole of models": OF_MODELS | NO_SCHEDULE | BOOLEANS | NEGATIVE | FLOATS,
    "numbers of models": OF_MODELS | NO_SCHEDULE | BOOLEANS | NEGATIVE | FLOATS | LARGE | {"twice": [0, 0], "from 1": [1, 2]},
    "positive or infinite": {k: v for k, v in (BAD_NUMBER | NOTHING | NEGATIVE | ZERO).items() if k != "infinity"},
    "count or infinite": {k: v for k, v in (BAD_WHOLE | NOTHING | ZERO).items() if k != "infinity"},
    "vector": BAD_VECTOR,
    "chances": (BAD_VECTOR | {"1.5 within": [0.5, 1.5], "-1 within": [0.5, -1.0], "nothing passes": [0.0, 0.0]}),
    "truths": (BAD_VECTOR | {"a half within": [0.5, 1.0], "-1 within": [0.0, -1.0]}),
    "number": BAD_NUMBER | NOTHING,
    "nonnegative": BAD_NUMBER | NOTHING | NEGATIVE,
    "positive": BAD_NUMBER | NOTHING | NEGATIVE | ZERO,
    "positive or matrix": TEXT | OBJECTS | BOOLEANS | UNREAL | NEGATIVE | ZERO | BAD_ENTRIES | MANY
    | {"an indefinite matrix": [[1.0, 2.0], [2.0, 1.0]], "a matrix without symmetry": [[1.0, 0.2], [0.1, 1.0]]},
    "share": BAD_NUMBER | NOTHING | NEGATIVE | LARGE | {"1.5": 1.5, "NumPy's 1.5": np.float32(1.5)},
    "positive share": BAD_NUMBER | NOTHING | NEGATIVE | ZERO | LARGE | {"1.5": 1.5},
    "inner share": BAD_NUMBER | NOTHING | NEGATIVE | ZERO | LARGE | {"1.5": 1.5, "all": 1.0},
    "shares": BAD_ARRAY | NEGATIVE | LARGE | {"a table": [[0.5]], "1.5 within": [0.5, 1.5]},
    "count": BAD_WHOLE | NOTHING | ZERO,
    "whole": BAD_WHOLE | NOTHING,
    "generations": BAD_WHOLE | NOTHING,
    "size": BAD_ARRAY | FLOATS | LARGE | NEGATIVE | ZERO | {"fractions": [0.5] * 5, "too few": [3, 3], "a 0 within": [3, 3, 0, 3, 3]},
    "record": BAD_ARRAY | FLOATS | LARGE | NEGATIVE | {"beyond the end": [5], "twice": [1, 1], "a table": [[1]]},
    "states": TEXT | OBJECTS | BAD_ENTRIES | LARGE | {"nothing": [], "a number": 1, "-1": [-1], "a fraction": [0.7], "twice": [0, 0],
              "True": [True, False], "10**30 within": [10**30], "64 bits within": np.array([2**63], np.uint64)},
    "counts": TEXT | OBJECTS | BAD_ENTRIES | LARGE | NOTHING | {"a number": 4, "0 within": [0, 4], "a fraction": [4.5, 4], "True": [True]},
    "table": BAD_ARRAY | {"a vector": [1.0, 2.0], "infinity within": [[1.0, np.inf]]},
    "blocks": BAD_ARRAY | LARGE | {"a number": 1, "a vector": [1, 2], "fractions": [[0.5, 1.0]], "-1 within": [[0, -1]],
              "one token": [[1]], "no block": np.zeros((0, 2), int)},
    "chances of blocks": BAD_VECTOR | {"1.5 within": [0.5, 1.5], "-1 within": [0.5, -1.0], "a table": [[0.5]]},
    "edges": {k: v for k, v in BAD_VECTOR.items() if k != "None"}
    | {"0 within": [0.0, 1.0], "down": [2.0, 1.0], "twice": [1.0, 1.0], "a table": [[0.5, 1.0]]},
    "weights of a network": TEXT | OBJECTS | NOTHING | {
        "a number": 1.0, "a list": [0.5], "no blocks": {name: leaf for name, leaf in BASE.items() if name != "blocks"},
        "whole numbers": jax.tree.map(lambda leaf: leaf.astype(int), BASE), "nan": jax.tree.map(lambda leaf: leaf + np.nan, BASE),
        "another width": jax.tree.map(lambda leaf: leaf[..., :3], BASE),
    },
    "weights": TEXT | OBJECTS | BOOLEANS | UNREAL | NOTHING | {"nothing": [], "a table": [[1.0]], "a text within": [0.5, "x"],
               "True within": [0.5, True], "nan within": [np.nan], "complex entries": [1j]},
    "law": {k: v for k, v in BAD_VECTOR.items() if k != "infinity"} | {"a class": mc.Gaussian, "half a law": [0.2, 0.3]},
    "flag": TEXT | OBJECTS | NOTHING | {"1": 1, "0.0": 0.0, "an array of 1": np.array(1), "nothing": []},
    "word": {"another text": "abc", "bytes": b"mean"} | OBJECTS | NOTHING | {"True": True, "1": 1, "a list": ["mean"]},
    "choice": BAD_WHOLE | NOTHING | {"2": 2},
    "text": OBJECTS | NOTHING | {"1": 1, "bytes": b"x", "a list": ["x"]},
    "names": {"one text": "abc", "two letters": "ab", "None": None, "a number": 3, "nothing": [], "numbers": [1, 2], "twice": ["a", "a"],
              "seven": list("abcdefg")},
    "observe": OBJECTS | {"another text": "abc", "a number": 1, "nothing": [], "a list of numbers": [1]},
    "part": BAD_PART,
    "function": {name: value for name, value in BAD_PART.items() if name != "a class"},
    "operand": TEXT | OBJECTS | BOOLEANS | NOTHING | {"a number": 1.0, "nothing": [], "a ragged table": [[1], [1, 2]],
               "a text within": [0.5, "x"], "a column with a gap": Column([0.5, None])},
    "seed": TEXT | OBJECTS | BOOLEANS | FLOATS | {"-1": -1, "NumPy's -1": np.int64(-1), "nan": np.nan,
            "nothing": [], "fractions": [0.5], "-1 within": [3, -1], "True within": [True], "a table": [[1, 2]], "text within": ["1"],
            "two keys": jax.random.split(jax.random.key(0)), "three words": np.zeros(3, np.uint32)},
}  # fmt: skip
for kind in (
    "count",
    "whole",
    "share",
    "nonnegative",
    "positive share",
    "positive",
    "record",
    "table",
    "blocks",
    "flag",
    "part",
    "function",
    "word",
    "law",
):
    BAD[f"{kind} or none"] = {name: value for name, value in BAD[kind].items() if value is not None}


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("row", ROWS)
def test_every_bad_value_is_refused_by_name(row: str, bits: int) -> None:
    call, kind = ROWS[row]
    word = row.replace(".", " ").split()[-1]
    words = {"make_model": ("make_model",), "observe": ("observe", "observable"), "observable": ("observable",)}.get(
        word, (word,)
    )
    wrong = []
    with jax.enable_x64(bits == 64):
        for name, value in BAD[kind].items():
            try:
                out = call(value)
            except (ValueError, TypeError) as error:
                plain = type(error) in (ValueError, TypeError)
                if not plain or not any(w in str(error) for w in words):
                    wrong.append(f"{name}: {type(error).__name__}: {error}")
            except Exception as error:
                wrong.append(f"{name}: {type(error).__name__}: {error}")
            else:
                wrong.append(f"{name}: taken, {out!r}")
    assert not wrong, "\n".join(wrong)


def test_every_field_of_a_family_or_regime_has_a_row() -> None:
    public = {name: getattr(module, name) for module in (families, mc.regimes) for name in module.__all__}
    parts = {
        name: part for name, part in public.items()
        if dataclasses.is_dataclass(part) and part.__module__.startswith(("modelcollapse.families", "modelcollapse.regimes"))
    }  # fmt: skip
    for name in ("Normal", "Student"):  # parameters, no families
        parts.pop(name)
    wanted = {f"{name}.{field.name}" for name, part in parts.items() for field in dataclasses.fields(part)}
    assert len(wanted) > 50
    assert wanted <= set(ROWS), wanted - set(ROWS)


HALVES = [
    np.float32(0.5), np.float64(0.5), np.float16(0.5), np.array(0.5), np.array(0.5, np.float32), fractions.Fraction(1, 2),
    decimal.Decimal("0.5"), Column(0.5),
]  # fmt: skip
NUMERIC = ("positive", "nonnegative", "share", "shares", "number", "count", "flag", "choice")
TWOS = [np.int64(2), np.uint8(2), np.int32(2), np.array(2), np.array(2, np.uint16)]


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("row", [row for row, (_, kind) in ROWS.items() if "." in row and kind.split()[0] in NUMERIC])
def test_a_number_means_the_same_in_every_type(row: str, bits: int) -> None:
    """The part that comes out is the part that a plain number makes."""
    call, kind = ROWS[row]
    if kind.startswith(("positive", "nonnegative", "share", "number")):
        plain, others = 0.5, [*HALVES, jnp.asarray(0.5, jnp.float32), jnp.asarray(0.5, jnp.bfloat16)]
    elif kind.startswith("count"):
        plain, others = 2, [*TWOS, jnp.asarray(2, jnp.int32)]
    elif kind.startswith("flag"):
        plain, others = False, [np.False_, np.array(False), jnp.asarray(False)]
    else:
        plain, others = 1, [np.int64(1), np.array(1), jnp.asarray(1, jnp.int32)]
    with jax.enable_x64(bits == 64):
        for other in others:
            assert repr(call(other)) == repr(call(plain)), repr(other)


@pytest.mark.parametrize("row", [row for row, (_, kind) in ROWS.items() if kind in ("shares", "table", "counts")])
def test_an_array_may_come_as_a_list_a_tuple_or_a_column(row: str) -> None:
    call, kind = ROWS[row]
    plain: Any = {"shares": [0.1, 0.1, 0.25], "table": [[1.0, 0.0], [0.5, 1.0]], "counts": [28, 8]}[kind]
    right = repr(call(np.array(plain)))
    others = [plain, tuple(plain), jnp.asarray(np.array(plain)), Column(plain)]
    if kind == "shares":
        others.append(np.ma.array(plain, mask=[False] * 3))
        assert len(jax.tree.leaves(call(plain))) == len(jax.tree.leaves(call(0.1))), "one leaf, whatever its length"
    for other in others:
        assert repr(call(other)) == right, repr(other)


def test_columns_of_pandas_are_arrays() -> None:
    pandas = pytest.importorskip("pandas")
    shares = [0.0, 0.5, 1.0]
    right = repr(mc.FreshReal(shares))
    for column in (
        pandas.Series(shares),
        pandas.Index(shares),
        pandas.Series(shares, dtype="Float64"),
        pandas.Categorical(shares),
    ):
        assert repr(mc.FreshReal(column)) == right
    assert repr(mc.Design(pandas.DataFrame({"a": [1, 2], "b": [0.5, 1.0]}))) == repr(mc.Design([[1, 0.5], [2, 1.0]]))
    assert repr(mc.tail_mass(pandas.Series([0, 2], dtype="Int64"))) == repr(mc.tail_mass([0, 2]))
    for gap in (pandas.Series([0.5, None]), pandas.Series([1, None], dtype="Int64"), pandas.Series(["a", "b"])):
        with pytest.raises((TypeError, ValueError), match="share must"):
            mc.FreshReal(gap)


def test_single_precision_refuses_what_it_cannot_hold() -> None:
    big, small = {"1e39": 1e39, "10**39": 10**39}, {"1e-60": 1e-60}
    for row, (call, kind) in ROWS.items():
        refused = {"positive": big | small, "nonnegative": big, "number": big}.get(kind.removesuffix(" or none"), {})
        for value in refused.values():
            call(value)
            with jax.enable_x64(False), pytest.raises(ValueError, match=r"finite|positive"):
                call(value)
            assert "." in row or row.startswith("first_below")


def test_traced_values_pass_the_constructors() -> None:
    def built(x: jax.Array) -> list[Any]:
        parts = [
            mc.Damped(mc.Gaussian(), x), mc.KernelDensity(x), mc.PPCA(1, noise=x, kl_weight=x), mc.Pareto(x), mc.Gamma(x),
            mc.GaussianMixture(1, reg_covar=x), mc.Regression(families.NormalRows(x[None, None]), x, x), mc.GaussianMean(x),
            mc.FreshReal(x), mc.FreshReal(x[None]), mc.Retain(x, x), mc.Mixture(x, x, x), mc.Weighted(x, x), mc.FixedReal(x), regimes.Rewrite(x),
            families.NGram(smoothing=x), families.NGram(strength=x), families.NGram(interpolation=x),
            mc.first_below("entropy", x), mc.tail_mass(below=x), mc.Switch(mc.Replace(), mc.FreshReal(x), x),
        ]  # fmt: skip
        return [leaf for part in parts for leaf in jax.tree.leaves(part) if isinstance(leaf, jax.core.Tracer)]

    shapes = jax.eval_shape(jax.vmap(built), jnp.array([0.5, -7.0, jnp.nan]))
    assert len(shapes) == 29


@pytest.mark.parametrize("states", [[7], [3], [0, 3]])
def test_states_that_the_law_does_not_have_are_refused(states: list[int]) -> None:
    source = mc.categorical([0.5, 0.3, 0.2])
    for observe in (mc.tail_mass(states), mc.first_below(mc.tail_mass(states), 0.1)):
        with pytest.raises(ValueError, match=f"states must lie between 0 and 2, .* got {states[-1]}"):
            mc.simulate(mc.Discrete(), source, observe={"x": observe}, size=5, generations=2)
    labelled = mc.table([[0.1, 0.0], [0.2, 1.0], [0.3, 1.0]])
    inner = {"x": mc.of("frequencies", mc.tail_mass(states))}
    with pytest.raises(ValueError, match="states must lie between 0 and 1"):
        mc.simulate(mc.Conditional(mc.KernelDensity(), 2), labelled, observe=inner, size=5, generations=2)


def off_by(entries: int, tolerances: float) -> np.ndarray:
    """A law whose sum differs from 1 by so many of what theory and simulator allow."""
    allowed = 1e-6 + 4 * np.sqrt(entries) * 2.0**-23
    return np.full(entries, (1 + tolerances * allowed) / entries)


@pytest.mark.parametrize("entries", [2, 100, 50_257])
@pytest.mark.parametrize(
    "taken",
    [
        mc.categorical,
        theory.heterozygosity,
    ],
    ids=["simulator", "theory"],
)
def test_theory_and_simulator_have_one_tolerance_for_laws(taken: Callable[[np.ndarray], Any], entries: int) -> None:
    taken(off_by(entries, 0.98))
    for wrong in (1.02, -1.02):
        with pytest.raises(ValueError, match=r"sum to 1"):
            taken(off_by(entries, wrong))


def test_both_take_a_softmax_in_single_precision_and_refuse_nine_tenths() -> None:
    softmax = np.asarray(jax.nn.softmax(jax.random.normal(jax.random.key(0), (50_257,), jnp.float32)))
    for taken in (mc.categorical, theory.heterozygosity):
        taken(softmax)
        with pytest.raises(ValueError, match="sum to 1"):
            taken([0.5, 0.4])
