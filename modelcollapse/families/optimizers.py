"""The factories of optax by the names ``optax.sgd``, ``optax.adam``, ... in saved runs.

Import this module where a family is defined that is trained by one of them: then any process that knows the family knows the optimiser.
"""

import optax

from modelcollapse.pytree import register

for _factory in (
    optax.adabelief, optax.adadelta, optax.adagrad, optax.adam, optax.adamax, optax.adamw, optax.lamb, optax.lion,
    optax.nadam, optax.nadamw, optax.novograd, optax.radam, optax.rmsprop, optax.sgd,
):  # fmt: skip
    register(_factory, name=f"optax.{_factory.__name__}")
