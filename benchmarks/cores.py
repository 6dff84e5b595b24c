"""One run on one, two and more threads: wall time, and what a share of the work that cannot be shared leaves of more."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np

GOALS = {"discrete": 1.8, "other": 1.5}
CASES = {
    "Discrete, K = 10, M = 100, 20,000 chains x 250": (
        "mc.Discrete()", "mc.categorical(np.ones(10) / 10)", "mc.Replace()", "heterozygosity", 100, 250, 20_000,
    ),
    "Discrete, K = 1000, M = 1000, 10,000 chains x 50, FreshReal": (
        "mc.Discrete()", "mc.categorical(np.ones(1000) / 1000)", "mc.FreshReal(0.1)", "heterozygosity", 1000, 50, 10_000,
    ),
    "Gaussian, d = 1, 20,000 chains x 2000": (
        "mc.Gaussian()", "mc.normal()", "mc.Replace()", "log_variance", 100, 2000, 20_000,
    ),
    "Gaussian, d = 10, 10,000 chains x 300": (
        "mc.Gaussian()", "mc.normal(np.zeros(10), np.eye(10))", "mc.Replace()", "log_determinant", 100, 300, 10_000,
    ),
    "KernelDensity, M = 200, 10,000 chains x 50": (
        "mc.KernelDensity(0.5)", "mc.normal()", "mc.Replace()", "variance", 200, 50, 10_000,
    ),
    "Discrete, K = 6, M = 200, 2000 chains x 50 (a short run)": (
        "mc.Discrete()", "mc.categorical(np.ones(6) / 6)", "mc.Replace()", "heterozygosity", 200, 50, 2000,
    ),
}  # fmt: skip
CODE = """
import time
import numpy as np
import modelcollapse as mc

def run(workers, seed):
    start = time.perf_counter()
    mc.simulate({family}, {source}, {regime}, {observe!r}, size={size}, generations={generations}, chains={chains},
                seed=seed, record=[{generations}], workers=workers)
    return time.perf_counter() - start

counts = [1, 2, *([4] if {most} >= 4 else [])]
for workers in counts:
    run(workers, 0)
spent = {{workers: [] for workers in counts}}
for seed in range({repeats}):
    for workers in counts:
        spent[workers].append(run(workers, seed))
print(" ".join(str(np.median(spent[workers])) for workers in counts))
"""


def cores(repeats: int = 5) -> list[str]:
    """Markdown lines, one for each case: seconds, gain, and by Amdahl's law the part that is done once for all threads."""
    environment = {name: value for name, value in os.environ.items() if name != "NPROC"}
    most = os.cpu_count() or 1
    lines = [
        "| run | seconds on 1 thread | on 2 | gain | goal | part that is not shared | gain on 8, by that |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (family, source, regime, observe, size, generations, chains) in CASES.items():
        code = CODE.format(
            family=family, source=source, regime=regime, observe=observe, size=size, generations=generations,
            chains=chains, repeats=repeats, most=most,
        )  # fmt: skip
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        one, two = np.array(done.stdout.split(), float)[:2]
        alone = float(np.clip(2 * two / one - 1, 0.0, 1.0))
        goal = "1" if "short" in name else f"{GOALS['discrete' if name.startswith('Discrete') else 'other']}"
        eight = 1 / (alone + (1 - alone) / 8)
        lines.append(f"| {name} | {one:.3g} | {two:.3g} | {one / two:.2f} | {goal} | {alone:.2f} | {eight:.1f} |")
    return lines


if __name__ == "__main__":
    print("\n".join(cores()))
