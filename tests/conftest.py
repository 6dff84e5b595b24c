"""Strict numerics for every test: 64 bits, no silent promotion, warnings are errors."""

import hypothesis

try:
    import jax
except ModuleNotFoundError:  # the theory package alone needs no JAX
    pass
else:
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_numpy_rank_promotion", "raise")
    jax.config.update("jax_numpy_dtype_promotion", "strict")

hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, max_examples=50, print_blob=True)
hypothesis.settings.load_profile("ci")
