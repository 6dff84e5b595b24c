"""Real text as a source: blocks of tokens."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments
from modelcollapse.forks import computes
from modelcollapse.laws import Tokens
from modelcollapse.text.tokenisers import Tokenizer


@computes
def tokens(blocks: ArrayLike, vocabulary: int | Tokenizer | None = None, *, replace: bool = True) -> Tokens:
    """Real text: blocks of tokens ``(N, L)``, whole numbers from 0, which stay integers.

    A family of tokens reads them, and checks that its vocabulary is as large; any other reads them as measurements.
    ``mc.text.blocks(ids, length)`` cuts a text into blocks.

    Parameters
    ----------
    blocks
        Tokens ``(N, L)``, at least two in a block: the first is never predicted.
    vocabulary
        How many tokens there are; or the tokenizer, which the source then keeps, so that ``run.texts`` gives texts.
        Default: the largest of the blocks and one more.
    replace
        Whether a data set may hold a block twice, as for ``table``.

    Raises
    ------
    ValueError
        If there is no block, a block is a single token, all tokens are the same, or one lies outside the vocabulary.
    TypeError
        If the tokens are not whole numbers.
    """
    found = arguments.whole_array("blocks", blocks)
    if found.ndim != 2 or found.shape[0] < 1 or found.shape[1] < 2:
        hint = ": mc.text.blocks(ids, length) cuts a text into blocks" if found.ndim == 1 else ""
        raise ValueError(f"blocks must be tokens (N, L) with L at least 2, got shape {found.shape}{hint}")
    tokenizer = vocabulary if isinstance(vocabulary, Tokenizer) else None
    given = vocabulary.vocabulary if isinstance(vocabulary, Tokenizer) else vocabulary
    size = int(found.max()) + 1 if given is None else arguments.whole("vocabulary", given, 2)
    if found.max() >= size:
        raise ValueError(f"blocks must hold tokens below the vocabulary {size}, got {found.max()}")
    if found.min() == found.max():
        raise ValueError(f"blocks must hold at least two different tokens, got {found.max()} alone")
    points, replace = jnp.asarray(found.astype(np.int32)), arguments.flag("replace", replace)
    return Tokens(points, replace, vocabulary=size, tokenizer=tokenizer)
