"""Identifiers of 64 bits are four states or an error, never two states."""

import numpy as np
import pytest

import modelcollapse as mc

IDS = np.array([0, 1, 2**32, 2**32 + 1])


@pytest.mark.parametrize("ids", [IDS, np.array([0, 2**63], np.uint64), np.array([1, 2**31])])
def test_wide_identifiers_never_fold_onto_each_other(ids):
    with pytest.raises(ValueError, match=r"labels\(values\)"):
        mc.table(ids)
    table = mc.labels(ids)
    assert np.unique(table.points).size == len(ids)
    assert [table.names[state] for state in np.asarray(table.points)] == ids.tolist()
