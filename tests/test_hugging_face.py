"""Any causal model of transformers in the loop: on tiny networks with random weights, offline.

Run by ``.ci/jobs/transformers`` in an environment of its own; skipped where torch is not installed.
"""

import importlib
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import modelcollapse as mc
from modelcollapse.families.continuation import continued
from modelcollapse.families.decoding import Beam, Greedy, Past, Sampled
from modelcollapse.host import HuggingFace
from modelcollapse.host.networks import order_seed
from modelcollapse.regimes import Rewrite

torch = pytest.importorskip("torch", reason="torch is not installed: .ci/jobs/transformers runs this")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

EXAMPLES = Path(__file__).parents[1] / "examples" / "language"
V, L = 23, 8
LENGTH = 24


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def opt(**options):
    torch.manual_seed(1)
    sizes = {
        "hidden_size": 16,
        "word_embed_proj_dim": 16,
        "ffn_dim": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    ends = {"bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 1}
    room = {"vocab_size": V, "max_position_embeddings": LENGTH}
    return transformers.OPTForCausalLM(transformers.OPTConfig(init_std=0.5, **sizes | ends | room | options))


def llama(**options):
    torch.manual_seed(2)
    sizes = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
    }
    config = transformers.LlamaConfig(
        max_position_embeddings=LENGTH,
        initializer_range=0.5,
        bos_token_id=0,
        eos_token_id=1,
        **{"vocab_size": V} | sizes | options,
    )
    return transformers.LlamaForCausalLM(config)


def bigram(table):
    """A network without layers whose logits after token x are row x of ``table`` ``(v, v)``."""
    v = len(table)
    network = llama(
        vocab_size=v,
        hidden_size=v,
        num_hidden_layers=0,
        tie_word_embeddings=False,
        rms_norm_eps=0.0,
        num_attention_heads=1,
    )
    with torch.no_grad():
        network.get_input_embeddings().weight.copy_(torch.eye(v))
        network.lm_head.weight.copy_(torch.tensor(np.asarray(table).T / math.sqrt(v)))
    network.generation_config.eos_token_id = None
    return network


BOTH = pytest.mark.parametrize("make", [opt, llama])
BLOCKS = np.random.default_rng(0).integers(3, V, (22, L)).astype(np.int32)
TRAIN, VALIDATION, TEST = BLOCKS[:12], BLOCKS[12:16], BLOCKS[16:]


def model(network, **options):
    return HuggingFace(network, **{"epochs": 2, "batch": 5, "rate": 1e-2, "decoding": Sampled()} | options)


def state(network):
    """All that a call might leave changed."""
    return (
        {name: tensor.clone() for name, tensor in network.state_dict().items()},
        [module.training for module in network.modules()],
        network.generation_config.to_dict(),
        torch.get_rng_state(),
    )


def same(one, other):
    (weights, *rest, numbers), (others, *stand, later) = one, other
    assert weights.keys() == others.keys()
    return (
        all(torch.equal(weights[name], others[name]) for name in weights)
        and rest == stand
        and torch.equal(numbers, later)
    )


@BOTH
def test_blocks_are_integers_of_the_length_that_was_fitted_and_the_network_is_only_borrowed(make):
    network = make()
    network.model.train()
    network.lm_head.eval()
    before = state(network)
    one = model(network, validation=VALIDATION)
    assert one.fit(TRAIN, random_state=3) is one
    assert same(before, state(network))
    for decoding in (Beam(3), Sampled(temperature=0.7, top_p=0.9), Greedy()):
        one.decoding = model(network, decoding=decoding).decoding
        drawn = one.sample(len(TEST), random_state=1, given=TEST)
        assert (drawn.shape, drawn.dtype) == (TEST.shape, np.int64)
        assert drawn.min() >= 0
        assert drawn.max() < V
        assert one.sample(3, random_state=1).shape == (3, L)
    assert one.log_probabilities(TEST).shape == (len(TEST), L - 1)
    assert same(before, state(network))
    assert not any(parameter.grad is not None for parameter in network.parameters())


@BOTH
def test_the_same_seed_gives_the_same_tokens_whatever_was_drawn_before(make):
    def drawn(fit, draw, noise):
        torch.rand(noise)
        one = model(network).fit(TRAIN, random_state=fit)
        return one.sample(len(TEST), random_state=draw, given=TEST)

    network = make()
    first = drawn(1, 2, 3)
    assert_array_equal(drawn(1, 2, 5), first)
    assert np.any(drawn(1, 3, 5) != first)
    assert np.any(drawn(4, 2, 5) != first)


@BOTH
def test_perplexity_is_that_of_a_loop_written_by_hand(make):
    network = make()
    network.eval()
    losses = []
    with torch.no_grad():
        for block in TEST:
            for t in range(1, L):
                logits = network(torch.tensor(block[None, :t].astype(np.int64))).logits[0, -1].double().numpy()
                losses.append(np.log(np.exp(logits).sum()) - logits[block[t]])
    one = model(network, at_once=4)
    assert_allclose(-one.log_probabilities(TEST).ravel(), losses, rtol=1e-5)
    assert_allclose(one.perplexity(TEST), np.exp(np.mean(losses)), rtol=1e-5)


def test_the_fit_is_adamw_with_a_cosine_in_batches_of_a_new_random_order_and_chunks_change_nothing():
    network = llama()
    one = model(network, epochs=3, batch=5, rate=3e-3, last_rate=1e-3, decay=0.1).fit(TRAIN, random_state=7)
    parts = model(network, epochs=3, batch=5, rate=3e-3, last_rate=1e-3, decay=0.1, at_once=2).fit(
        TRAIN, random_state=7
    )
    by_hand = llama()
    assert order_seed(7) not in (7, order_seed(8))  # dropout begins with 7
    order = torch.Generator().manual_seed(order_seed(7))
    optimizer = torch.optim.AdamW(by_hand.parameters(), lr=3e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=9, eta_min=1e-3)
    for _ in range(3):
        shuffled = torch.tensor(TRAIN.astype(np.int64))[torch.randperm(len(TRAIN), generator=order)]
        for batch in shuffled.split(5):
            by_hand.zero_grad()
            by_hand(batch, labels=batch).loss.backward()
            optimizer.step()
            schedule.step()
    for name, parameter in by_hand.named_parameters():
        for found in (one, parts):
            assert_allclose(found.weights[name].numpy(), parameter.detach().numpy(), atol=2e-5)


def test_the_epoch_with_the_least_validation_loss_is_kept():
    network = opt()
    one = model(network, epochs=12, rate=0.1, last_rate=0.1, validation=VALIDATION).fit(TRAIN)
    assert one.losses.shape == (12,)
    assert np.argmin(one.losses) < 11
    assert_allclose(np.log(one.perplexity(VALIDATION)), one.losses.min(), rtol=1e-6)
    assert model(network).fit(TRAIN).losses.size == 0


def test_a_warm_start_begins_where_the_other_ended():
    network = llama(attention_dropout=0.0)
    first = model(network).fit(TRAIN)
    cold, warm = model(network).fit(TRAIN, 5), model(network, start=first).fit(TRAIN, 5)
    assert warm.perplexity(TRAIN) < cold.perplexity(TRAIN) < model(network).perplexity(TRAIN)
    nowhere = model(network, start=first, rate=1e-12, last_rate=0.0).fit(TRAIN)
    assert_allclose(nowhere.log_probabilities(TEST), first.log_probabilities(TEST), rtol=1e-5)


@BOTH
@pytest.mark.parametrize("decoding", [Beam(3), Sampled(), Greedy()], ids=["beam", "sampled", "greedy"])
def test_the_token_that_ends_a_text_shortens_no_block(make, decoding):
    network = make()
    network.generation_config.eos_token_id = None
    free = model(network, decoding=decoding).fit(TRAIN)
    drawn = free.sample(len(TEST), given=TEST)
    end = int(np.bincount(drawn.ravel()).argmax())
    for stop in (end, [end, 5]):
        network.generation_config.eos_token_id = stop
        found = model(network, decoding=decoding)
        found.weights, found.width = free.weights, free.width
        drawn = found.sample(len(TEST), given=TEST)
        assert drawn.shape == TEST.shape
        assert not np.any(drawn == end)


def test_nothing_of_the_models_own_settings_enters():
    network = opt()
    plain = model(network).fit(TRAIN)
    # a vocabulary below 50 would not show the default of 50
    assert plain.decoding["top_k"] == model(network, decoding={"do_sample": True}).decoding["top_k"] == 0
    before = plain.sample(len(TEST), given=TEST)
    network.generation_config.update(top_k=1, temperature=0.1, repetition_penalty=5.0, do_sample=True, num_beams=2)
    assert_array_equal(plain.sample(len(TEST), given=TEST), before)


def next_laws(network, options, prompts):
    """Processed scores of ``generate`` for the next token ``(n, V)``."""
    given = torch.tensor(prompts.astype(np.int64))
    out = network.generate(
        given, attention_mask=torch.ones_like(given), max_new_tokens=1, pad_token_id=0, return_dict_in_generate=True, output_scores=True,
        **{"top_k": 0} | options,
    )  # fmt: skip
    return out.scores[0].numpy()


TABLE = 2 * np.random.default_rng(5).normal(size=(6, 6)).astype(np.float32)
CUTS = {
    "temperature": Sampled(temperature=0.6), "top k": Sampled(top_k=3), "top p": Sampled(top_p=0.7), "min p": Sampled(min_p=0.2),
    "typical": Sampled(typical=0.6), "epsilon": Sampled(epsilon=0.1), "eta": Sampled(eta=0.3), "repetition": Sampled(repetition=1.7),
    "all": Sampled(0.8, 5, 0.95, 0.02, 0.9, 0.01, 0.02, 1.3),
}  # fmt: skip


@pytest.mark.parametrize("decoding", CUTS.values(), ids=CUTS)
def test_a_sampled_decoding_means_the_same_here_and_there(decoding):
    network = bigram(TABLE)
    prompts = np.array([[3, 0], [5, 1], [0, 2], [1, 3], [4, 4], [2, 5]])
    theirs = next_laws(network, HuggingFace(network, decoding=decoding).decoding, prompts)
    seen = np.zeros((6, 6), bool)
    np.put_along_axis(seen, prompts, True, 1)
    past = Past(None, seen, prompts[:, -1].astype(np.int32), np.int32(0))
    ours = np.asarray(jax.jit(decoding.scores)(TABLE[prompts[:, -1]], past))
    kept = np.isfinite(theirs)
    assert_array_equal(np.isfinite(ours), kept)
    assert_allclose(ours[kept], theirs[kept], rtol=2e-6, atol=1e-6)


def test_the_penalty_of_a_beam_acts_on_log_probabilities_and_the_other_on_logits():
    network, prompts = bigram(TABLE), np.array([[1, 2], [4, 0], [5, 5]])
    seen = np.zeros((3, 6), bool)
    np.put_along_axis(seen, prompts, True, 1)
    past = Past(None, seen, prompts[:, -1].astype(np.int32), np.int32(0))
    logits = TABLE[prompts[:, -1]]
    beams = next_laws(network, HuggingFace(network, decoding=Beam(2, 2.0)).decoding, prompts)[::2]
    assert_allclose(np.asarray(jax.jit(Beam(2, 2.0).scores)(logits, past)), beams, rtol=1e-5)
    sampled = next_laws(network, HuggingFace(network, decoding=Sampled(repetition=2.0)).decoding, prompts)
    assert_allclose(np.asarray(jax.jit(Sampled(repetition=2.0).scores)(logits, past)), sampled, rtol=1e-5)
    # the same number means two things: not even a constant apart
    apart = (beams - sampled)[0]
    assert np.ptp(apart) > 0.1
    with pytest.raises(ValueError, match=r"got Beam\(1\)"):
        HuggingFace(network, decoding=Beam(1, 2.0))


@mc.part
class Table:
    """The same table as a network of this package: its logits after a token are a row of ``weights`` (v, v)."""

    vocabulary: int = mc.static()

    def begin(self, weights, prompts, new, width=1):
        return weights[prompts[:, -1]], ()

    def go_on(self, weights, tokens, cache, step, mine):
        return weights[tokens], cache


@pytest.mark.parametrize("decoding", [Beam(2), Beam(5), Beam(3, 1.5), Beam(1)], ids=["2", "5", "3 penalised", "greedy"])
def test_a_beam_search_there_is_that_of_the_package(decoding):
    prompts = np.random.default_rng(8).integers(0, 6, (40, 7))
    theirs = HuggingFace(bigram(TABLE), decoding=decoding).sample(40, given=prompts)
    rows = jnp.arange(40, dtype=jnp.int32)
    search = jax.jit(lambda table, given: continued(Table(6), table, decoding, jax.random.key(0), given, rows, 7))
    ours = search(TABLE, prompts.astype(np.int32))
    assert_array_equal(np.asarray(ours), theirs)
    greedy = HuggingFace(bigram(TABLE), decoding=Greedy()).sample(40, given=prompts)
    assert np.any(theirs != greedy) == (decoding.width > 1)


@BOTH
def test_a_fit_comes_back_from_a_file_and_another_network_refuses_it(make, tmp_path):
    network = make()
    one = model(network, validation=VALIDATION).fit(TRAIN)
    one.save(tmp_path / "model")
    other = model(network)
    other.load(tmp_path / "model")
    assert_array_equal(other.log_probabilities(TEST), one.log_probabilities(TEST))
    assert_array_equal(other.sample(2), one.sample(2))
    assert_array_equal(other.losses, one.losses)
    with pytest.raises(ValueError, match="holds the weights of another network"):
        model(llama(num_hidden_layers=1)).load(tmp_path / "model")
    with pytest.raises(ValueError, match="nothing to save before a fit"):
        model(network).save(tmp_path / "model")


OBSERVE = {
    "perplexity": lambda fitted: fitted.model.perplexity(TEST),
    "real": mc.observables.perplexity(TEST),
    "own": mc.observables.own_perplexity(),
    "blocks": mc.observables.blocks(len(TRAIN)),
}


def looped(network, share=0.25, observe=OBSERVE, checkpoint=None, **options):
    settings = {"decoding": Beam(2)} | options
    return mc.simulate_models(
        lambda: model(network, **settings),
        mc.table(TRAIN),
        Rewrite(share),
        observe,
        size=len(TRAIN),
        generations=3,
        checkpoint=checkpoint,
    )


def test_the_loop_rewrites_real_blocks_in_their_places():
    run = looped(opt())
    blocks = run["blocks"][0]
    assert blocks.dtype.kind == "i"
    assert_array_equal(blocks[0], TRAIN)
    for later in blocks[1:]:
        assert np.count_nonzero((later == TRAIN).all(1)) >= 3
    assert np.any(blocks[1] != blocks[2])
    assert_allclose(run["real"], run["perplexity"])
    # text of a beam search is probable to the first model
    assert np.all(run["own"][0, 1:] < run["own"][0, 0])
    assert run.texts(1, tokenizer=Words())[0] == " ".join(map(str, blocks[1, 0]))
    # each generation starts from the base: in one batch and without dropout, one of real data alone is generation 0
    real = looped(opt(dropout=0.0), share=1.0, batch=len(TRAIN))["perplexity"][0]
    assert_allclose(real, real[0], rtol=1e-4)


class Killed(Exception):
    pass


def test_a_run_that_is_killed_goes_on_at_the_generation_that_it_had_reached(tmp_path):
    network = llama()
    whole = looped(network)
    fits = []

    def dying(fitted):
        fits.append(1)
        if len(fits) == 3:
            raise Killed
        return OBSERVE["perplexity"](fitted)

    watched = OBSERVE | {"perplexity": dying}
    with pytest.raises(Killed):
        looped(network, observe=watched, checkpoint=tmp_path / "run")
    # another process, which has read the base from its files
    resumed = looped(llama(), observe=watched, checkpoint=tmp_path / "run")
    assert len(fits) == 5
    for name in OBSERVE:
        assert_array_equal(resumed[name], whole[name])


def test_a_watermark_is_passed_on_and_its_detector_finds_it():
    config = transformers.WatermarkingConfig(greenlist_ratio=0.25, bias=4.0, seeding_scheme="lefthash")
    network = opt()
    detector = transformers.WatermarkDetector(network.config, "cpu", config, ignore_repeated_ngrams=True)
    prompts = np.random.default_rng(3).integers(3, V, (16, 12))

    def score(**options):
        text = model(network, epochs=1, decoding=Sampled(), **options).fit(TRAIN).sample(16, 4, given=prompts)
        return detector(torch.tensor(text), return_dict=True).z_score.mean()

    plain, marked = score(), score(watermark=config)
    assert abs(plain) < 1
    assert marked > plain + 2


class Words:
    def decode(self, ids):
        return " ".join(map(str, ids))


def test_texts_are_those_of_the_tokenizer():
    one = model(opt(), tokenizer=Words())
    assert one.texts([[1, 2], [3, 4]]) == ["1 2", "3 4"]
    with pytest.raises(ValueError, match="texts need the tokenizer"):
        model(opt()).texts(TEST)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda n: HuggingFace("gpt"), TypeError, "model must be a causal language model of transformers.* got str"),
        (lambda n: HuggingFace(n, epochs=0), ValueError, "epochs must be at least 1, got 0"),
        (lambda n: HuggingFace(n, rate=0.0), ValueError, "rate must"),
        (lambda n: HuggingFace(n, decoding="beam"), TypeError, "decoding must be a Beam"),
        (lambda n: HuggingFace(n, decoding={"beams": 3}), ValueError, "decoding must hold arguments of generate, and beams is not one"),
        (lambda n: HuggingFace(n, decoding={"max_new_tokens": 3}), ValueError, "max_new_tokens is decided by the blocks"),
        (lambda n: HuggingFace(n, start=HuggingFace(n)), TypeError, "start must be a fitted HuggingFace"),
        (lambda n: HuggingFace(n, validation=TEST[0]), ValueError, r"validation must have shape \(n, L\)"),
        (lambda n: model(n).fit(TRAIN.astype(float)), TypeError, "blocks must be tokens, whole numbers, got float64"),
        (lambda n: model(n).fit(TRAIN - 30), ValueError, "blocks must hold tokens from 0 to 22, the model's vocabulary, got -27"),
        (lambda n: model(n).fit(TRAIN + 30), ValueError, "got 5[0-9]"),
        (lambda n: model(n).fit(TRAIN[:, :1]), ValueError, r"n >= 1 and L >= 2, got \(12, 1\)"),
        (lambda n: model(n).fit(TRAIN[:0]), ValueError, r"got \(0, 8\)"),
        (lambda n: model(n).sample(3), ValueError, "fit it first, or give rows"),
        (lambda n: model(n).sample(3, given=TEST), ValueError, "a row for each of the 3 draws, got 6"),
        (lambda n: model(n).sample(12, given=np.tile(TRAIN, 2)), ValueError, "reads at most 24 tokens, .* have 32"),
        (lambda n: model(n, rate=1e30, last_rate=1e30).fit(TRAIN), FloatingPointError, "the fit diverged: the loss of step"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(wrong, error, message):
    with pytest.raises(error, match=message) as caught:
        wrong(opt())
    assert "\n" not in str(caught.value)


def test_a_diverged_fit_names_its_generation_and_a_model_without_a_first_token_needs_rows():
    with pytest.raises(FloatingPointError, match="diverged") as caught:
        looped(opt(), rate=1e30, last_rate=1e30)
    assert "in chain 0 at generation 0" in caught.value.__notes__
    one = model(bigram(TABLE))
    one.model.generation_config.bos_token_id = None
    one.width = 4
    with pytest.raises(ValueError, match="no token that begins a text"):
        one.sample(2)


def test_the_experiment_of_the_paper_runs_on_folders_of_ones_own(tmp_path, monkeypatch, capsys):
    """A tiny OPT and a text in the files of WikiText-2; stopped after a run, it goes on with the others."""
    tokenizers, mpl = pytest.importorskip("tokenizers"), pytest.importorskip("matplotlib")
    words = {"<s>": 0, "<pad>": 1, "</s>": 2, **{f"w{i}": i for i in range(3, 30)}}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(single="</s> $A", special_tokens=[("</s>", 2)])
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="</s>", eos_token="</s>")
    fast.save_pretrained(tmp_path / "model")
    opt(vocab_size=30, max_position_embeddings=128).save_pretrained(tmp_path / "model")
    random = np.random.default_rng(2)
    for name, lines in (("train", 60), ("valid", 20), ("test", 20)):
        rows = [" ".join(f"w{i}" for i in random.integers(3, 30, 15)) + "\n" for _ in range(lines)]
        (tmp_path / f"wiki.{name}.tokens").write_text("".join(rows))
    monkeypatch.syspath_prepend(str(EXAMPLES))
    experiment = importlib.import_module("opt")
    command = [
        "--model",
        str(tmp_path / "model"),
        "--text",
        str(tmp_path),
        "--small",
        "--output",
        str(tmp_path / "out"),
    ]
    mpl.use("Agg")
    (one,) = experiment.main([*command, "--shares", "0.1"])[1].values()
    train, validation, test = (
        experiment.blocks(experiment.options(command), fast, text)
        for text in experiment.texts(experiment.options(command))
    )
    assert [len(part) for part in (train, validation, test)] == [15, 5, 5]
    assert train[0, 0] == train[0, 16] == 2  # a start token before each line
    monkeypatch.setattr(HuggingFace, "fit", None)  # nothing is fitted again
    before, found = experiment.main([*command, "--shares", "0.1"])
    assert found[0.1][0]["perplexity"].shape == (3,)
    assert_allclose(found[0.1][0]["perplexity"], one[0]["perplexity"])
    assert_allclose(
        before, HuggingFace(transformers.OPTForCausalLM.from_pretrained(tmp_path / "model")).perplexity(test)
    )
    printed = capsys.readouterr().out
    assert "another model, another tokenizer, not comparable" in printed
    assert "40 to 42" in printed
    assert (tmp_path / "out" / "opt.png").stat().st_size > 5000
    assert not (tmp_path / "out" / "share-0.1-seed-0").exists()
    with pytest.raises(SystemExit, match="holds results of other settings"):
        experiment.main([*command, "--shares", "0.1", "--epochs", "3"])
    # nor is a run taken up that was begun with others
    (tmp_path / "out" / "share-0.2-seed-0.settings.json").write_text('{"epochs": "3"}')
    with pytest.raises(SystemExit, match="holds results of other settings"):
        experiment.main([*command, "--shares", "0.2"])
