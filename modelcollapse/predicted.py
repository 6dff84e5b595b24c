"""What the theory says beside a run: closed forms, verdicts, and the works that they rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelcollapse.forks import computes
from modelcollapse.summary import Traces

if TYPE_CHECKING:
    from modelcollapse.predict import Predictions, Verdicts
    from modelcollapse.predict.citations import Citations


class Predicted(Traces):
    """Base of a run that has predictions beside it."""

    @property
    def params(self) -> Any:
        """Final parameters of the family, with the chain as first axis of every leaf."""
        raise NotImplementedError

    @computes
    def predict(self) -> Predictions:
        """Every closed form that applies to this run, with its conditions; an empty list if there is none."""
        from modelcollapse.predict import of_run

        return of_run(self).beside(self.axes(), self.trace)

    def profile(self, *, risk: str | None = None, factor: float = 10.0, kept: float = 0.01) -> Verdicts:
        """Which of eight kinds of definition of collapse this run meets, judged by what; as ``mc.profile``."""
        from modelcollapse.predict import profile

        return profile(self, risk=risk, factor=factor, kept=kept)

    def cite(self) -> Citations:
        """The works that this run rests on: this software, the sources of each theorem that ``predict`` evaluates, and
        those of the parts and of the data, where they are known.

        ``print(run.cite())`` is BibTeX; a notebook shows a list of references. Each ``Citation`` names what it is cited
        for. What is derived in this project alone stands under ``derived``.
        """
        from modelcollapse.predict.citations import of_run

        return of_run(self)
