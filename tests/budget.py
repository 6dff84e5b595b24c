"""How many programs the tests of a module may compile. Compilation is nearly all of what the suite costs, and programs can be counted on any machine.

Counted for each module alone, from empty caches, without the tests marked slow: ``python -m pytest --programs -n 0 tests/test_x.py``. Raise a
number only with a reason that a reviewer would accept.
"""

DEFAULT = 60
"""For a module that is not named below."""

PROGRAMS: dict[str, int] = {}
