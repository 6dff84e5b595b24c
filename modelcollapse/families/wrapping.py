"""A family around another family has exactly those abilities of the inner one that still hold, by one rule.

``inherits`` names the abilities of a wrapper. An instance has such an ability if and only if the family within has it:
then the methods of the inner family, or the wrapper's own versions of them, are attributes of the instance, so that
``isinstance(wrapper, Ability)`` is true, however deep the wrappers are nested. The table gives the reasons; "own" means
a version of the wrapper's own.

============  ================  ================  ================  ================  ============================
ability       Damped            Rounded           Exact             Conditional       OutputWrapper
============  ================  ================  ================  ================  ============================
Checks        yes               yes               own, always       own, always       yes
Informed      own               own               own               own, no classes   own
Projects      yes               yes               yes               own, always       yes: real data stay
Limits        no: needs last    no: rounds        no: needs none    no                yes: a fit to real data
Mixes         yes               no: rounds        no: pools laws    no                yes, of plain parameters
Blends        yes: a path       own, rounds       yes               no                yes
Rests         yes: old = new    no: may move off  no                no                own: comes out as it is
Validates     yes               own: 0 is legal   yes               own, each class   yes
DrawsMany     yes               no: unwritten     no: no draws      no: draws rows    no: what comes out
HoldsData     no: none blends   no: rounds        no: no rows       no: each class    no: not needed
Labours       yes               no: written form  no: fits no rows  no: each class    yes
KeepsRows     yes               own, as written   no: no rows       own, each class   yes
NeedsItems    yes               yes               no: never short   no: each class    yes
Works         yes               own, as read      no: no rows       own, always       yes
SeesLaws      yes               yes, if no rows   own, always       no: needs rows    own: laws that come out
GivesOut      yes               no: rounds after  no: sees to it    no: draws rows    own, always
Continues     yes               own, rounds       no: no rows       no: labels        yes
Equivariant   yes               no: a grid        yes               no: labels stay   no, unless the class says so
Bounded       yes               yes: 0 and 1 are  yes               yes               no, unless the class says so
ReadsTokens   yes               no: rounds        no: no rows       no: labels        yes
PredictsTok.  yes               no: rounds        no: no rows       no: labels        yes, by the family within
LosesOnData   yes               no: rounds        no: no rows       no: labels        yes, by the family within
HasFeatures   yes               yes               no: no rows       own, always       yes
Observed      yes               yes               yes               no: other params  yes
OfKind        yes               no: rounds        yes               no                yes
ByRows        yes               yes               no: no draws      no: draws rows    yes
============  ================  ================  ================  ================  ============================

============  ===============  ===============  ===============  ==================  ================================
ability       Posterior        Shrunk           Ensemble         Oversampled         Stratified
============  ===============  ===============  ===============  ==================  ================================
Checks        own, always      own, always      yes              yes                 yes
Informed      own, always      own, always      own, always      own                 own
Projects      yes              yes              yes              yes                 yes
Limits        no: draws        no: it is moved  no: averages     no: no sampling     no: no sampling
Mixes         yes              yes              no: own samples  no: counted first   no: counted first
Blends        yes              yes              yes              yes                 yes
Rests         no: may wake     no: moves        no: averages     yes                 yes
Validates     no: all finite   yes              yes              yes                 yes
DrawsMany     no: unwritten    yes              no: unwritten    no: unwritten       no: draws otherwise
KeepsRows     no: keeps none   no: keeps none   no: keeps none   yes                 yes
NeedsItems    own              yes              yes              yes                 yes
Works         yes              yes              no: unwritten    yes                 no: unwritten
SeesLaws      no: refused      yes              no: draws items  no: refused         no: refused
Observed      yes              yes              yes              yes                 yes
OfKind        yes, not t laws  yes              yes              yes                 yes
others        no               no: it is kept   no               yes, but GivesOut   Bounded and HasFeatures
============  ===============  ===============  ===============  ==================  ================================

An instance of a wrapper may withhold more, by its attribute ``withheld``: what a class can do in one of its ways alone.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from modelcollapse import protocols
from modelcollapse.data import Rows
from modelcollapse.laws import Law, outcome
from modelcollapse.protocols import Count, Family, Params, Source

T = TypeVar("T")
_ESSENTIAL = {"data", "draw", "draw_rows", "summarise", "fit"}
"""What every family has, and so every wrapper by itself."""


def inherits(*abilities: type) -> Callable[[type[T]], type[T]]:
    """Let instances of the decorated class have each of the ``abilities`` if and only if their field ``family`` does.

    A method that the class defines under a name of such an ability is its own version. It is taken out of the class,
    and instances have it where the family within has the ability. Write ``@part`` above this decorator. Classes derived
    from the decorated one inherit the abilities; a method that they define without this decorator is always there.
    """

    def decorate(cls: type[T]) -> type[T]:
        known: dict[type, dict[str, Any]] = dict(getattr(cls, "inherited", {}))
        for ability in abilities:
            before = known.get(ability, {})
            known[ability] = {name: vars(cls).get(name, before.get(name)) for name in _members(ability)}
            for name in known[ability].keys() & vars(cls).keys():
                delattr(cls, name)
        for name, value in {"inherited": known, **_INSTANCE}.items():
            setattr(cls, name, value)
        return cls

    return decorate


def _members(ability: type) -> list[str]:
    """The names that an instance of ``ability`` has, besides those of every family."""
    names = vars(ability) | vars(ability).get("__annotations__", {})
    return [name for name in names if not name.startswith("_") and name not in _ESSENTIAL]


def _completed(wrapper: Any) -> None:
    """Put the abilities that the family within has into the instance, where ``isinstance`` looks for them."""
    cls, inner = type(wrapper), wrapper.family
    for ability, versions in cls.inherited.items():
        if isinstance(inner, ability) and ability not in wrapper.withheld:
            for name, own in versions.items():
                if not hasattr(cls, name):
                    vars(wrapper)[name] = getattr(inner, name) if own is None else types.MethodType(own, wrapper)


def _state(wrapper: Any) -> dict[str, Any]:
    """The fields alone, for a copy or a pickle: methods of this instance are none of another."""
    return {field.name: getattr(wrapper, field.name) for field in dataclasses.fields(wrapper)}


def _restored(wrapper: Any, state: dict[str, Any]) -> None:
    vars(wrapper).update(state)
    _completed(wrapper)


_INSTANCE = {"_completed": _completed, "__getstate__": _state, "__setstate__": _restored}


def described(family: Family) -> str:
    """Class of a family and of those within it: ``Rounded(GaussianMixture)``."""
    name = type(family).__name__
    return f"{name}({described(family.family)})" if isinstance(family, Wrapper) else name


def innermost(family: Family) -> Family:
    """What the innermost wrapper is around; the family itself if it is no wrapper."""
    return innermost(family.family) if isinstance(family, Wrapper) else family


@inherits(protocols.Informed)
class Wrapper:
    """A family that is the one within, its field ``family``, in all that it does not define itself."""

    family: Family
    withheld = ()
    """Abilities that this instance has not, although its class inherits them; fields may be placeholders."""

    @property
    def data(self) -> type:
        return self.family.data

    def draw(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Any:
        return self.family.draw(key, params, n, capacity, **continuing(given))

    def draw_rows(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Rows:
        return self.family.draw_rows(key, params, n, capacity, **continuing(given))

    def summarise(self, rows: Rows) -> Any:
        return self.family.summarise(rows)

    def fit(self, key: jax.Array, data: Any, previous: Params | None) -> Params:
        return self.family.fit(key, data, previous)

    def told(self, source: Source) -> Any:
        return dataclasses.replace(self, family=self.family.told(source))  # type: ignore[type-var, attr-defined]


def continuing(given: Rows | None) -> dict[str, Rows]:
    """``given`` as an argument of ``draw``, for families that know it and families that do not."""
    return {} if given is None else {"given": given}


@inherits(
    protocols.Checks, protocols.Projects, protocols.Limits, protocols.Mixes, protocols.Blends, protocols.Rests,
    protocols.Validates, protocols.KeepsRows, protocols.Works, protocols.SeesLaws, protocols.Continues,
    protocols.Labours, protocols.NeedsItems, protocols.ReadsTokens, protocols.HasFeatures, protocols.Observed,
    protocols.Multiplies, protocols.OfKind, protocols.ByRows, protocols.PredictsTokens, protocols.LosesOnData,
)  # fmt: skip
class OutputWrapper(Wrapper):
    """A wrapper of what a model gives out (temperature, truncation, curation): real data stay as they are.

    A class of this kind has the field ``family`` and says what comes out by ``altered(law)``. Fits are those of the
    family within, to data sets that hold real rows as they are. Regimes that mix laws mix ``given_out(params)`` with
    the truth.
    """

    def altered(self, law: Law) -> Law:
        """The law that comes out of a model whose family within gives out ``law``: parameters of the same family."""
        raise NotImplementedError

    def given_out(self, params: Params) -> Any:
        """The law of what the model with these parameters gives out; wrappers within come first."""
        return self.altered(outcome(Law(self.family, params)))

    def draw(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Any:
        law = self.given_out(params)
        return law.family.draw(key, law.params, n, capacity, **continuing(given))

    def draw_rows(self, key: jax.Array, params: Params, n: Count, capacity: int, given: Rows | None = None) -> Rows:
        law = self.given_out(params)
        return law.family.draw_rows(key, law.params, n, capacity, **continuing(given))

    def at_rest(self, params: Params) -> jax.Array:
        """Whether all that comes out is alike, and the law comes out as it is."""
        out = self.given_out(params).params
        same = jax.tree.map(lambda new, old: (new == old).all(), out, params)
        return jnp.stack([*jax.tree.leaves(same), self.family.at_rest(out)]).all()  # type: ignore[attr-defined]

    def population(self, law: Source, n: Count) -> Any:
        """The data set that infinitely many draws of ``law`` give; of a model, of what comes out."""
        return self.family.population(outcome(law), n)  # type: ignore[attr-defined]
