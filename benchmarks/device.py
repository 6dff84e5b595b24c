"""``python benchmarks/run.py --device``: what an accelerator gives, and whether its counts are those of a CPU.

One script, under six minutes, each part with a time limit of its own and an error of its own; the summary at its end is a
table for docs/benchmarks.md. On a machine without an accelerator it runs on the CPU, with fewer chains.
"""

from __future__ import annotations

import contextlib
import io
import platform
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import modelcollapse as mc
from modelcollapse.__main__ import main as command

LIMIT = 330.0
"""Seconds for all parts; a part that has not begun by then is left out, which is said."""
GOALS = {"Gaussian, M = 100": "1e10", "Discrete, K = 10, M = 100": "1e8"}


def counts(small: bool) -> str:
    """The counts of every form and regime, bit for bit, and how far floats are apart."""
    law = np.arange(1, 101) / 5050
    cases: dict[str, tuple[Any, Any, Any]] = {
        "3 states": (mc.Discrete(), mc.categorical([0.5, 0.3, 0.2]), mc.Replace()),
        "100 states": (mc.Discrete(), mc.categorical(law), mc.Replace()),
        "fresh": (mc.Discrete(), mc.categorical(law), mc.FreshReal(0.1)),
        "mixture": (mc.Discrete(), mc.categorical([0.5, 0.3, 0.2]), mc.Mixture(0.7, 0.1, 0.2)),
        "accumulate": (mc.Discrete(), mc.categorical([0.5, 0.3, 0.2]), mc.Accumulate()),
        "poisson": (mc.Poisson(), mc.poisson(4.0), mc.Replace()),
    }
    chains = 50 if small else 2000

    def run(name: str) -> np.ndarray:
        family, source, regime = cases[name]
        size = 50
        observe = "probabilities" if isinstance(family, mc.Discrete) else "mean"
        found = mc.simulate(family, source, regime, observe, size=size, generations=30, chains=chains, seed=3)[observe]
        items = size * np.arange(1, 32) if name == "accumulate" else np.full(31, size)
        return np.rint(found * items[None, :, None]).astype(np.int64)

    differ = []
    for name in cases:
        here = run(name)
        with jax.default_device(jax.devices("cpu")[0]):
            if not np.array_equal(here, run(name)):
                differ.append(name)
    return f"equal to the CPU's in {len(cases) - len(differ)} of {len(cases)}" + (
        f", not in {differ}" if differ else ""
    )


def forward(name: str, family: Any, source: Any, observe: str, chains: int, generations: int) -> str:
    def run(seed: int) -> float:
        start = time.perf_counter()
        mc.simulate(
            family, source, observe=observe, size=100, generations=generations, chains=chains, seed=seed,
            record=[generations],
        )  # fmt: skip
        return time.perf_counter() - start

    first, *later = (run(seed) for seed in range(3))
    rate = chains * generations / min(later)
    return f"{rate:.2e} chain-generations a second (goal {GOALS[name]}); first call {first:.1f} s"


def bounded(chains: int) -> str:
    """More chains than fit at once: batches keep within memory."""
    law = mc.categorical(np.ones(1000) / 1000)
    start = time.perf_counter()
    run = mc.simulate(
        mc.Discrete(), law, mc.FreshReal(0.1), "support_size", size=1000, generations=3, chains=chains, record=[3]
    )
    assert run["support_size"].shape == (chains, 1)
    return f"{chains} chains of 1000 states and 1000 draws: {time.perf_counter() - start:.1f} s, first call included"


def refit(small: bool) -> str:
    pixels = np.random.default_rng(0).random((64 if small else 1000, 64))
    family = mc.families.VAE(latent=8, steps=20) if small else mc.families.VAE(latent=8)

    def run(seed: int) -> float:
        start = time.perf_counter()
        mc.simulate(family, mc.sources.images(pixels), size=len(pixels), generations=1, seed=seed)
        return time.perf_counter() - start

    first, second = run(0), run(1)
    return f"{second / 2:.2f} s a refit; first call {first:.1f} s"


def claims(small: bool) -> str:
    arguments = ["verify", "--quick", "--precision", "32", *(["A1"] if small else [])]
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        status = command(arguments)
    return f"exit status {status}: {shown.getvalue().splitlines()[-1]}"


def main(small: bool | None = None) -> list[str]:
    """Run all parts and return the summary; ``small`` is the default on a CPU."""
    device = jax.devices()[0]
    small = device.platform == "cpu" if small is None else small
    most = 5 if small else 8
    normal, discrete = (mc.Gaussian(), mc.normal()), (mc.Discrete(), mc.categorical(np.ones(10) / 10))
    parts: dict[str, Callable[[], str]] = {"bits of counts": lambda: counts(small)}
    for power in range(min(5, most - 1), most):
        chains = 10**power
        parts[f"Gaussian, {chains:.0e} chains"] = lambda chains=chains: forward(
            "Gaussian, M = 100", *normal, "log_variance", chains, 100 if small else 1000
        )
    for power in range(min(5, most - 1), most - 1 + small):
        chains = 10**power
        parts[f"Discrete, {chains:.0e} chains"] = lambda chains=chains: forward(
            "Discrete, K = 10, M = 100", *discrete, "heterozygosity", chains, 20 if small else 100
        )
    parts |= {
        "memory bound": lambda: bounded(1000 if small else 10**6),
        "VAE": lambda: refit(small),
        "claims, quick tier, float32": lambda: claims(small),
    }
    head = f"{device.device_kind} ({device.platform}), Python {platform.python_version()}, jax {jax.__version__}"
    lines, begun = [f"Device: {head}.", "", "| part | result | seconds |", "|---|---|---|"], time.perf_counter()
    for name, part in parts.items():
        start = time.perf_counter()
        if start - begun > LIMIT:
            result = f"left out, as {LIMIT:.0f} seconds were over"
        else:
            try:
                result = part()
            except Exception as error:  # the other parts are worth having
                result = f"FAILED: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        lines.append(f"| {name} | {result} | {time.perf_counter() - start:.1f} |")
        print(lines[-1], flush=True)
    return lines
