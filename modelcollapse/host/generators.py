"""The generators that a whole process shares: of NumPy, of Python and of torch, lent for one call and put back."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

Torch: TypeAlias = Any
"""The module torch, which need not be installed."""


@contextlib.contextmanager
def lent(seed: int) -> Iterator[None]:
    """Inside, they begin with ``seed``, a whole number below 2^32; afterwards they go on as if nothing had been drawn.

    If torch has been imported, its generators are among them: of the CPU, of CUDA and of MPS. Those of CUDA that do not
    exist yet begin afterwards with the seed of the CPU's, as after ``torch.manual_seed``.

    Raises
    ------
    RuntimeError
        If torch is imported inside for the first time, and its generator used: it has begun with no seed of ours.
    """
    torch = sys.modules.get("torch")
    legacy, plain = np.random.get_state(), random.getstate()  # noqa: NPY002
    put_back = None
    try:
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        put_back = None if torch is None else _seeded(torch, seed)
        yield
        if torch is None and "torch" in sys.modules:
            _check_unused(sys.modules["torch"])
    finally:
        np.random.set_state(legacy)  # noqa: NPY002
        random.setstate(plain)
        if put_back is not None:
            put_back()


def _seeded(torch: Torch, seed: int) -> Callable[[], None]:
    """Seed the generators of torch; what is returned puts them back."""
    cpu, cuda = torch.default_generator, torch.cuda.is_initialized()
    mps = torch.backends.mps.is_available()
    first, kept = cpu.initial_seed(), cpu.get_state()
    on_cuda = torch.cuda.get_rng_state_all() if cuda else []
    on_mps = torch.mps.get_rng_state() if mps else None

    def put_back() -> None:
        cpu.set_state(kept)
        if cuda:
            torch.cuda.set_rng_state_all(on_cuda)
        else:
            torch.cuda.manual_seed_all(first)
        if mps:
            torch.mps.set_rng_state(on_mps)

    cpu.manual_seed(seed)
    torch.cuda.manual_seed_all(seed)  # takes effect when CUDA comes into use
    if mps:
        torch.mps.manual_seed(seed)
    return put_back


def _check_unused(torch: Torch) -> None:
    """Refuse a call that has imported torch and drawn from its generator, so that no run could repeat it."""
    cpu = torch.default_generator
    if not torch.equal(cpu.get_state(), torch.Generator().manual_seed(cpu.initial_seed()).get_state()):
        raise RuntimeError(
            "the first call imported torch and drew from its generator before it could be seeded, so the run would not "
            "repeat: import torch before the run"
        )
