"""The first result: each number is of a process of its own, CPU-seconds of all its threads, the cache of programs empty
unless it says otherwise.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

GOALS = {"import": 0.6, "normal": 0.8, "discrete": 1.2, "warm": 0.4, "another": 0.1, "beside": 0.15}
CASES = {
    "Gaussian, Replace": ("mc.Gaussian()", "mc.normal(0.0, 1.0)", "mc.Replace()", ["log_variance", "w2_squared"], 100),
    "Discrete, Replace": ("mc.Discrete()", "LAW", "mc.Replace()", ["heterozygosity", "support_size"], 200),
    "Discrete, FreshReal": ("mc.Discrete()", "LAW", "mc.FreshReal(0.1)", ["heterozygosity", "support_size"], 200),
    "Discrete, Mixture": ("mc.Discrete()", "LAW", "mc.Mixture(0.8, 0.1, 0.1)", ["heterozygosity", "support_size"], 200),
    "Discrete, Accumulate": ("mc.Discrete()", "LAW", "mc.Accumulate()", ["heterozygosity", "support_size"], 200),
}
OURS = """
import json, sys, time
spent, last = {{}}, time.process_time()

def lap(name):
    global last
    now = time.process_time()
    spent[name] = now - last
    last = now

import modelcollapse as mc
spent["import"] = time.process_time()
last = time.process_time()
LAW = mc.categorical([0.5, 0.2, 0.15, 0.1, 0.04, 0.01])

def run(generations=50, chains=2000, size={size}, record=None):
    return mc.simulate({family}, {source}, {regime}, {observe!r}, size=size, generations=generations, chains=chains,
                       record=record)

found = run()
lap("first")
found.predict(), str(found.summary())
lap("beside")
run(generations=73)
lap("generations")
run(chains=1500)
lap("chains")
run(size={size} - 10)
lap("size")
run(record=[0, 3, 7, 50])
lap("records")
print(json.dumps(spent))
"""
NUMPY = """
import numpy as np
rng = np.random.default_rng(0)
mean, variance = np.zeros(2000), np.ones(2000)
table = []
for generation in range(51):
    rows = mean[:, None] + np.sqrt(variance)[:, None] * rng.standard_normal((2000, 100))
    mean, variance = rows.mean(1), rows.var(1, ddof=1)
    table.append((np.log(variance).mean(), (mean**2 + (np.sqrt(variance) - 1) ** 2).mean()))
print(table[-1])
import time
print(time.process_time())
"""


def process(code: str, **variables: str) -> str:
    ours = ("JAX_COMPILATION_CACHE_DIR", "MODELCOLLAPSE_CACHE")
    environment = {name: value for name, value in os.environ.items() if name not in ours} | variables
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def first_result(repeats: int = 3, names: list[str] | None = None) -> list[str]:
    """Markdown lines, one for each case."""
    script = float(np.median([float(process(NUMPY)) for _ in range(repeats)]))
    lines = [
        "| first result, CPU-s | import | first run | goal | with programs kept | goal | predict, summary | goal | another run, at most | goal |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in names or CASES:
        family, source, regime, observe, size = CASES[name]
        code = OURS.format(family=family, source=source, regime=regime, observe=observe, size=size)
        cold = [json.loads(process(code)) for _ in range(repeats)]
        with tempfile.TemporaryDirectory() as folder:
            kept = {"JAX_COMPILATION_CACHE_DIR": folder, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.05"}
            process(code, **kept)
            warm = [json.loads(process(code, **kept)) for _ in range(repeats)]
        middle = {key: float(np.median([one[key] for one in cold])) for key in cold[0]}
        another = max(middle[key] for key in ("generations", "chains", "size", "records"))
        goal = GOALS["normal" if name.startswith("Gaussian") else "discrete"]
        cells = [
            middle["import"], middle["first"], goal, float(np.median([one["first"] for one in warm])), GOALS["warm"],
            middle["beside"], GOALS["beside"], another, GOALS["another"],
        ]  # fmt: skip
        lines.append(f"| {name} | " + " | ".join(f"{cell:.2g}" for cell in cells) + " |")
    lines.append(f"| *shortest NumPy script for the Gaussian, import included* | | {script:.2g} | | | | | | | |")
    return lines


if __name__ == "__main__":
    print(f"{Path(__file__).name}: NPROC={os.environ.get('NPROC', 'default')}")
    print("\n".join(first_result(names=sys.argv[1:] or None)))
