"""How many programs the tests of a module may compile. Compilation is nearly all of what the suite costs, and programs
can be counted on any machine.

Counted for each module alone, from empty caches, without the tests marked slow:
``python -m pytest --programs -n 0 tests/test_x.py``. Raise a number only with a reason that a reviewer would accept.
"""

DEFAULT = 60
"""For a module that is not named below."""

PROGRAMS: dict[str, int] = {
    "fuzz/test_fuzz.py": 240,
    "predictions/test_predictions_exact.py": 560,
    "predictions/test_predictions_large.py": 100,
    "sampling/test_chi_square.py": 380,
    "sampling/test_closed_chains.py": 210,
    "sampling/test_gamma.py": 90,
    "sampling/test_keys.py": 160,
    "sampling/test_lanes.py": 210,
    "sampling/test_multinomial.py": 130,
    "sampling/test_normal.py": 160,
    "test_ancestry.py": 70,
    "test_arguments.py": 80,
    "test_bad_input.py": 70,
    "test_benchmarks.py": 150,
    "test_claims.py": 150,
    "test_cli_simulate.py": 150,
    "test_conditional.py": 310,
    "test_data.py": 140,
    "test_docs.py": 220,
    "test_driver.py": 150,
    "test_error_sources.py": 440,
    "test_exponential.py": 300,
    "test_extend.py": 160,
    "test_external.py": 290,
    "test_families.py": 410,
    "test_gaussian_mixture.py": 600,
    "test_going_on.py": 220,
    "test_kernel_density.py": 290,
    "test_linear_regression.py": 390,
    "test_linear_vae.py": 300,
    "test_location.py": 250,
    "test_loop.py": 300,
    "test_models.py": 260,
    "test_observables.py": 190,
    "test_plot.py": 150,
    "test_portions.py": 190,
    "test_predictions.py": 150,
    "test_predictions_claim.py": 160,
    "test_properties.py": 90,
    "test_rank.py": 130,
    "test_regimes.py": 130,
    "test_rest.py": 70,
    "test_saved_models.py": 200,
    "test_seams.py": 80,
    "test_sources.py": 290,
    "test_sources_input.py": 330,
    "test_sweeps.py": 80,
    "test_toy_parts.py": 150,
    "test_transport.py": 210,
    "test_vae.py": 490,
    "test_wrapping.py": 290,
}
