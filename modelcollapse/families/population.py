"""Several models of one family in each chain, which may learn from one another."""

from __future__ import annotations

from typing import Any

from modelcollapse import arguments
from modelcollapse.protocols import Family
from modelcollapse.pytree import part, static


@part
class Population:
    """``models`` models of one ``family`` in each chain: what ``simulate`` takes in place of a family.

    Under ``regimes.Exchange`` they learn from one another; under any other regime each of them goes its own way. An
    observable has one entry for each model, ``(chain, generation, models, ...)``, or sees them all at once
    (``observables.between``, ``observables.union``). Model i of chain c has the random numbers of chain ``c * models +
    i`` of a plain run, so that a population of one is the family.

    Raises
    ------
    TypeError, ValueError
        If ``family`` is no family, or ``models`` no whole number of at least 1.
    """

    family: Family
    models: int = static()

    def __post_init__(self) -> None:
        arguments.converted(self, family=arguments.family, models=arguments.count)


def single(family: Any) -> Any:
    """The family of each model."""
    return family.family if isinstance(family, Population) else family


def learner(name: str, value: Any) -> Any:
    """What may be refitted: a family, or a population of one."""
    return value if isinstance(value, Population) else arguments.family(name, value)
