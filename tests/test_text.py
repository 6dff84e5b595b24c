"""Texts, their parts and their tokens: what goes in comes out, and no document is in two parts."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_sources_input import refused

import modelcollapse as mc
from modelcollapse import serial, text
from modelcollapse.text import wikitext

STORY = "The cat sat on the mat. The dog, the cat's friend, sat on the cat!\nThen the cat left; nobody knew why."


@pytest.fixture(scope="module")
def bpe() -> text.BPE:
    return text.BPE.train(STORY, 300)


# tokens and back


@given(st.text())
def test_any_text_comes_back_from_its_bytes(written: str) -> None:
    ids = text.Bytes().encode(written)
    assert ids.dtype == np.int32
    assert ids.size == len(written.encode())
    assert text.Bytes().decode(ids) == written


@given(written=st.text(st.sampled_from("the cat\n\t é漢👩‍👧\r")) | st.text())
def test_any_text_comes_back_from_its_pairs_of_bytes(written: str, bpe: text.BPE) -> None:
    ids = bpe.encode(written)
    assert ids.dtype == np.int32
    assert bpe.decode(ids) == written
    assert np.all((ids >= 0) & (ids < bpe.vocabulary))


@given(st.text(st.sampled_from("ab\néß漢")), st.text())
def test_known_characters_come_back_and_others_are_unknown(known: str, other: str) -> None:
    tokenizer = text.Characters.of("ab\néß漢")
    assert tokenizer.decode(tokenizer.encode(known)) == known
    ids = tokenizer.encode(other)
    assert ids.tolist() == [0 if c not in tokenizer.known else tokenizer.known.index(c) + 1 for c in other]


@given(st.data())
def test_words_come_back_from_what_they_are_written_as(data: st.DataObject) -> None:
    tokenizer = text.Words.of(STORY + " हिन्दी naïve 3.14 don’t <unk>", least=1)
    ids = data.draw(st.lists(st.integers(0, tokenizer.vocabulary - 1)))
    np.testing.assert_array_equal(tokenizer.encode(tokenizer.decode(ids)), ids)


def test_rare_words_are_unknown_and_the_others_stand_by_frequency() -> None:
    tokenizer = text.Words.of(STORY, least=2)
    assert tokenizer.known == ("the", "cat", ",", ".", "The", "on", "sat")
    assert tokenizer.decode(tokenizer.encode("the  dog sat.")) == "the <unk> sat ."
    assert text.Words.of(STORY, least=1).encode("cat's").size == 1
    assert isinstance(tokenizer, text.Tokenizer)


def test_bytes_that_are_no_text_are_replaced(bpe: text.BPE) -> None:
    assert text.Bytes().decode([195]) == "\ufffd"
    broken = bpe.encode("é")[:1]
    assert bpe.decode(broken) == "\ufffd"


def test_byte_pairs_are_kept_in_a_file(bpe: text.BPE, tmp_path: Path) -> None:
    bpe.save(tmp_path / "tokenizer.json")
    assert text.BPE.load(tmp_path / "tokenizer.json") == bpe == text.BPE.train([STORY], 300)
    assert 256 < bpe.vocabulary < 300, "no pair is left that occurs twice"
    assert bpe.encode(STORY).size < len(STORY)


@pytest.mark.parametrize("kind", ["Bytes", "Characters", "Words", "BPE"])
def test_tokenisers_are_saved_as_what_they_are(kind: str, bpe: text.BPE) -> None:
    made = {
        "Bytes": text.Bytes(),
        "Characters": text.Characters.of(STORY),
        "Words": text.Words.of(STORY, 1),
        "BPE": bpe,
    }
    tokenizer, arrays = made[kind], {}
    again = serial.decode(serial.encode(tokenizer, arrays), arrays)
    assert again == tokenizer != made["Words" if kind == "Bytes" else "Bytes"]
    assert hash(again) == hash(tokenizer)
    assert repr(again) == repr(tokenizer)
    assert len(repr(again)) < 40
    np.testing.assert_array_equal(again.encode(STORY), tokenizer.encode(STORY))


# corpora

DOCUMENTS = [f"Document {i} " + "tells of things. " * (1 + i % 7) for i in range(40)]


@given(st.integers(0, 5), st.permutations(DOCUMENTS))
def test_no_document_is_in_two_parts_and_none_is_lost(seed: int, documents: list[str]) -> None:
    parts = text.Corpus(documents).split(0.2, 0.1, seed=seed)
    assert sorted(document for part in parts for document in part.documents) == sorted(DOCUMENTS)
    whole = sum(map(len, DOCUMENTS))
    longest = max(map(len, DOCUMENTS))
    for part, share in zip(parts, (0.7, 0.2, 0.1), strict=True):
        assert abs(part.characters - share * whole) <= longest
    # the parts depend on the texts, not on their order
    first = text.Corpus(DOCUMENTS).split(0.2, 0.1, seed=seed)
    assert [set(part.documents) for part in first] == [set(part.documents) for part in parts]
    assert {*text.Corpus(DOCUMENTS).split(seed=6).test.documents} != {
        *text.Corpus(DOCUMENTS).split(seed=7).test.documents
    }


def test_three_documents_fall_into_three_parts() -> None:
    parts = text.Corpus(["long " * 100, "b b", "c c"], ["x", "y", "z"], "CC0").split()
    assert sorted(title for part in parts for title in part.titles) == ["x", "y", "z"]
    assert all(part.licence == "CC0" and len(part) == 1 for part in parts)


def test_files_become_documents(tmp_path: Path) -> None:
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text("First.\r\n\r\n\r\nSecond é.\n", encoding="utf-8")
    two.write_bytes("\ufeffThird.".encode("utf-16-le"))
    found = text.read([one, two])
    assert found.documents == ("First.\n\n\nSecond é.\n", "Third.")
    assert found.titles == ("one.txt", "two.txt")
    cut = text.read(one, separator="\n\n", licence="mine")
    assert cut.documents == ("First.", "\nSecond é.\n")
    assert cut.titles == ("one.txt:0", "one.txt:1")
    assert "licence: mine" in repr(cut)
    assert str(one) in cut.source


def test_the_topics_of_python_are_a_corpus() -> None:
    corpus = text.topics()
    assert len(corpus) > 50
    assert corpus.characters > 300_000
    assert corpus.licence == "PSF-2.0"


# the sentences of Wikipedia

WIKITEXT = {
    "links and type": ("'''Cats''' are [[pet]]s, [[wild cat|wild]] or not.[[File:c.jpg|thumb|A [[cat]] [1].]]", "Cats are pets, wild or not."),
    "references": ('A<ref name="a/b">{{cite|x=1}} [http://x.y z]</ref> b<ref name=c /> c.<!-- <ref> -->', "A b c."),
    "templates": ("{{Infobox|a={{b|c}}|d}}It is {{convert|10|km|mi}} {{spaced ndash}} {{lang|la|felis}} (; {{x}}).", "It is 10 km – felis."),
    "tables": ("Before.\n{| class=x\n| a\n{|\n|b\n|}\n|}\nAfter.\n| stray", "Before.\nAfter."),
    "sections": ("A b.\n== Life ==\n=== Youth ===\nC d.\n== Empty ==\n== See also ==\n* [[X]]\n=== Y ===\nz\n== Work ==\n* e f", "A b.\nLife\nYouth\nC d.\nWork\ne f"),
    "the web": ("A [http://a.b/c?d=e site] and [https://x.y].", "A site and."),
    "characters": ("a&nbsp;b &amp; c<br />d <i>e</i> n&ndash;m x<sub>2</sub> __TOC__", "a b & c d e n–m x2"),
    "formulas": ("where <math>a < b</math> holds", "where holds"),
    "categories": ("Text.\n[[Category:Cats| ]]\n[[fr:Chat]]", "Text."),
    "nothing unclosed": ("a [[b\nc {{d", "a b\nc"),
}  # fmt: skip


@pytest.mark.parametrize("case", WIKITEXT)
def test_markup_leaves_sentences(case: str) -> None:
    source, expected = WIKITEXT[case]
    assert wikitext.plain(source) == expected


def test_the_articles_are_the_same_everywhere() -> None:
    corpus = text.wikipedia()
    assert corpus.digest == "f135d70e5aa121274eb6102912ddbcbe5749a97641b5d3b8fe4c398a1044d0c7"
    assert len(corpus) == 98
    assert corpus.characters == 2_798_204
    assert "CC BY-SA" in corpus.licence
    assert "Wikipedia contributors" in repr(corpus)
    assert "gensim" not in sys.modules
    whole = b"".join(len(d.encode()).to_bytes(8, "big") + d.encode() for d in corpus.documents)
    assert corpus.digest == hashlib.sha256(whole).hexdigest()
    for sign in ("[[", "]]", "{{", "}}", "<ref", "http://", "&nbsp;", "'''"):
        assert sign not in corpus.text


def test_the_base_is_from_the_articles_and_the_tokenizer_that_it_names() -> None:
    base, corpus = text.pretrained(), text.wikipedia()
    assert sum(leaf.size for leaf in jax.tree.leaves(base.weights)) == 935_040
    assert base.about["sha256 of the articles"] == corpus.digest
    pretraining, *_, test = corpus.parts(0.7, 0.1, 0.1, 0.1)
    sample = test.text[:20_000]
    np.testing.assert_array_equal(base.tokenizer.encode(sample), text.BPE.train(pretraining, 1024).encode(sample))


# blocks, and the source


@given(st.lists(st.integers(0, 9), min_size=5), st.integers(2, 5))
def test_blocks_are_the_text_in_order_without_its_end(ids: list[int], length: int) -> None:
    blocks = text.blocks(ids, length)
    assert blocks.dtype == np.int32
    assert blocks.shape == (len(ids) // length, length)
    assert blocks.ravel().tolist() == ids[: blocks.size]


def test_tokens_stay_integers_and_keep_their_vocabulary() -> None:
    blocks = np.array([[0, 1, 2], [2, 2, 1]])
    source = mc.sources.tokens(blocks)
    assert source.vocabulary == 3
    assert text.tokens is mc.sources.tokens
    assert text.tokens(blocks.tolist(), np.int64(7)).vocabulary == 7
    assert source.points.dtype == jnp.int32
    rows = source.draw_rows(jax.random.key(0), jnp.int32(5), 5)
    assert rows.points.dtype == jnp.int32
    assert {tuple(row) for row in rows.points.tolist()} <= {(0, 1, 2), (2, 2, 1)}
    assert source.moments() is None
    once = text.tokens(blocks, replace=False).draw_rows(jax.random.key(0), jnp.int32(2), 2)
    assert sorted(once.points.tolist()) == blocks.tolist()


# words by how often they occur


def test_words_fall_into_classes_and_some_survive() -> None:
    found = text.word_classes("a b b c c c c d " + "e " * 6 + "f " * 21)
    assert found.names == ("once", "2 to 5", "6 to 20")
    assert found.sizes.tolist() == [2, 2, 1]
    assert found.surviving("A e x").tolist() == [1, 0, 1]
    assert found.surviving(["b", "c d"]).tolist() == [1, 2, 0]
    assert found.surviving("3 , 4").tolist() == found.surviving([]).tolist() == [0, 0, 0]
    assert text.word_classes(text.Corpus(["a b", "b c"]), [(2, 2)]).words == (frozenset({"b"}),)


def test_tokens_fall_into_classes_too() -> None:
    found = text.word_classes(jnp.array([[0, 1, 1], [2, 2, 3]]), [(1, 1), (2, 9)])
    assert found.sizes.tolist() == [2, 2]
    assert found.surviving(np.array([[1, 2], [2, 0]])).tolist() == [1, 2]
    refused(lambda: found.surviving("a text"), TypeError, "texts", "tokens")


# what is refused

TOKENISERS = {"Characters": text.Characters.of, "Words": text.Words.of, "BPE": text.BPE.train}
REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "no document": (lambda: text.Corpus([]), ValueError, ("documents", "at least one", "none")),
    "an empty document": (lambda: text.Corpus(["a", " \n"]), ValueError, ("documents", "text", "'1'")),
    "one text for many": (lambda: text.Corpus("abc"), TypeError, ("documents", "'abc'")),
    "titles of others": (lambda: text.Corpus(["a b"], ["x", "y"]), ValueError, ("titles", "1", "2")),
    "one document in three parts": (lambda: text.Corpus(["a b c"]).split(), ValueError, ("3 parts", "got 1", "separator")),
    "shares above 1": (lambda: text.Corpus(["a b", "c", "d"]).split(0.6, 0.6), ValueError, ("validation and test", "0.6 and 0.6")),
    "shares below 1": (lambda: text.Corpus(["a b", "c", "d"]).parts(0.5, 0.2), ValueError, ("shares", "sum 1", "0.2")),
    **{f"an empty text, {name}": (lambda make=make: make(" \n"), ValueError, ("texts", "hold text")) for name, make in TOKENISERS.items()},
    "one character": (lambda: text.Characters.of("aaa"), ValueError, ("texts", "two different characters", "got 1 of 1")),
    "one word": (lambda: text.Words.of("so so so"), ValueError, ("texts", "two different words", "3 times", "got 1 of 1")),
    "rare words alone": (lambda: text.Words.of("a b c", least=2), ValueError, ("texts", "2 times", "got 0 of 3")),
    "one word for byte pairs": (lambda: text.BPE.train("so so so"), ValueError, ("texts", "two different words", "'so'")),
    "too small a vocabulary": (lambda: text.BPE.train(STORY, 255), ValueError, ("vocabulary", "256", "255")),
    "no tokenizer": (lambda: text.BPE("{}"), ValueError, ("content", "tokenizer.json", "'{}'")),
    "a token that is too large": (lambda: text.Bytes().decode([97, 256]), ValueError, ("ids", "256", "got 256")),
    "the mark of overflow": (lambda: text.Characters.of("ab").decode([1, -1]), ValueError, ("ids", "at least 0", "-1")),
    "a byte pair that is none": (lambda: text.BPE.train(STORY, 256).decode([256]), ValueError, ("ids", "got 256")),
    "bytes for a text": (lambda: text.Bytes().encode(b"ab"), TypeError, ("text", "b'ab'")),
    "words of several": (lambda: text.Words(("a b", "c")), ValueError, ("known", "single words", "'a b'")),
    "characters of several": (lambda: text.Characters(("ab", "c")), ValueError, ("known", "single characters", "'ab'")),
    "a known item twice": (lambda: text.Words(("a", "a")), ValueError, ("known", "different", "1 of 2")),
    "too few tokens for a block": (lambda: text.blocks([1, 2, 3]), ValueError, ("ids", "length 64", "got 3")),
    "a block of one": (lambda: text.blocks([1, 2, 3], 1), ValueError, ("length", "2", "1")),
    "fractions for tokens": (lambda: text.blocks([0.5, 1.0], 2), TypeError, ("ids", "whole")),
    "tokens in one row": (lambda: text.tokens([0, 1, 2]), ValueError, ("blocks", "(N, L)", "(3,)", "mc.text.blocks")),
    "no block": (lambda: text.tokens(np.zeros((0, 3), int)), ValueError, ("blocks", "(0, 3)")),
    "blocks of one token": (lambda: text.tokens([[1], [0]]), ValueError, ("blocks", "(2, 1)")),
    "tokens outside": (lambda: text.tokens([[0, 5]], 5), ValueError, ("blocks", "vocabulary 5", "got 5")),
    "negative tokens": (lambda: text.tokens([[0, -1]]), ValueError, ("blocks", "-1")),
    "one token alone": (lambda: text.tokens([[2, 2]]), ValueError, ("blocks", "two different", "2 alone")),
    "measurements": (lambda: text.tokens([[0.0, 1.0]]), TypeError, ("blocks", "whole")),
    "a vocabulary of one": (lambda: text.tokens([[0, 1]], 1), ValueError, ("vocabulary", "2", "1")),
    "words that are too frequent": (lambda: text.word_classes("a a", [(1, 1)]), ValueError, ("texts", "1 words")),
    "bounds out of order": (lambda: text.word_classes("a a", [(2, 1)]), ValueError, ("bounds", "(2, 1)")),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused(case: str) -> None:
    call, kind, said = REFUSED[case]
    refused(call, kind, *said)


def test_files_without_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.txt"
    path.write_text("\n\n")
    refused(lambda: text.read(path), ValueError, "empty.txt", "no text")
    refused(lambda: text.read([]), ValueError, "paths", "at least one file")
    path.write_bytes(b"caf\xe9")
    refused(lambda: text.read(path), ValueError, "0xe9", "latin-1")


def test_what_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    refused(text.wikipedia, ModuleNotFoundError, 'pip install "modelcollapse[text]"', "gensim")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    refused(lambda: text.BPE.train(STORY), ModuleNotFoundError, 'pip install "modelcollapse[text]"', "Bytes")
    assert text.Bytes().encode("a").tolist() == [97]


def test_the_base_that_comes_with_the_package_writes_english_better_than_chance() -> None:
    pytest.importorskip("tokenizers")
    base = mc.text.pretrained()
    assert base.network.vocabulary == base.tokenizer.vocabulary == 1024
    assert {leaf.dtype for leaf in jax.tree.leaves(base.weights)} == {np.dtype(np.float32)}
    assert jax.tree.map(np.shape, base.weights) == jax.tree.map(
        np.shape, jax.eval_shape(base.network.init, jax.random.key(0))
    )
    assert base.about["licence"].startswith("CC BY-SA")
    text = "The city is the capital of the country, and the largest by the number of people who live in it. "
    ids = base.tokenizer.encode(text)
    assert base.tokenizer.decode(ids) == text

    @jax.jit
    def loss(tokens: jax.Array) -> jax.Array:
        logp = jax.nn.log_softmax(base.network(base.weights, tokens[None, :-1]))[0]
        return -jnp.take_along_axis(logp, tokens[1:, None], 1).mean()

    # a uniform law has 6.93 nats a token, and the same tokens in another order more than these
    assert loss(ids) < 3.5
    assert loss(ids[::-1].copy()) > loss(ids) + 2
