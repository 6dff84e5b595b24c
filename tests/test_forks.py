"""In a process forked after JAX had started, whatever computes says so; one forked before is a process like any other."""

import os
import subprocess
import sys

import pytest

CODE = """
import multiprocessing, os, signal, sys, warnings
warnings.simplefilter("ignore")  # JAX warns of every fork
import numpy as np
import modelcollapse as mc

LAW = mc.Law(mc.Discrete(), np.array([0.5, 0.5]))  # no array of JAX
GIVEN = {"observe": "entropy", "size": 5, "generations": 1}


class Model:
    def fit(self, rows): self.rows = rows
    def sample(self, n): return self.rows[:n]


def child(name, compute):
    number = os.fork()
    if not number:
        signal.alarm(60)  # instead of waiting for ever
        try:
            compute()
            print(name, "works")
        except RuntimeError as error:
            print(name, "spawn" in str(error) and name.split()[0] in str(error))
        except BaseException as error:
            print(name, repr(error))
        sys.stdout.flush()
        os._exit(0)
    status = os.waitpid(number, 0)[1]
    if status:
        print(name, "died", status)


child("early", lambda: mc.simulate(mc.Discrete(), LAW, **GIVEN))
run = mc.simulate(mc.Discrete(), LAW, **GIVEN)
run.save(sys.argv[1])
child("simulate", lambda: mc.simulate(mc.Discrete(), LAW, **GIVEN))
child("trace", lambda: mc.trace(mc.Discrete(), LAW, **GIVEN))
child("extend", lambda: run.extend(1))
child("load", lambda: mc.Run.load(sys.argv[1]))
child("simulate_models", lambda: mc.simulate_models(Model, LAW, size=5, generations=1))
child("categorical", lambda: mc.categorical([0.5, 0.5]))
child("normal", lambda: mc.normal(0.0, 1.0))
child("predict", run.predict)
child("predictions", lambda: mc.predictions(mc.Discrete(), LAW, size=5, generations=1))
child("table", lambda: mc.table([[1.0], [2.0]]))
child("labels", lambda: mc.labels(["a", "b"]))
child("counts", lambda: mc.counts({"a": 1, "b": 2}))
child("images", lambda: mc.images(np.zeros((2, 2, 2))))
child("tail_mass", lambda: mc.tail_mass([0]))
child("simulate in a child of a child", lambda: child("simulate again", lambda: mc.simulate(mc.Discrete(), LAW, **GIVEN)))
run.extend(1)  # the parent goes on
print("parent works")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_refuses_or_works(tmp_path: object) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, "-c", CODE, f"{tmp_path}/run.npz"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    found = done.stdout.splitlines()
    doors = [
        "simulate",
        "trace",
        "extend",
        "load",
        "simulate_models",
        "categorical",
        "normal",
        "predict",
        "predictions",
        "table",
        "labels",
        "counts",
        "images",
        "tail_mass",
    ]
    assert found == [
        "early works", *(f"{door} True" for door in doors), "simulate again True", "simulate in a child of a child works",
        "parent works",
    ]  # fmt: skip
