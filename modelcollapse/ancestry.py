r"""Backwards in time: generation n of a discrete chain is drawn from the ancestors of its items, not by running it.

Drawing M items independently from the frequencies of a data set is picking M of its items uniformly with replacement and
copying their states. The picks never look at states. So trace the items of the last data set back, pick by pick, to the
first one, whose states are independent draws from the original law: every item has the state of its ancestor there, and
the joint law of the counts is exact. Lineages that meet stay together, so about :math:`2M/n` are left after n generations,
and the whole walk costs about :math:`2M\log n` picks, whatever the number of states.

Once few lineages are left, nearly every generation passes without a meeting. Picking one parent after another, lineage
l + 1 of a generation avoids the l parents taken so far with probability :math:`1 - l/M`; the exponential hazards

.. math:: H(a) = -\sum_{l < a} \log(1 - l / M)

add up over lineages and, generation after generation, to multiples of :math:`H(A)` until the next meeting. One exponential
variate therefore says after how many whole generations, and at which lineage, the next meeting happens; whom that lineage
meets is uniform over the parents taken. That is one step for each lineage lost, however long the wait.

With fresh original data a lineage may also end (at an original item). Once all have ended, what is older no longer matters:
the same walk is then a perfect draw from the stationary law.
"""
