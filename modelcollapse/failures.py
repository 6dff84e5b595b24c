"""Runs that did not come to their end, with what there is of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelcollapse.families.wrapping import Wrapper
from modelcollapse.protocols import SaysUnfit

if TYPE_CHECKING:
    from modelcollapse.run import Run


class ChainFailure(RuntimeError):
    """A fit failed: training diverged, a covariance became singular. ``run`` holds the run, NaN from the failure on."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.chains = np.flatnonzero(run.state.status)
        self.generations = np.asarray(run.state.status)[self.chains] - 1
        first = ", ".join(
            f"chain {c} at generation {g}" for c, g in zip(self.chains[:5], self.generations[:5], strict=True)
        )
        more = f" and {self.chains.size - 5} more" if self.chains.size > 5 else ""
        super().__init__(
            f"the fit of {type(run.family).__name__} was not finite in {first}{more}; "
            f"these chains stopped there, the others went on: see the `run` of this exception{_why(run.family)}"
        )


def _why(family: object) -> str:
    """What the family, and those within it, say of data that they cannot be fitted to."""
    said = []
    while True:
        if isinstance(family, SaysUnfit):
            said.append(f"; {family.unfit}")
        if not isinstance(family, Wrapper):
            return "".join(said)
        family = family.family


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run. ``run`` holds the chains that were begun, to the last stop that all of them reached:
    ``run.extend`` and ``run.more`` complete it, to the numbers of a run that was not interrupted.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        super().__init__(f"interrupted: {run.chains} chains reached generation {run.generations}; they are in .run")


def sound(run: Run, interrupted: bool = False) -> Run:
    """``run``, if it came to its end and no fit failed; else ``Interrupted`` or ``ChainFailure``."""
    if interrupted:
        raise Interrupted(run)
    if np.any(run.state.status):
        raise ChainFailure(run)
    return run
