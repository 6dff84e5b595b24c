"""A function of the theory at its arguments: what it predicts, and what it says of the usual near misses."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, SupportsFloat, TypeAlias

from modelcollapse.verify.evidence import Evidence, Statistic

Misses: TypeAlias = dict[str, SupportsFloat]
"""Near misses by name."""

TIMES = {1: "one {}", 2: "two {}s", 3: "three {}s"}


class Formula:
    """``function(*arguments, **options)`` as one number: ``read`` of the entry ``at`` these indices of what it returns.

    Call it for the prediction, or with other values of some arguments for the number there: ``exact(fits=3)``.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        at: tuple[int, ...] = (),
        read: Callable[[Any], SupportsFloat] = float,
        **options: Any,
    ) -> None:
        self.function, self.at, self.read = function, at, read
        self.arguments = inspect.signature(function).bind_partial(*arguments, **options).arguments

    def __call__(self, **changes: Any) -> float:
        found = self.function(**{**self.arguments, **changes})
        for index in self.at:
            found = found[index]
        return float(self.read(found))

    def along(self, argument: str) -> Callable[[Any], float]:
        """The number as a function of one argument."""
        return lambda value: self(**{argument: value})

    def near(
        self,
        *,
        early: int = 0,
        late: int = 0,
        larger: int = 0,
        diploid: bool = False,
        ddof: int | None = None,
        unit: str = "generation",
    ) -> Misses:
        """Near misses: so many fits (called ``unit``) early or late, M + ``larger``, 2M for M, another ``ddof``."""
        out: Misses = {}
        if larger:
            out[f"M + {larger} for M"] = self(sample_size=self.arguments["sample_size"] + larger)
        if early:
            out[f"{TIMES[early].format(unit)} early"] = self(fits=self.arguments["fits"] - early)
        if late:
            out[f"{TIMES[late].format(unit)} late"] = self(fits=self.arguments["fits"] + late)
        if diploid:
            out["diploid 2M"] = self(sample_size=2 * self.arguments["sample_size"])
        if ddof is not None:
            out[f"ddof = {ddof}"] = self(ddof=ddof)
        return out

    def against(
        self,
        observed: Statistic,
        what: str = "",
        wrong: Mapping[str, SupportsFloat] | None = None,
        *,
        slack: SupportsFloat = 0.0,
        **near: Any,
    ) -> Evidence:
        """The prediction against what was seen, with the near misses of ``wrong`` and those that ``near`` names."""
        return Evidence(observed, self(), {**(wrong or {}), **self.near(**near)}, what, slack)
