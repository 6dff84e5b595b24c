"""What of the bad kinds is taken, and why; and by which word a message calls an argument, where that is not its name.

Keys are callables, arguments and kinds: names separated by commas, or patterns of them as in a shell. The theory has
its own table (``tests/theory/test_domain.py``), which the fuzzer reads.
"""

from __future__ import annotations

import fnmatch

LARGE = "fraction, 1e300, 10**30, 1e19, uint64, 2**62"
"""A positive number of any size that the precision holds."""

ACCEPTED: dict[tuple[str, str, str], str] = {
    # sources
    ("normal, normal_mixture, linear, logistic, log_linear", "covariance", LARGE): "a variance of any size",
    ("normal", "mean", "negative, zero, " + LARGE): "a mean on any side of 0, of any size",
    (
        "linear, Regression",
        "noise",
        "zero, fraction, 10**30, 1e19, uint64, 2**62",
    ): "a deviation of 0 or more, with a finite square",
    ("bernoulli, binomial", "chance", "zero, fraction"): "a chance in [0, 1]",
    ("poisson, negative_binomial", "mean", "zero, " + LARGE): "a mean of 0 or more",
    ("negative_binomial, NegativeBinomial", "successes", LARGE): "positive, not necessarily whole",
    ("exponential, gamma", "mean", LARGE): "a positive mean",
    ("gamma, Gamma", "shape", LARGE): "a positive shape",
    ("uniform", "end", LARGE): "a positive end",
    ("pareto, Pareto", "index, minimum", LARGE): "a positive number",
    ("labels", "values", "words, bool in a list, complex"): "labels, of anything that can be told apart",
    # families
    ("Gaussian", "ddof", "zero"): "one of the two divisors",
    ("GaussianMean", "covariance", LARGE): "a variance",
    (
        "GaussianMixture",
        "reg_covar, tol",
        "zero, " + LARGE,
    ): "0 or more; a large one stops EM at once or rules the covariance",
    ("KernelDensity", "bandwidth", LARGE): "a positive width",
    ("KernelDensity", "scaled", "bool"): "a switch, None by default",
    ("Damped", "rate", "zero, fraction"): "a share; 0 never learns",
    ("Posterior", "strength", "zero, " + LARGE): "0 or more items",
    ("Shrunk", "to", "None"): "the truth, where it is known",
    ("Shrunk", "weight", "zero, fraction"): "a share; 0 is the family itself",
    ("StudentT", "dof", LARGE): "a positive number",
    ("Tempered", "temperature", LARGE): "any positive temperature",
    ("Truncated", "top_p", "fraction"): "a probability",
    ("Truncated", "within", "inf, " + LARGE): "a positive width; infinity cuts nothing off",
    ("Curated", "choices", "inf"): "without end: the law p e^r",
    ("Verified", "right, wrong", "zero, fraction"): "a chance; the other lets something pass",
    ("Noisy", "scale", "zero, fraction, 10**30, 1e19, uint64, 2**62"): "a deviation of 0 or more, with a finite square",
    ("PPCA, VAE", "noise, kl_weight", LARGE): "a positive number",
    (
        "VAE",
        "kl_weight, weight_decay",
        "zero, " + LARGE,
    ): "0 or more; a bad training shows in its loss, or fails its chain",
    ("VAE, Regression", "rate", LARGE): "a positive step; one that is too large fails its chain by name",
    ("Sampled", "temperature", "zero, " + LARGE): "0 is greedy; any other positive temperature",
    ("Sampled", "top_p, typical, min_p, epsilon, eta", "zero, fraction"): "a probability; 0 cuts nothing off",
    ("Sampled, Beam", "repetition, penalty", LARGE): "a positive factor",
    ("LanguageModel", "rate", LARGE): "a positive step; one that is too large fails its chain by name",
    ("LanguageModel", "decay", "zero, " + LARGE): "0 or more; what diverges fails its chain by name",
    ("Regression, LogisticRegression, PoissonRegression", "penalty", "zero, " + LARGE): "0 or more",
    ("Watermarked, GreenScore", "share", "fraction"): "a share above 0 and below 1",
    ("Watermarked", "delta", "zero, " + LARGE): "0 or more; a large one leaves the list alone",
    ("Watermarked, Gumbel, GreenScore, GumbelScore", "key", "zero"): "a key",
    ("Watermarked, Gumbel", "key", "None"): "a new key each generation",
    ("MLP", "hidden", "empty"): "no hidden layer: a linear network",
    # regimes
    (
        "FreshReal, FixedReal, Retain, Rewrite, Weighted, Mixture",
        "share, fresh, weight, alpha, beta, gamma",
        "zero, fraction",
    ): "a share",
    ("Exchange", "shared", "zero"): "no item in common",
    # observables and classifiers
    (
        "image_observables.train_classifier",
        "rate",
        "fraction, 1e300, 10**30, 1e19, uint64, 2**62",
    ): "Adam: a training that diverges is refused",
    ("image_observables.train_classifier", "held_out", "fraction"): "a share",
    ("image_observables.train_classifier", "seed", "zero"): "a seed",
    ("first_below", "threshold", "negative, zero, " + LARGE): "any finite number",
    ("tail_mass", "below", "fraction"): "a probability",
    ("observables.own*", "under", "zero"): "the first model",
    ("observables.zipf_slope", "ranks", "None"): "all of them",
    # runs
    ("simulate, trace, simulate_models, predictions", "generations, record", "zero"): "the first fit alone",
    (
        "simulate, trace, simulate_models",
        "seed",
        "None, zero, 10**30, uint64, 2**62",
    ): "a seed of any size; None draws one",
    ("sweep", "seed", "zero, 10**30, uint64, 2**62"): "a seed of any size",
    ("sweep", "retries", "zero"): "a number of times",
    ("sweep", "store", "text, number as text"): "a path",
    ("decompose", "errors", "words"): "names of errors",
    ("adapters.frames", "columns", "words"): "names of columns",
    ("adapters.frames", "dtypes", "dict"): "types by column, of none perhaps",
    ("adapters.frames", "table", "text, number as text"): "the name of a table",
    ("Decomposition.table", "generation", "zero"): "a recorded generation",
    ("Run.save, Run.load, tables.*, datasets.*", "path, folder", "text, number as text"): "a path",
    ("Run.summary", "level", "fraction"): "a level",
    ("Run.profile, profile", "factor", "1e300, 10**30, 1e19, uint64, 2**62"): "a ratio of any size from 1",
    ("Run.profile, profile", "kept", "fraction"): "a share",
    ("Run.profile, profile", "risk", "None"): "the default",
    ("Run.sizes", "generations", "zero"): "the first generation alone",
    ("Predictions.__getitem__", "index", "negative, zero"): "a place in the list",
    ("part, register", "name", "text, number as text"): "a name",
    ("part, register", "formerly", "empty, words"): "names",
    (
        "static, schedule",
        "default",
        "*",
    ): "whatever a field holds; Python refuses lists and the like, with the name of the field",
    # files
    ("datasets.word_counts", "text", "text"): "the text itself",
    ("text.Corpus, text.read", "licence, attribution, source, separator", "text, number as text"): "a text",
    ("text.Corpus", "titles", "empty"): "numbers in order",
    ("text.Corpus.split", "validation, test", "fraction"): "a share",
    ("text.Corpus.parts, text.Corpus.split", "seed", "zero"): "a seed",
    ("text.*", "path, paths", "text, number as text"): "a path",
    ("text.Bytes.*, text.Words.*, text.BPE.*", "text", "text, number as text"): "a text",
    ("text.Bytes.decode, text.Words.decode, text.BPE.decode", "ids", "zero, empty"): "one token, or none",
    ("text.Characters, text.Words", "known", "words"): "words",
    ("text.word_classes", "texts", "zero"): "one token",
    ("text.WordClasses.surviving", "texts", "empty"): "no text, in which no word survives",
    ("text.*", "texts", "words, text, number as text"): "texts",
    # figures
    ("plot.*", "level", "fraction"): "a level",
    ("plot.*", "show", "zero"): "no single chains",
    ("plot.*", "component, chain", "zero"): "the first",
    ("plot.variance_and_w2", "component", "None"): "the variance is one number",
    ("plot.*", "color", "text, number as text"): "a colour of matplotlib by its letter, or a grey",
    ("plot.*", "run_name, label", "text, number as text"): "what is written in the figure",
    ("plot.*", "until, w2_until", "zero, fraction, 1e300, 10**30, 1e19, uint64, 2**62"): "where the axis ends",
    ("plot.*", "scale", "negative, fraction, 1e300, 10**30, 1e19, uint64, 2**62"): "a factor",
    ("plot.*", "prediction, log_variance, w2", "empty, dict"): "no closed form, as predict() says it",
    ("plot.compare", "prediction", "dict"): "no curve",
    # numbers
    ("ancestry.*", "share", "zero, fraction"): "a share",
    ("ancestry.*", "real, kept", "zero"): "none of the items",
    (
        "transport.*",
        "first, second, factor, other_factor, mean, other_mean",
        "cube",
    ): "several at once, (..., d) or (..., d, d)",
    # the command line
    ("command *", "--seed", "zero, 10**30, 2**62"): "a seed of any size",
    ("command simulate", "--share", "zero, fraction"): "a share",
    ("command *", "--generations", "zero"): "the first fit alone",
    (
        "command simulate",
        "--probabilities",
        "fraction, list, 1e300, 10**30, 2**62",
    ): "weights of any size, of one state or more",
    ("command simulate", "--encoding", "nothing"): "as if it were not given",
    ("command simulate", "--columns", "list"): "the numbers of columns",
    ("command simulate", "--parameter", "zero, fraction"): "a chance",
    ("command *", "--ddof", "zero"): "one of the two divisors",
    ("command simulate", "--normal", "list"): "a mean and a variance",
    (
        "command simulate",
        "--save, --plot",
        "text, nan, inf, -inf, negative, zero, list, list of text, bool, complex, 1e300, 10**30, 2**62, space, accents",
    ): "the name of a file",
    ("command simulate", "--save", "fraction"): "the name of a file",
    ("command *", "--json", "*"): "the name of a file; standard output where there is none",
    ("command simulate", "--reg-covar", "zero, fraction, 1e300, 10**30, 2**62"): "0 or more",
    ("command simulate", "--bandwidth", "fraction, 1e300, 10**30, 2**62"): "a positive width",
    (
        "command plan",
        "--probability, --failure, --threshold, --confidence, --kept, --share, --true-positive, --false-positive",
        "zero, fraction",
    ): "a share or a probability",
    ("command plan", "--sample-size, --fits, --generations", "2**62"): "a whole number of 63 bits",
    ("command plan", "--fits", "zero"): "nothing costs nothing",
    ("command plan", "--words", "nothing"): "the words of the default",
}

CALLED: dict[tuple[str, str], tuple[str, ...]] = {
    ("counts", "mapping"): ("counts",),
    ("table", "rows"): ("table", "states"),
    ("", "observe"): ("observable",),
    ("", "observable"): ("observables",),
    ("", "generations"): ("generation",),
    ("", "previous_shares"): ("previous_share",),
    ("", "shares"): ("share",),
    # a state too rare to be kept by real data alone
    ("theory.plan.share_to_keep", "probability"): ("real data alone",),
    ("theory.plan.detector_to_keep", "probability"): ("real data alone",),
    ("theory.plan.detector_power_to_keep", "probability"): ("real data alone",),
}
"""Words of a message for an argument; an empty callable stands for all."""

INFINITE: set[str] = {"Truncated (width)"}
"""Callables whose docstring says that their answer may be infinite."""


def matches(key: tuple[str, str, str], call: str, argument: str, kind: str) -> bool:
    """Whether an entry of the table is about a call, its argument and a kind."""
    return all(
        any(fnmatch.fnmatchcase(word, one.replace("**", "[*][*]")) for one in names.split(", "))
        for names, word in zip(key, (call, argument, kind), strict=True)
    )
