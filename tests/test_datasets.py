"""The data that the package carries are what their sources say."""

import numpy as np
import pytest

from modelcollapse import datasets


def test_words_are_counted_and_sorted():
    words, counts = datasets.word_counts("The cat's hat; the HAT, a_b 12ab don't -- the end.")
    assert words == ["the", "hat", "a", "ab", "b", "cat's", "don't", "end"]
    assert counts.tolist() == [3, 2, 1, 1, 1, 1, 1, 1]
    assert counts.dtype == np.int64


def test_a_path_is_read_and_a_string_is_text(tmp_path):
    path = tmp_path / "words.txt"
    path.write_bytes("one two two \xe9t\xe9".encode("latin-1"))
    words, counts = datasets.word_counts(path)
    assert (words[0], counts[0]) == ("two", 2)
    assert datasets.word_counts(str(path))[0] != words


def test_the_default_text_is_real_english():
    words, counts = datasets.word_counts()
    assert words[0] == "the"
    assert {"and", "object", "statement"} <= set(words)
    assert 1000 < len(words) < 10_000
    assert counts.sum() > 30_000
    assert np.all(np.diff(counts) <= 0)
    assert (counts == 1).mean() > 0.1


def test_words_refuse_what_is_no_text(tmp_path):
    with pytest.raises(ValueError, match="must hold at least one word"):
        datasets.word_counts("12 34")
    with pytest.raises(TypeError, match="string, or a Path"):
        datasets.word_counts(["a", "b"])
    with pytest.raises(FileNotFoundError):
        datasets.word_counts(tmp_path / "none.txt")


def test_iris_is_fishers():
    rows, names = datasets.iris()
    assert rows.shape == (150, 4)
    assert rows.dtype == np.float64
    assert names == ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")
    # the two plants that other copies have wrong
    assert rows[34].tolist() == [4.9, 3.1, 1.5, 0.2]
    assert rows[37].tolist() == [4.9, 3.6, 1.4, 0.1]
    # Fisher's table II: means of the species
    want = [[5.006, 3.428, 1.462, 0.246], [5.936, 2.770, 4.260, 1.326], [6.588, 2.974, 5.552, 2.026]]
    np.testing.assert_allclose(rows.reshape(3, 50, 4).mean(1), want, atol=1e-12)


def test_one_species_can_be_had():
    rows, _ = datasets.iris()
    np.testing.assert_array_equal(datasets.iris("virginica")[0], rows[100:])
    with pytest.raises(ValueError, match="species must be one of setosa, versicolor, virginica, got 'rose'"):
        datasets.iris("rose")
