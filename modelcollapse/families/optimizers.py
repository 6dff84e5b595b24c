"""The factories of optax by the names ``optax.sgd``, ``optax.adam``, ... in saved runs.

Import this module where a family is defined that is trained by one of them: then any process that knows the family
knows the optimiser.
"""

import optax

from modelcollapse.pytree import register

for _name in (
    "adabelief", "adadelta", "adagrad", "adam", "adamax", "adamw", "lamb", "lion", "nadam", "nadamw", "novograd",
    "radam", "rmsprop", "sgd",
):  # fmt: skip
    register(getattr(optax, _name), name=f"optax.{_name}")
