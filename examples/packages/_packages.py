"""What these examples share: where the helpers of all examples are, and a clear word where a package is missing."""

import importlib.util
import logging
import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import modelcollapse as mc
from modelcollapse import datasets

COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


def needs(*names):
    """Stop with what to install where a package is missing."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(
            f"{Path(sys.argv[0]).name} needs {', '.join(missing)}. On Python 3.11, in an environment of its own:\n"
            "    python -m pip install torch==2.13.0\n"
            "    python -m pip install --constraint constraints-packages.txt . sdv copulas pomegranate POT"
        )
    # what these packages say of their own future is theirs to mend
    warnings.filterwarnings("ignore", module=r"(sdv|rdt|copulas|sdmetrics|pomegranate|ot|scipy|pandas|numpy)\b")
    logging.getLogger("sdv").setLevel(logging.ERROR)


def setosa():
    """The plants of one species, ``(50, 4)``."""
    return datasets.iris("setosa")[0]


def normal_setosa():
    """The normal law with the mean and covariance of those plants: real data for which exact curves are known."""
    rows = setosa()
    return mc.normal(rows.mean(0), np.cov(rows.T))


def mixed():
    """All 150 plants as a data frame: four measurements and the species, which is text."""
    import pandas

    rows = datasets.iris()[0]
    return pandas.DataFrame(rows, columns=COLUMNS).assign(species=np.repeat(list(datasets.SPECIES), 50))


def log_determinant(rows):
    """Of the unbiased covariance of rows of numbers; minus infinity where a column has become constant."""
    covariance = np.cov(np.asarray(rows, float).T)
    return float(np.linalg.slogdet(covariance)[1]) if np.linalg.matrix_rank(covariance) == len(covariance) else -np.inf


def errors(values):
    """Means over chains, and their standard errors."""
    return values.mean(0), values.std(0, ddof=1) / np.sqrt(len(values))
