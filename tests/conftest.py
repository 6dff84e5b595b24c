"""Strict numerics for every test: 64 bits, no silent promotion, warnings are errors."""

import gc

import hypothesis
import pytest

try:
    import jax
except ModuleNotFoundError:  # the theory package alone needs no JAX
    pass
else:
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_numpy_rank_promotion", "raise")
    jax.config.update("jax_numpy_dtype_promotion", "strict")

    @pytest.fixture(autouse=True, scope="module")
    def _forget_programs():
        """Every compiled program holds dozens of memory maps, of which a process may have 65,530 (Linux): beyond, XLA crashes."""
        yield
        jax.clear_caches()
        gc.collect()


hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, max_examples=50, print_blob=True)
hypothesis.settings.load_profile("ci")
