"""The version can be asked for, in Python and on the command line."""

import importlib.metadata

import pytest

import modelcollapse
from modelcollapse.__main__ import main


def test_both_give_the_version_of_what_is_installed(capsys):
    try:
        expected = importlib.metadata.version("modelcollapse")
    except importlib.metadata.PackageNotFoundError:
        expected = "unknown"
    assert modelcollapse.__version__ == expected
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.split() == ["modelcollapse", expected]


def test_other_names_are_still_missing():
    with pytest.raises(AttributeError, match="module 'modelcollapse' has no attribute '__vers__'"):
        _ = modelcollapse.__vers__
