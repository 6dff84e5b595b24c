"""What happens in a setting: the answer of ``mc.simulate`` and ``run.predict()``, as the page draws it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from modelcollapse.explore import choices, curves
from modelcollapse.explore.settings import Setting
from modelcollapse.run import Run, simulate


def run_of(setting: Setting) -> Run:
    """The run of a setting."""
    return simulate(
        *setting.parts(),
        size=setting.size,
        generations=setting.generations,
        chains=choices.CHAINS,
        seed=setting.seed,
    )


def simulated(setting: Setting) -> dict[str, Any]:
    """The answer of ``api/simulate``."""
    begun = time.perf_counter()
    run = run_of(setting)
    states, laws = shown(setting.weights.states, run["probabilities"][0])
    return {
        "generations": run.recorded.tolist(),
        "states": states,
        "curves": curves.of_run(run, {name: choices.OBSERVABLES[name] for name in setting.watched}),
        "laws": curves.numbers(laws),
        "alive": run["support_size"][0].tolist(),
        "call": setting.call(),
        "seconds": round(time.perf_counter() - begun, 4),
    }


def shown(states: tuple[str, ...], laws: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Names and laws ``(G, K)``, those beyond the most frequent at the start put together as one."""
    if len(states) <= choices.SHOWN:
        return list(states), laws
    order = np.argsort(-laws[0], kind="stable")
    first, rest = np.sort(order[: choices.SHOWN - 1]), np.sort(order[choices.SHOWN - 1 :])
    names = [states[i] for i in first] + [f"{rest.size} others"]
    return names, np.concatenate([laws[:, first], laws[:, rest].sum(1, keepdims=True)], axis=1)
