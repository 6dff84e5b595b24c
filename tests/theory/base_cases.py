"""One call that works for every public function of the theory: what tests of arguments vary, one argument at a time."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import modelcollapse_theory
from modelcollapse_theory import exponential_families

BAD: dict[str, Any] = {
    "text": "abc",
    "number as text": "0.5",
    "bytes": b"1",
    "None": None,
    "nan": np.nan,
    "inf": np.inf,
    "-inf": -np.inf,
    "negative": -1,
    "zero": 0,
    "fraction": 0.5,
    "empty": [],
    "cube": np.full((2, 2, 2), 0.5),
    "bool": True,
    "bool in a list": [True, 1],
    "complex": 1 + 0j,
    "1e300": 1e300,
    "10**30": 10**30,
    "1e19": 1e19,
    "uint64": np.uint64(2**63 + 5),
    "2**62": 2**62,
    "dict": {},
    "object": object(),
    "ragged": [[1], [1, 2]],
    "masked": np.ma.array([1.0, 2.0], mask=[0, 1]),
    "date": np.datetime64("2020-01-01"),
    "words": ["a", "b"],
}
"""One value of each kind that people pass by mistake."""

LAW = [0.5, 0.3, 0.2]
POISSON = exponential_families.poisson()
PAIR = [[2.0, 0.5], [0.5, 1.0]]
DESIGN = [[1.0, 0.0], [1.0, 1.0], [1.0, 2.0], [1.0, 3.0]]

# Records that hold answers, not questions: nobody passes arguments to them.
RECORDS = {"plan.Answer", "replacement.States"}

_GAUSSIAN = {"sample_size": 10, "fits": 3, "ddof": 1}
_FAMILY = {"family": POISSON, "mean": 2.0, "sample_size": 10}
_FRESH = {"probability": 0.2, "sample_size": 10, "share": 0.2, "fits": 3}
_REGRESSION = {"sample_size": 10, "fits": 3, "dimension": 3, "noise_variance": 0.5}
_RIDGE = {"penalty": 0.1, "sample_size": 10, "dimension": 3, "noise_variance": 0.5, "squared_norm": 1.0}
_CHAIN = {"probabilities": LAW, "sample_size": 10, "fits": 3}
_MIXING = {"sample_size": 10, "fits": 3, "share": 0.2, "previous_share": 0.1}
_MOMENTS = {"variance": 1.0, "ddof": 1}
_SCHEDULE = {"sizes": [10, 20, 30], "shares": 0.2, "previous_shares": 0.1}
_DEMAND = {"probability": 0.2, "sample_size": 10, "failure": 0.3}
_WISHART = {"covariance": PAIR, "sample_size": 10, "fits": 3, "ddof": 1}

CASES: dict[str, dict[str, Any]] = {
    "accumulation.accumulate": {"sample_size": 10, "fits": 3},
    "accumulation.accumulate_limit": {"sample_size": 10},
    "accumulation.accumulate_sizes": {"sizes": [10, 20]},
    "accumulation.accumulate_subsample": {"sample_size": 10, "fits": 3, "subsample": 5},
    "accumulation.accumulate_subsample_limit": {"sample_size": 10, "subsample": 5},
    "accumulation.expected_support": {"probabilities": LAW, "sample_size": 10},
    "accumulation.first_order_loss": {"fits": 3},
    "accumulation.gaussian": {"sample_size": 10, "fits": 3, **_MOMENTS},
    "accumulation.survival": {"probability": 0.2, "sample_size": 10},
    "accumulation.unbiased_variance_limit": {"sample_size": 10},
    "collapse.collapse_bound": {"threshold": 0.1, "dimension": 2, **_GAUSSIAN},
    "collapse.collapse_fits": {"threshold": 0.1, "risk": 0.1, "sample_size": 10, "dimension": 2, "ddof": 1},
    "collapse.mean_tail_index": {"sample_size": 10, "ddof": 0},
    "collapse.neutral_scale": {"sample_size": 10, "ddof": 1},
    "collapse.regularised_variance_cdf": {"variance": 1.0, "sample_size": 10, "regularisation": 0.1, "ddof": 0},
    "collapse.regularised_variance_quantile": {
        "probability": 0.2,
        "sample_size": 10,
        "regularisation": 0.1,
        "ddof": 0,
    },
    "divergence.diversity_time": {"probabilities": LAW, "sample_size": 10},
    "divergence.diversity_time_refined": {"probabilities": LAW, "sample_size": 10},
    "divergence.entropy": {"probabilities": LAW},
    "divergence.entropy_from_support": _CHAIN,
    "divergence.entropy_curve": {"probabilities": LAW, "sample_size": 100, "last": 3},
    "divergence.expected_chi_square": {"states": 3, "sample_size": 10, "fits": 3},
    "divergence.expected_entropy": _CHAIN,
    "divergence.expected_entropy_limit": {"probabilities": LAW, "sample_size": 100, "fits": 3},
    "divergence.expected_kl": _CHAIN,
    "divergence.expected_squared_distance": _CHAIN,
    "divergence.expected_total_variation": _CHAIN,
    "divergence.fits_covariance": {**_CHAIN, "other_fits": 5},
    "divergence.mean_absolute_deviation": {"probability": 0.2, "sample_size": 10},
    "divergence.total_variation_early": _CHAIN,
    "errors.biased_log_variance": {"factor": 1.1, **_GAUSSIAN},
    "errors.damped_log_variance": {"rate": 0.5, **_GAUSSIAN},
    "errors.expected_divergence": {
        "weights": [0.5, 0.5],
        "means": [0.0, 1.0],
        "variance": 1.0,
        "rate": 0.5,
        **_GAUSSIAN,
    },
    "errors.expressivity_gap": {"weights": [0.5, 0.5], "means": [0.0, 1.0], "variances": [1.0, 2.0]},
    "errors.gradient_shrinkage": {"eigenvalue": 0.5, "rate": 0.1, "steps": 3, "fits": 2},
    "errors.misfitted_fourth_moment": {"variance": 1.0, "kurtosis": 0.5, **_GAUSSIAN},
    "errors.misfitted_mean_error": {"variance": 1.0, **_GAUSSIAN},
    "errors.misfitted_variance": {"variance": 1.0, **_GAUSSIAN},
    "errors.mixture_moments": {"weights": [0.5, 0.5], "means": [0.0, 1.0], "variances": [1.0, 2.0]},
    "errors.ridge_shrinkage": {"eigenvalue": 0.5, "penalty": 0.1, "fits": 2},
    "errors.shrunken_risk": {
        "eigenvalues": [0.5, 0.2],
        "weights": [1.0, 2.0],
        "kept": [0.5, 0.2],
        "noise_variance": 0.5,
        "sample_size": 10,
        "fits": 3,
    },
    "exponential_families.VarianceFunction": {
        "constant": 0.0,
        "linear": 1.0,
        "quadratic": 0.5,
        "low": 0.0,
        "high": 9.0,
    },
    "exponential_families.accumulated_mean_error": {**_FAMILY, "fits": 3},
    "exponential_families.accumulated_mean_error_limit": _FAMILY,
    "exponential_families.bernoulli": {},
    "exponential_families.binomial": {"trials": 5},
    "exponential_families.expected_mean_error": {**_FAMILY, "fits": 3},
    "exponential_families.expected_variance_function": {**_FAMILY, "fits": 3},
    "exponential_families.fresh_mean_error": {**_FAMILY, "share": 0.2, "fits": 3, "random_count": False},
    "exponential_families.gamma": {"shape": 2.0},
    "exponential_families.hyperbolic_secant": {},
    "exponential_families.negative_binomial": {"successes": 2.5},
    "exponential_families.normal": {"variance": 1.0},
    "exponential_families.poisson": {},
    "exponential_families.poisson_extinction": {"mean": 2.0, "sample_size": 10, "fits": 3},
    "exponential_families.scheduled_mean_error": {
        "family": POISSON,
        "mean": 2.0,
        "sample_sizes": [10, 20],
        "accumulate": True,
    },
    "fixation.conditional_fixation_mean": {"probability": 0.2, "sample_size": 10},
    "fixation.conditional_loss_mean": {"probability": 0.2, "sample_size": 10},
    "fixation.fixation_tail": _CHAIN,
    "fixation.fixation_time_cdf": _CHAIN,
    "fixation.fixation_time_moments": {"probabilities": LAW, "sample_size": 10},
    "fixation.fixation_time_survival": _CHAIN,
    "fixation.founder_time_moments": {"sample_size": 10},
    "fixation.tail_constant": {"sample_size": 10},
    "fixation_diffusion.conditional_fixation_mean_refined": {"probability": 0.2, "sample_size": 10},
    "fixation_diffusion.conditional_loss_mean_refined": {"probability": 0.2, "sample_size": 10},
    "fixation_diffusion.fixation_probability_by_limit": {"probability": 0.2, "sample_size": 10, "fits": 3},
    "fixation_diffusion.fixation_time_mean_limit": {"probabilities": LAW, "sample_size": 10},
    "fixation_diffusion.fixation_time_mean_refined": {"probabilities": LAW, "sample_size": 10},
    "fixation_diffusion.fixation_time_second_moment_limit": {"probabilities": LAW, "sample_size": 10},
    "fixation_diffusion.states_left_time_limit": {"probabilities": LAW, "sample_size": 10, "states_left": 1},
    "fresh.absent": _FRESH,
    "fresh.absent_beta": {"probability": 0.2, "sample_size": 10, "share": 0.2},
    "fresh.absent_branching": {"probability": 0.2, "sample_size": 10, "share": 0.2},
    "fresh.branching_total": {"share": 0.2},
    "fresh.correlation": {"share": 0.2, "lag": 3},
    "fresh.eigenvalues": {"sample_size": 10, "share": 0.2},
    "fresh.expected_founders": {"sample_size": 10, "share": 0.2},
    "fresh.expected_support": {"probabilities": LAW, "sample_size": 10, "share": 0.2, "fits": 3},
    "fresh.minimal_share": {"probability": 0.2, "sample_size": 10, "failure": 0.3},
    "fresh.present": _FRESH,
    "fresh.stationary_dirichlet": {"probabilities": LAW, "sample_size": 10, "share": 0.2},
    "fresh.stationary_moments": {"probability": 0.2, "sample_size": 10, "share": 0.2, "order": 3},
    "fresh.theta": {"sample_size": 10, "share": 0.2},
    "fresh_limits.absent_limit": _FRESH,
    "fresh_limits.lineage_expectation_limit": {"sample_size": 10, "fits": 3, "function": np.log},
    "fresh_gaussian.least_share": {"sample_size": 10},
    "fresh_gaussian.mean_error_and_variance": {"real_size": 3, "sampling_bias": 0.9, **_GAUSSIAN},
    "fresh_gaussian.stationary": {"sample_size": 10, "real_size": 3, "ddof": 1, "sampling_bias": 0.9},
    "gaussian.c4": {"sample_size": 10},
    "gaussian.expected_deviation": _GAUSSIAN,
    "gaussian.expected_log_variance": _GAUSSIAN,
    "gaussian.expected_mean_error": _GAUSSIAN,
    "gaussian.expected_variance": _GAUSSIAN,
    "gaussian.log_c4": {"sample_size": 10},
    "gaussian.log_expected_deviation": _GAUSSIAN,
    "gaussian.log_variance_cdf": {"log_ratio": -0.5, **_GAUSSIAN},
    "gaussian.log_variance_cgf": {"theta": 0.5, **_GAUSSIAN},
    "gaussian.log_variance_sf": {"log_ratio": -0.5, **_GAUSSIAN},
    "gaussian.scheduled_log_variance": {"sizes": [10, 20], "ddof": 1},
    "gaussian.scheduled_mean_error": {"sizes": [10, 20], "ddof": 1},
    "gaussian.variance_log_variance": {"sample_size": 10, "fits": 3},
    "gaussian.variance_moment": {"order": 0.5, **_GAUSSIAN},
    "gaussian.variance_of_variance": _GAUSSIAN,
    "hitting.expected_hitting_time": {"threshold": 0.1, "sample_size": 10, "ddof": 1},
    "hitting.half_life": {"sample_size": 10, "ddof": 1},
    "hitting.hitting_time_cdf": {"threshold": 0.1, **_GAUSSIAN},
    "hitting.variance_hitting_time": {"threshold": 0.1, "sample_size": 10, "ddof": 1},
    "kde.accumulated": {"bandwidth": 0.5, "sample_size": 10, "fits": 3, "variance": 1.0},
    "kde.accumulated_rule": {"constant": 1.0, "dimension": 2, "variance": 1.0, **_GAUSSIAN},
    "kde.fixed_bandwidth": {"bandwidth": 0.5, "sample_size": 10, "fits": 3, "variance": 1.0},
    "kde.fresh_real": {"bandwidth": 0.5, "sample_size": 10, "fits": 3, "real": 2, "variance": 1.0},
    "kde.rule_bandwidth": {"constant": 1.0, "dimension": 2, "variance": 1.0, **_GAUSSIAN},
    "kde.rule_factor": {"sample_size": 10, "constant": 1.0, "ddof": 1, "dimension": 2},
    "kde.silverman_constant": {"dimension": 2},
    "lineage_limits.coalescent_time": {"sample_size": 10, "fits": 3},
    "lineage_limits.expected_lineages_limit": {"sample_size": 10, "fits": 3},
    "lineage_limits.lineage_law_limit": {"sample_size": 10, "fits": 10, "lineages": 2},
    "lineage_limits.surviving_fraction": {"fits": 3},
    "lineages.expected_lineages": {"sample_size": 10, "fits": 3},
    "lineages.lineage_expectation": {"sample_size": 3, "fits": 2, "values": [0.0, 1.0, 2.0, 3.0]},
    "lineages.lineage_generating": {"sample_size": 10, "fits": 3, "probability": 0.2},
    "lineages.lineage_law": {"sample_size": 10, "fits": 3},
    "lineages.lineage_law_schedule": {"sizes": [10, 20]},
    "lineages.lineage_law_spectral": {"sample_size": 10, "fits": 12},
    "lineages.lineage_sums": {"sample_size": 3, "values": [0.0, 0.0, 1.0, 2.0]},
    "lineages.no_merger": {"sample_size": 10, "lineages": 3},
    "lineages.occupancy_matrix": {"sample_size": 10, "lineages": 3},
    "lineages.occupancy_rows": {"sample_size": 10},
    "lineages.one_size": {"sample_size": 10, "largest": 100},
    "mixture.fit": _MIXING,
    "mixture.fit_limit": {"sample_size": 10, "share": 0.2, "previous_share": 0.1},
    "mixture.gaussian": {**_MIXING, **_MOMENTS},
    "mixture.gaussian_fit": {**_MIXING, **_MOMENTS},
    "mixture.gaussian_limit": {"sample_size": 10, "share": 0.2, "previous_share": 0.1, **_MOMENTS},
    "mixture.gaussian_schedule": {**_SCHEDULE, **_MOMENTS},
    "mixture.law": _MIXING,
    "mixture.law_limit": {"sample_size": 10, "share": 0.2, "previous_share": 0.1},
    "mixture.law_schedule": _SCHEDULE,
    "mixture.model_share": {"share": 0.2, "previous_share": 0.1},
    "moments.binomial_rows": {"sample_size": 10, "probability": [0.2, 0.5]},
    "moments.eigenvalues": {"sample_size": 10, "largest": 3},
    "moments.expected_power": {"probability": 0.2, "sample_size": 10, "fits": 3, "power": 2},
    "moments.marginal_expectation": {
        "probability": [0.2, 0.5],
        "sample_size": 3,
        "fits": 2,
        "values": [0.0, 1.0, 2.0, 3.0],
    },
    "moments.marginal_law": {"probability": 0.2, "sample_size": 10, "fits": 3},
    "moments.marginal_size": {"sample_size": 10},
    "moments.mixed_moment": {**_CHAIN, "powers": [1, 2, 0]},
    "moments.multiplicities": {"states": 3, "largest": 4},
    "moments.transient_density": {"frequency": 0.5, "probability": 0.2, "sample_size": 10, "fits": 3},
    "plan.batch_to_keep": {"kept": 0.9},
    "plan.detector_power_to_keep": {**_DEMAND, "share": 0.05, "false_positive": 0.1},
    "plan.detector_to_keep": {**_DEMAND, "share": 0.05, "true_positive": 0.9, "false_positive": 0.1},
    "plan.entropy_half_life": {"probabilities": LAW, "sample_size": 10},
    "plan.growth_to_keep": {"kept": 0.5, "sample_size": 10, "fits": 3},
    "plan.heterozygosity_half_life": {"sample_size": 10},
    "plan.real_items_to_keep": {"probability": 0.2, "failure": 0.3},
    "plan.sample_size_to_keep": {"probability": 0.2, "fits": 3, "failure": 0.3},
    "plan.share_to_keep": {**_DEMAND, "fits": 5},
    "plan.variance_below": {"threshold": 0.5, "sample_size": 10, "confidence": 0.5, "ddof": 1},
    "plan.variance_half_life": {"sample_size": 10, "ddof": 1},
    "plan.vocabulary_half_life": {"probabilities": LAW, "sample_size": 10},
    "ppca.alive_probability": {"variance": 1.0, "noise": 0.2, "sample_size": 10, "fits": 2, "kl_weight": 1.0},
    "ppca.decoder_mean_variance": {"variance": 1.0, "noise": 0.2, "fits": 2, "kl_weight": 1.0},
    "ppca.encoded_variance": {"variance": 1.0, "noise": 0.2, "fits": 2, "kl_weight": 1.0},
    "ppca.finite_decoder_trace": {
        "trace": 1.0,
        "rank": 2,
        "noise": 0.2,
        "sample_size": 10,
        "fits": 2,
        "kl_weight": 1.0,
    },
    "ppca.learned_noise": {"eigenvalues": [3.0, 2.0, 1.0], "latent_dimension": 2},
    "ppca.learned_noise_log_determinant": {"sample_size": 10, "fits": 2, "latent_dimension": 2},
    "ppca.lifetime": {"variance": 1.0, "noise": 0.2, "kl_weight": 1.0},
    "ppca.sampled_pixel_variance": {"variance": 1.0, "noise": 0.2, "fits": 2},
    "ppca.sampled_trace": {"trace": 1.0, "sample_size": 10, "fits": 2},
    "precision.fed_variance": {"variance": 1.0, "ridge": 0.1, **_GAUSSIAN},
    "precision.fed_variance_cdf": {"level": 0.5, "variance": 1.0, "ridge": 0.1, **_GAUSSIAN},
    "precision.pair_absorbed": {"deviation": 1.0, "spacing": 0.5, "fits": 2},
    "precision.resolution_time": {"deviation": 1.0, "spacing": 0.1, "sample_size": 10, "ddof": 1},
    "precision.rounded_moments": {"mean": 0.5, "deviation": 1.0, "spacing": 0.5},
    "precision.spacing": {"value": 1.5, "dtype": "float32"},
    "rare.counted_loss_probability": {"count": 2, "fits": 3},
    "rare.rare_loss_mean": {"expected_count": 2.0, "sample_size": 10},
    "rare.rare_loss_median": {"expected_count": 2.0},
    "rare.rare_loss_probability": {"expected_count": 2.0, "fits": 3},
    "regression.accumulated_risk_fresh_rows": _REGRESSION,
    "regression.accumulated_risk_fresh_rows_limit": {"sample_size": 10, "dimension": 3, "noise_variance": 0.5},
    "regression.accumulated_risk_same_rows": _REGRESSION,
    "regression.best_weight": {"ratio": 1.5},
    "regression.companion": {"penalty": 0.1, "ratio": 0.3},
    "regression.fixed_design_risk": {
        "design": DESIGN,
        "fits": 3,
        "noise_variance": 0.5,
        "second_moment": PAIR,
        "accumulate": False,
    },
    "regression.fresh_real_risk": {
        "real_size": 5,
        "synthetic_size": 5,
        "fits": 3,
        "dimension": 3,
        "noise_variance": 0.5,
    },
    "regression.minimum_norm_risk": {
        "sample_size": 3,
        "fits": 3,
        "dimension": 10,
        "noise_variance": 0.5,
        "squared_norm": 1.0,
        "same_rows": False,
    },
    "regression.replaced_ridge_risk": {**_RIDGE, "fits": 3},
    "regression.replaced_risk": _REGRESSION,
    "regression.ridge_risk": {
        **_RIDGE,
        "earlier_fits": 2,
        "earlier_sample_size": 10,
        "earlier_noise_variance": 0.5,
    },
    "regression.shifted_label_risk": {
        "real_size": 5,
        "synthetic_size": 5,
        "dimension": 3,
        "noise_variance": 0.5,
        "squared_shift": 1.0,
    },
    "regression.step_risk_cdf": {"risk": 0.5, "sample_size": 10, "dimension": 3, "noise_variance": 0.5},
    "regression.weighted_mean_error": {"weight": 0.5, "ratio": 1.5, "sample_size": 10, "variance": 1.0},
    "regression.weighted_mean_path": {"weight": 0.5, "ratio": 1.5, "sample_size": 10, "fits": 3, "variance": 1.0},
    "replacement.distinct_variance": {"probabilities": LAW, "sample_size": 10},
    "replacement.expected_distinct": {"probabilities": LAW, "sample_size": 10},
    "replacement.expected_heterozygosity": _CHAIN,
    "replacement.expected_heterozygosity_schedule": {"probabilities": LAW, "sizes": [10, 20]},
    "replacement.fixation_probability": {"probabilities": LAW},
    "replacement.heterozygosity": {"probabilities": LAW},
    "replacement.heterozygosity_limit": {"probabilities": LAW, "sample_size": 10, "growth": 2.0},
    "replacement.heterozygosity_variance": _CHAIN,
    "replacement.states": {"probabilities": LAW},
    "replacement.unseen_probability": {"probability": 0.2, "sample_size": 10},
    "selection.curated": {"probabilities": LAW, "reward": [0.0, 1.0, 2.0], "choices": 3},
    "selection.detected_share": {"share": 0.2, "true_positive": 0.9, "false_positive": 0.1},
    "selection.fixation_probability": {"probability": 0.2, "sample_size": 10, "advantage": 0.1},
    "selection.fixation_probability_exact": {"probability": 0.2, "sample_size": 10, "advantage": 0.1},
    "selection.tempered": {"probabilities": LAW, "temperature": 0.9, "generations": 3},
    "selection.tilted": {"probabilities": LAW, "reward": [0.0, 1.0, 2.0], "generations": 3},
    "selection.verified_precision": {"probability": 0.2, "keep_right": 0.9, "keep_wrong": 0.1},
    "special_families.gamma_log_mean": {"sample_size": 10, "fits": 3, "shape": 2.0},
    "special_families.gamma_mean_cgf": {"theta": 0.5, "sample_size": 10, "fits": 3, "shape": 2.0},
    "special_families.pareto_index_cgf": {"theta": 0.5, "sample_size": 10, "fits": 3, "unbiased": True},
    "special_families.pareto_log_index": {"sample_size": 10, "fits": 3, "unbiased": True},
    "special_families.uniform_end_cdf": {"log_ratio": -0.5, "sample_size": 10, "fits": 3, "unbiased": True},
    "special_families.uniform_log_end": {"sample_size": 10, "fits": 3, "unbiased": True},
    "support.absent_probability": {"probability": 0.2, "sample_size": 10, "fits": 3},
    "support.expected_support": _CHAIN,
    "support.expected_support_at_any_size": _CHAIN,
    "support.expected_support_limit": _CHAIN,
    "support.present_probability": {"probability": 0.2, "sample_size": 10, "fits": 3},
    "support.states_left_time_moments": {"probabilities": LAW, "sample_size": 10, "states_left": 1},
    "support.support_law": _CHAIN,
    "support.support_variance": _CHAIN,
    "tails.distinct_states": {"exponent": 1.5, "sample_size": 10},
    "tails.effective_sample": {"sample_size": 10, "fits": 3},
    "tails.lost_mass": {"exponent": 1.5, "sample_size": 10, "fits": 3},
    "tails.surviving_states": {"exponent": 1.5, "sample_size": 10, "fits": 3},
    "tails.tail_mass": {"exponent": 1.5, "rank": 3},
    "tails.unseen_mass": {"exponent": 1.5, "sample_size": 10, "drawn_exponent": 2.0},
    "tails.zipf": {"exponent": 1.5, "states": 5},
    "wasserstein.arxiv_2305_17493_equation_7": {"sizes": [10, 20], "variance": 1.0},
    "wasserstein.arxiv_2305_17493_equation_8": {"sizes": [10, 20], "variance": 1.0},
    "wasserstein.bures_bounds": _WISHART,
    "wasserstein.expected_squared_distance": _GAUSSIAN,
    "wasserstein.first_order_bures": {"covariance": PAIR, "sample_size": 10, "fits": 3},
    "wasserstein.first_order_squared_distance": {"sizes": [10, 20]},
    "wasserstein.first_order_variance": {"sizes": [10, 20]},
    "wasserstein.scheduled_squared_distance": {"sizes": [10, 20], "ddof": 1},
    "wasserstein.variance_of_squared_distance": _GAUSSIAN,
    "wishart.expected_elementary_symmetric": {**_WISHART, "order": 2},
    "wishart.expected_log_determinant": {"dimension": 2, **_GAUSSIAN},
    "wishart.expected_mean_error": _WISHART,
    "wishart.expected_trace_squares": _WISHART,
    "wishart.log_determinant_cdf": {"log_ratio": -0.5, "dimension": 2, **_GAUSSIAN},
    "wishart.log_determinant_cgf": {"theta": 0.5, "dimension": 2, **_GAUSSIAN},
    "wishart.lyapunov_spectrum": {"sample_size": 10, "dimension": 2, "ddof": 1},
    "wishart.pivot_cgf": {"theta": 0.5, "dimension": 2, **_GAUSSIAN},
    "wishart.pivot_log_variance": {"sample_size": 10, "dimension": 2},
    "wishart.variance_log_determinant": {"sample_size": 10, "fits": 3, "dimension": 2},
    "workflows.affine": {"first": 0.1, "source": 0.1, "gap": 0.2, "steps": 3},
    "workflows.conserved_mean": {"mean": [0.1, 0.2], "fits": 3},
    "workflows.expected_chi_square": {"states": 3, "lost": 0.2},
    "workflows.expected_covariance": {"covariance": PAIR, "lost": 0.2},
    "workflows.expected_heterozygosity": {"probabilities": LAW, "lost": 0.2},
    "workflows.expected_squared_distance": {"probabilities": LAW, "lost": 0.2},
    "workflows.fixed_set": {"sample_size": 10, "fits": 3, "kept": 2},
    "workflows.fixed_set_limit": {"sample_size": 10, "kept": 2},
    "workflows.fresh_counts": {"sample_size": 10, "fits": 3, "real": 2},
    "workflows.fresh_counts_limit": {"sample_size": 10, "real": 2},
    "workflows.pooled": {"sizes": [3, 4], "shared": [[0.1, 0.2], [0.2, 0.3]]},
    "workflows.random_mixing": {"sample_size": 10, "fits": 3, "share": 0.2},
    "workflows.random_mixing_limit": {"sample_size": 10, "share": 0.2},
    "workflows.replace": {"sample_size": 10, "fits": 3},
    "workflows.replace_sizes": {"sizes": [10, 20]},
    "workflows.retain": {"sample_size": 10, "fits": 3, "retained": 2, "real": 1},
    "workflows.retain_limit": {"sample_size": 10, "retained": 2, "real": 1},
    "workflows.share_lost": {"gap": 0.2, "steps": 3},
    "workflows.weighted": {"sample_size": 10, "fits": 3, "real": 2, "weight": 0.3},
    "workflows.weighted_limit": {"sample_size": 10, "real": 2, "weight": 0.3},
}


def public() -> dict[str, Callable[..., Any]]:
    """Every public function and class of the theory, by ``module.name``."""
    found = {}
    for module in modelcollapse_theory.__all__:
        source = importlib.import_module(f"modelcollapse_theory.{module}")
        for name, value in vars(source).items():
            if not name.startswith("_") and callable(value) and getattr(value, "__module__", "") == source.__name__:
                found[f"{module}.{name}"] = value
    return found


def arguments() -> Iterator[tuple[str, str]]:
    """Every public function with each of its arguments."""
    for name, function in public().items():
        if name not in RECORDS:
            yield from ((name, argument) for argument in inspect.signature(function).parameters)


def call(name: str, **changed: Any) -> list[np.ndarray]:
    """The base case with some arguments changed; the answer's numbers, as arrays."""
    module, _, function = name.rpartition(".")
    answer = getattr(importlib.import_module(f"modelcollapse_theory.{module}"), function)(**{**CASES[name], **changed})
    return numbers(answer)


def numbers(answer: Any) -> list[np.ndarray]:
    """All numbers of an answer: of arrays, tuples, records and iterators (their first item)."""
    if isinstance(answer, Iterator):
        answer = next(answer)
    if hasattr(answer, "__dataclass_fields__"):
        answer = [getattr(answer, name) for name in answer.__dataclass_fields__]
    if isinstance(answer, (tuple, list)):
        return [array for part in answer for array in numbers(part)]
    array = np.asarray(answer)
    return [array] if array.dtype.kind in "iufb" else []
