"""The generators that a whole process shares: of NumPy, of Python and of torch, lent for one call and put back."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Iterator

import numpy as np


@contextlib.contextmanager
def lent(seed: int) -> Iterator[None]:
    """Inside, they begin with ``seed``, a whole number below 2^32; afterwards they go on as if nothing had been drawn.

    Those of torch, on every device in use, are among them if torch has been imported.
    """
    legacy, plain = np.random.get_state(), random.getstate()  # noqa: NPY002
    torch = sys.modules.get("torch")
    cuda = torch is not None and torch.cuda.is_initialized()
    kept = None if torch is None else torch.get_rng_state()
    on_devices = torch.cuda.get_rng_state_all() if torch is not None and cuda else []
    try:
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        if torch is not None:
            torch.manual_seed(seed)
        yield
    finally:
        np.random.set_state(legacy)  # noqa: NPY002
        random.setstate(plain)
        if torch is not None:
            torch.set_rng_state(kept)
            if cuda:
                torch.cuda.set_rng_state_all(on_devices)
