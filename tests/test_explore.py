"""The explorer answers what the library answers, to those who know the token, and refuses in sentences."""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse import planner
from modelcollapse.__main__ import main
from modelcollapse.explore import answers, choices, engine, server, settings, tables, texts, warm
from modelcollapse.explore.sentences import SENTENCES, shown

BODY: dict[str, Any] = {
    "source": {"preset": "rare"}, "regime": "replace", "share": 0.2, "temperature": 1, "size": 20, "generations": 6, "seed": 3,
}  # fmt: skip
TEXT: dict[str, Any] = {
    "text": {"own": "\n\n".join(f"the cat and the dog {word} on the mat, and the cat {word} too." for word in ["sat", "ran", "lay", "sang", "ate", "hid"] * 5)},
    "order": 2, "size": 1000, "regime": "replace", "share": 0.3, "generations": 4, "seed": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def served() -> Iterator[server.Server]:
    """A server on a free port; nothing is compiled ahead."""
    found = server.Server(server.Explorer(), 0)
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


def ask(
    served: server.Server, name: str, body: Any, method: str = "POST", path: str | None = None, **headers: str | None
) -> tuple[int, dict[str, Any], http.client.HTTPMessage]:
    """Status, answer and headers of a request; a header of None is left out."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"X-Token": served.token, "Host": f"127.0.0.1:{served.port}", "Content-Length": str(len(content))}
    given |= {key.replace("_", "-"): value for key, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.putrequest(method, path or f"/api/{name}", skip_host=True)
    for key, value in given.items():
        if value is not None:
            connection.putheader(key, value)
    connection.endheaders(content)
    response = connection.getresponse()
    read = response.read()
    connection.close()
    return response.status, json.loads(read) if read[:1] == b"{" else {"page": read.decode()}, response.headers


def told(served: server.Server, name: str, body: Any) -> dict[str, Any]:
    status, answer, _ = ask(served, name, body)
    assert status == 200
    return answer


def executed(call: str) -> dict[str, Any]:
    """What a call leaves behind, run as a user would paste it."""
    space: dict[str, Any] = {}
    exec(call, space)
    return space


# --- who is let in ----------------------------------------------------------------------------------------------------


def test_it_listens_on_this_machine_alone(served: server.Server) -> None:
    assert served.server_address[0] == "127.0.0.1"
    assert served.address.startswith(f"http://127.0.0.1:{served.port}/?token=")
    assert len(served.token) >= 32


@pytest.mark.parametrize("token", [None, "", "wrong", "\xe9"])
def test_who_lacks_the_token_is_refused(served: server.Server, token: str | None) -> None:
    status, answer, _ = ask(served, "start", {}, X_Token=token)
    assert status == 403
    assert "token" in answer["refused"]


def test_the_token_of_the_address_opens_the_page_and_nothing_else_does(served: server.Server) -> None:
    for query in ("", "?token=", "?token=wrong", f"?other={served.token}"):
        assert ask(served, "", b"", "GET", f"/{query}")[0] == 403
    status, answer, headers = ask(served, "", b"", "GET", f"/?token={served.token}")
    assert status == 200
    assert "<html" in answer["page"]
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["Cache-Control"] == "no-store"
    named = re.findall(r'(?:src|href)="([^"#]+)"', answer["page"])
    assert named
    for name in named:
        assert name == "data:," or ask(served, "", b"", "GET", f"/{name}")[0] == 200, name


@pytest.mark.parametrize(
    "path", ["/../server.py", "/page/../server.py", "/%2e%2e/server.py", "/nothing.js", "//etc/passwd"]
)
def test_no_other_file_is_sent(served: server.Server, path: str) -> None:
    assert ask(served, "", b"", "GET", path)[0] == 404


@pytest.mark.parametrize(
    "host", [None, "", "evil.example", "evil.example:{}", "127.0.0.1", "127.0.0.1:1", "localhost:{}.evil.example"]
)
def test_another_host_is_refused(served: server.Server, host: str | None) -> None:
    given = None if host is None else host.format(served.port)
    assert ask(served, "start", {}, Host=given)[0] == 403
    assert ask(served, "", b"", "GET", f"/?token={served.token}", Host=given)[0] == 403


def test_another_origin_is_refused(served: server.Server) -> None:
    assert ask(served, "start", {}, Origin="http://evil.example")[0] == 403
    assert ask(served, "start", {}, Origin="null")[0] == 403
    for name in ("127.0.0.1", "localhost"):
        assert ask(served, "start", {}, Host=f"{name}:{served.port}", Origin=f"http://{name}:{served.port}")[0] == 200


def test_a_body_is_bounded(served: server.Server) -> None:
    assert (
        ask(served, "read", {"text": "x", "kind": "words", "column": None}, Content_Length=str(server.LONGEST + 1))[0]
        == 413
    )
    assert ask(served, "read", {}, Content_Length="9" * 30)[0] == 413
    for length in (None, "-1", "many"):
        assert ask(served, "read", {}, Content_Length=length)[0] == 411


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"null",
        b"\xff",
        b'{"seed": NaN}',
        b'{"seed": Infinity}',
        b"[" * 100_000,
        b'{"a": 1' + b"0" * 5000 + b"}",
    ],
)
def test_what_is_no_json_object_is_refused(served: server.Server, body: bytes) -> None:
    status, answer, _ = ask(served, "simulate", body)
    assert status == 400
    assert answer["refused"].startswith("the body must be")


def test_an_unknown_question_is_named(served: server.Server) -> None:
    for path in ("/api/nothing", "/start", "/api/", "/api/start/"):
        assert ask(served, "", {}, path=path)[0] == 404
    assert ask(served, "", {}, "PUT", "/api/start")[0] == 501


def test_an_error_of_the_program_is_no_refusal(
    served: server.Server, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def broken(setting: Any) -> Any:
        raise ZeroDivisionError("a slip")

    monkeypatch.setattr(engine, "simulated", broken)
    status, answer, _ = ask(served, "simulate", BODY | {"seed": 99})
    assert status == 500
    assert "terminal" in answer["refused"]
    assert "a slip" in capsys.readouterr().err


# --- simulate ---------------------------------------------------------------------------------------------------------


def test_the_beginning_says_what_can_be_chosen(served: server.Server) -> None:
    found = told(served, "start", {})
    assert found["version"] == mc.__version__
    assert found["live"] is True
    assert [one["name"] for one in found["regimes"]] == list(choices.REGIMES)
    assert found["default"]["size"] in found["sizes"]
    assert all(set(one) == {"name", "label", "words", "share", "share_label", "counted"} for one in found["regimes"])
    assert all(len(one["states"]) == len(one["weights"]) for one in found["presets"])
    for question in found["questions"]:
        braces = re.findall(r"{(\w+)}", question["sentence"])
        assert sorted(braces) == sorted(blank["name"] for blank in question["blanks"])
    assert told(served, "start", {"x": 1}) == {"refused": "x is unknown; the request must have nothing"}


@pytest.mark.parametrize("regime", choices.REGIMES)
def test_every_regime_answers_as_its_call_does(served: server.Server, regime: str) -> None:
    """The answer beside the run that a user makes by pasting the call, and beside ``mc.predictions`` without a run."""
    answer = told(served, "simulate", BODY | {"regime": regime})
    run = executed(answer["call"])["run"]
    exact = mc.predictions(run.family, run.source, run.regime, dict(run.observables), size=20, generations=6)
    assert answer["generations"] == list(range(7))
    assert set(answer["curves"]) == set(choices.OBSERVABLES) == set(run)
    assert exact
    for name, curve in answer["curves"].items():
        values, summary = np.asarray(run[name], float), run.summary(choices.BAND)[name]
        for kind, wanted in (
            ("mean", values.mean(0)),
            ("median", summary["median"]),
            ("low", summary["lower"]),
            ("high", summary["upper"]),
            ("chains", values[: choices.DRAWN]),
        ):
            assert np.allclose(curve[kind], wanted, rtol=1e-4, atol=1e-6), (name, kind)
        assert (curve["exact"] is not None) == (name in exact), name
        if name in exact:
            assert np.allclose(curve["exact"]["values"], exact[name].values, rtol=1e-4)
            assert curve["exact"]["theorem"] == exact[name].function
            error = values.std(0, ddof=1) / np.sqrt(len(values))
            assert (np.abs(values.mean(0) - exact[name].values) <= 6 * error + 1e-5).all(), name
    assert np.allclose(np.sum(answer["laws"], 1), 1, atol=1e-4)
    assert answer["alive"] == [sum(p > 0 for p in law) for law in answer["laws"]]
    assert answer["curves"]["support_size"]["chains"][0] == answer["alive"]


def test_both_precisions_answer_as_their_calls_do() -> None:
    for wide in (True, False):
        with jax.enable_x64(wide):
            answer = engine.simulated(settings.Setting.checked(BODY | {"temperature": 0.9, "regime": "mixture"}))
            run = executed(answer["call"])["run"]
            assert run["entropy"].dtype == (np.float64 if wide else np.float32)
            assert "Tempered" in answer["call"]
            assert np.allclose(answer["curves"]["entropy"]["mean"], run["entropy"].mean(0), rtol=1e-4)
            assert answer["curves"]["tail"]["exact"] is None


def test_a_shorter_run_is_the_beginning_of_a_longer_one(served: server.Server) -> None:
    """The page with tables alone cuts an answer short for fewer generations."""
    long, short = (told(served, "simulate", BODY | {"generations": g})["curves"]["heterozygosity"] for g in (6, 3))
    assert short["median"] == long["median"][:4]
    assert short["chains"] == [chain[:4] for chain in long["chains"]]
    assert np.allclose(short["exact"]["values"], long["exact"]["values"][:4])


def test_own_states_are_run_under_their_names(served: server.Server) -> None:
    own = {"states": ["a\"b'\\", "ä", "</script>", "x"], "weights": [1000, 100, 10, 1]}
    answer = told(served, "simulate", BODY | {"source": own})
    assert answer["states"] == own["states"]
    assert answer["curves"] == told(served, "simulate", BODY)["curves"]  # as the preset of these weights
    assert list(executed(answer["call"])["run"].source.names) == own["states"]
    parts = told(served, "simulate", BODY | {"source": own | {"weights": [0.5, 0.25, 0.125, 0.125]}})
    assert "normalise=True" in parts["call"]


def test_beyond_forty_states_the_others_are_one() -> None:
    laws = np.full((2, 50), 1 / 50)
    names, kept = engine.shown(tuple(map(str, range(50))), laws)
    assert (len(names), names[-1]) == (40, "11 others")
    assert np.allclose(kept.sum(1), 1)
    assert np.allclose(kept[:, -1], 11 / 50)
    assert engine.shown(("a", "b"), laws[:, :2])[0] == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"regime": "nothing"}, "regime must be"),
        ({"regime": None}, "regime must be"),
        ({"share": 1.5, "regime": "fresh"}, "share must lie in [0, 1]"),
        ({"share": "half", "regime": "fresh"}, "share must be a number"),
        ({"size": 7}, "size must be 10, 20,"),
        ({"size": 20.5}, "size must be a whole number"),
        ({"size": True}, "size must be a whole number"),
        ({"generations": 0}, "generations must be at least 1"),
        ({"generations": 10**30}, "generations must be at most 200"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"temperature": 0}, "temperature must lie in [0.1, 10]"),
        ({"source": {"preset": "nothing"}}, "preset must be"),
        ({"source": 3}, "source must be an object"),
        ({"source": {}}, "states is missing"),
        ({"source": {"states": ["a", "b"], "weights": [1]}}, "weights must be as many as states, 2, got 1"),
        ({"source": {"states": ["a", "a"], "weights": [1, 2]}}, "states must have different names, got 'a' twice"),
        ({"source": {"states": ["a", "b"], "weights": [0, 0]}}, "weights must not all be 0"),
        ({"source": {"states": ["a", "b"], "weights": [1, -2]}}, "weights must be finite and not negative"),
        ({"source": {"states": ["a", "b"], "weights": [1, None]}}, "weights must"),
        ({"source": {"states": ["a"], "weights": [1]}}, "states must be 2 to 500, got 1"),
        ({"source": {"states": ["a", 3], "weights": [1, 1]}}, "states must"),
        ({"source": {"states": [str(i) for i in range(501)], "weights": [1] * 501}}, "states must be 2 to 500, got 501"),
        ({"colour": "red"}, "colour is unknown"),
    ],
)  # fmt: skip
def test_a_setting_that_makes_no_sense_is_refused_by_name(
    served: server.Server, change: dict[str, Any], message: str
) -> None:
    assert message in told(served, "simulate", BODY | change)["refused"]


def test_what_is_missing_is_named(served: server.Server) -> None:
    assert told(served, "simulate", {})["refused"].startswith("source is missing; the request must have source, regime")


# --- a person's own data ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "column", "found"),
    [
        ("500,120, 40 9", "counts", None, {"1": 500, "2": 120, "3": 40, "4": 9}),
        ("cat 3\ndog: 5\n\nSão Paulo = 9", "counts", None, {"cat": 3, "dog": 5, "São Paulo": 9}),
        ("state,count\ncat,3\ndog,5", "counts", None, {"cat": 3, "dog": 5}),
        ('"New York, NY": 4\nBonn\t5', "counts", None, {"New York, NY": 4, "Bonn": 5}),
        ("3\n4\n5", "counts", None, {"0": 3, "1": 4, "2": 5}),
        ("The cat and the dog", "words", None, {"the": 2, "and": 1, "cat": 1, "dog": 1}),
        ("colour\nred\nred\nblue", "csv", None, {"blue": 1, "red": 2}),
        ("x;y\na;1\nb;2\na;3", "csv", "x", {"a": 2, "b": 1}),
        ("x;y\na;1\nb;2\na;3", "csv", "y", {"1": 1, "2": 1, "3": 1}),
    ],
)
def test_own_data_are_read_and_simulated(
    served: server.Server, text: str, kind: str, column: str | None, found: dict[str, int]
) -> None:
    answer = told(served, "read", {"text": text, "kind": kind, "column": column})
    assert dict(zip(answer["states"], answer["weights"], strict=True)) == found
    assert answer["said"].startswith("Read ")
    weights = settings.Weights.of({"states": answer["states"], "weights": answer["weights"]})
    assert list(weights.source().names) == list(found)


@pytest.mark.parametrize(
    ("text", "kind", "column", "message"),
    [
        ("", "counts", None, "text is empty"),
        (" \n", "words", None, "text is empty"),
        (3, "words", None, "text must be"),
        ("a b", "letters", None, "kind must be"),
        ("hello", "counts", None, "the table, line 1"),
        ("1.5,2", "counts", None, "counts must be whole numbers"),
        ("-3,2", "counts", None, "counts must be whole numbers"),
        ("a: 3\na: 4", "counts", None, "the state 'a' has a count in line 2 already"),
        ("a: 0\nb: 0", "counts", None, "weights must not all be 0"),
        ("123", "words", None, "text must hold at least one word"),
        ("one", "words", None, "states must be 2 to 500, got 1"),
        ("a\ud800", "words", None, "half a character"),
        ("a b", "words", "x", "column is for a table"),
        ("x,y\na,1\nb,2", "csv", "z", "must have one column 'z'; its columns are 'x', 'y'"),
        ("x\n" + "\n".join(map(str, range(600))), "csv", None, "600 different values"),
        ("x,y\na,1\nb", "csv", None, "line 3 has 1 cells"),
    ],
)
def test_data_that_cannot_be_read_are_refused_with_the_reason(
    served: server.Server, text: Any, kind: str, column: str | None, message: str
) -> None:
    refused = told(served, "read", {"text": text, "kind": kind, "column": column})["refused"]
    assert message in refused
    assert "/" not in refused.replace("a JSON", "")  # no path of a file that the person does not know


def test_of_several_columns_one_is_to_be_chosen(served: server.Server) -> None:
    answer = told(served, "read", {"text": "x,y\na,1\nb,2", "kind": "csv", "column": None})
    assert answer == {"refused": "the table has 2 columns: choose the one with the states", "columns": ["x", "y"]}


def test_rare_words_of_a_long_text_are_one_state(served: server.Server) -> None:
    text = " ".join("".join(chr(97 + int(d)) for d in f"{i:04d}") for i in range(700))
    answer = told(served, "read", {"text": text, "kind": "words", "column": None})
    assert len(answer["states"]) == 500
    assert answer["states"][-1] == "all other words"
    assert sum(answer["weights"]) == 700
    assert "499 most frequent" in answer["said"]


# --- the planner ------------------------------------------------------------------------------------------------------


def defaults(name: str) -> dict[str, Any]:
    return {blank.name: blank.default for blank in SENTENCES[name].blanks}


def test_every_question_of_the_planner_has_a_sentence() -> None:
    assert {sentence.question for sentence in SENTENCES.values()} == set(planner.QUESTIONS)
    asked = {
        name: {b.name for s in SENTENCES.values() if s.question == name for b in s.blanks} for name in planner.QUESTIONS
    }
    for name, question in planner.QUESTIONS.items():
        options = {option.replace("-", "_") for option in question.options}
        assert asked[name] <= options
        # what is left out has a usual value, or is another way to say the same
        assert options - asked[name] <= {"words", "ddof", "fits"}, name


@pytest.mark.parametrize("name", SENTENCES)
def test_the_answer_is_that_of_the_command_beside_it(served: server.Server, name: str, capsys: Any) -> None:
    values = defaults(name) | ({"sample_size": 1000} if name == "real-share" else {})
    answer = told(served, "plan", {"question": name, "values": values, "setting": choices.DEFAULT})
    assert "refused" not in answer, answer
    command = answer["command"]
    if command.startswith("modelcollapse plan"):
        assert main([*command.split()[1:], "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
    else:
        exec(command)
        value, achieved = re.search(r"value=([^,]+), achieved=([^,]+)", capsys.readouterr().out).groups()  # type: ignore[union-attr]
        found = {"value": float(value), "achieved": float(achieved)}
    numbers = [shown(found["value"]), shown(found["value"] - 1)]
    assert any(number in answer["answer"] for number in numbers), answer["answer"]
    home, _, function = answer["theorem"].partition(".")
    module = __import__(f"modelcollapse_theory.{home}", fromlist=[function])
    assert callable(getattr(module, function))
    assert "{" not in answer["answer"]
    assert answer["answer"].endswith(".")


REFUSED = [
    ("sample-size", {"probability": 1.5}, "“probability of the state” must lie in (0, 1)"),
    ("real-share", {"probability": 0.01, "sample_size": 10, "failure": 0.01}, "“accepted risk” must be at least 0.904"),
    ("real-items", {"failure": 0}, "“accepted risk” must"),
    ("variance", {"threshold": 2}, "“part of the variance” must lie in (0, 1)"),
    ("half-life", {"of": "vocabulary", "zipf": 2}, "must have at least 3 possible states"),
    ("temperature", {"effective": 50}, "“effective states” must lie in"),
    ("growth", {"kept": 0.995}, "what the first fit leaves, got 0.995; it takes “items in each data set” above 200"),
    ("batch", {"kept": 1}, "“diversity that is left” must"),
    ("flagged", {"share": 2}, "“real share of the pool” must"),
    ("labels", {"real": 0}, "“real items” must"),
    ("detector", {"sample_size": 0}, "“items in each data set” must be at least 1"),
    ("detector-power", {"share": 0}, "“real share of the pool” must lie in (0, 1)"),
    ("entrant-pool", {"share": 0.1, "pool_loss": 0.01}, "must be above 0.292893: no number of items"),
    ("entrant-labels", {"leader": 0.5}, "“real items that the leader is worth” must be finite and at least 1"),
    ("worth-of-draws", {"lost": 1.5}, "“loss of the model” must lie in [0, 1]"),
    ("draws-worth", {"real": 200}, "“real items” must be below 1/“loss of the model” = 200: no number of draws is worth more"),
    ("remedy", {"real": 100}, "“real items” must be below “items in each data set” = 100"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "message"), REFUSED)
def test_a_demand_that_cannot_be_met_is_refused_in_the_words_of_the_question(
    served: server.Server, name: str, change: dict[str, Any], message: str
) -> None:
    answer = told(served, "plan", {"question": name, "values": defaults(name) | change, "setting": choices.DEFAULT})
    assert message in answer["refused"]
    assert "--" not in answer["refused"]
    assert answer["refused"].endswith(".")


def test_a_refusal_is_seen_for_every_question() -> None:
    assert {name for name, *_ in REFUSED} == set(SENTENCES)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"probability": None}, "“probability of the state” is empty: fill it in"),
        ({"probability": "much"}, "“probability of the state” must be a number"),
        ({"fits": 2.5}, "“fits” must be a whole number"),
        ({"colour": 1}, "colour is no blank of this question"),
    ],
)
def test_a_blank_is_checked(served: server.Server, values: dict[str, Any], message: str) -> None:
    asked = {"question": "sample-size", "values": defaults("sample-size") | values, "setting": None}
    assert message in told(served, "plan", asked)["refused"]


def test_a_detector_that_is_not_enough_is_told_so(served: server.Server) -> None:
    values = {
        "probability": 0.15,
        "sample_size": 30,
        "failure": 0.02,
        "share": 0.1,
        "true_positive": 0.1,
        "false_positive": 0,
    }
    answer = told(served, "plan", {"question": "detector", "values": values, "setting": None})["answer"]
    assert answer.startswith("No: after the detector the real share is only 0.1099")


def test_the_law_of_the_page_is_asked_about(served: server.Server) -> None:
    """Left empty, the law is that of the setting, and the answer that of the same law by name."""
    asked = {
        "question": "half-life",
        "values": {"sample_size": 30, "of": "entropy", "zipf": None},
        "setting": choices.DEFAULT,
    }
    named = asked | {"values": {"sample_size": 30, "of": "entropy", "zipf": 10}}
    assert told(served, "plan", asked)["answer"] == told(served, "plan", named)["answer"]
    without = told(served, "plan", asked | {"setting": None})
    assert "must say which law the question is about" in without["refused"]
    assert "must be an object" in told(served, "plan", asked | {"values": 3})["refused"]
    assert "question must be" in told(served, "plan", asked | {"question": "why"})["refused"]


# --- text -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told_text(served: server.Server) -> dict[str, dict[str, Any]]:
    return {regime: told(served, "text", TEXT | {"regime": regime}) for regime in ("replace", "rewrite")}


@pytest.mark.parametrize("regime", ["replace", "rewrite"])
def test_a_text_dissolves_as_its_call_does(told_text: dict[str, dict[str, Any]], regime: str) -> None:
    answer = told_text[regime]
    run = executed(answer["call"])["run"]
    exact, curves = run.predict(), answer["curves"]
    assert {"perplexity", "loss", "ngrams"} <= {prediction.observable for prediction in exact}
    for name in ("perplexity", "loss", "ngrams"):
        assert np.allclose(curves[name]["mean"], run[name].mean(0), rtol=1e-4)
        assert np.allclose(curves[name]["exact"]["values"], exact[name].values, rtol=1e-4)
        assert curves[name]["exact"]["kind"] == ("lower bound" if name == "perplexity" else "mean")
    error = run["loss"].std(0, ddof=1) / np.sqrt(texts.CHAINS)
    assert (np.abs(curves["loss"]["mean"] - exact["loss"].values) <= 6 * error + 1e-4).all()
    assert np.allclose(curves["words"]["mean"], (run["unigrams"] > 0).sum(-1).mean(0))
    assert len(answer["texts"]) == len(answer["generations"]) == 5
    assert all(len(text.split()) > 20 for text in answer["texts"])


def test_a_generation_writes_what_it_saw(told_text: dict[str, dict[str, Any]]) -> None:
    """At generation 0 every pair of words that is not broken by a new beginning is one of the real text."""
    real = settings_words()
    pairs = set(itertools.pairwise(real))
    tokens = mc.text.Words.of(TEXT["text"]["own"], least=1)
    for piece in told_text["replace"]["texts"][0].split("…"):
        words = [tokens.decode([token]) for token in tokens.encode(piece)]
        words = [word for word in words if word != "\n"]
        assert set(itertools.pairwise(words)) <= pairs


def settings_words() -> list[str]:
    found = texts.Setting.checked(TEXT).material()
    return [found.words.decode([token]) for token in found.tokens[0] if found.words.decode([token]) != "\n"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": {"own": "too short"}}, "at least five paragraphs, sentences or lines"),
        ({"text": {"own": "a b. c d. e f. g h. i j. k l."}}, "at least 200 words and marks"),
        ({"text": {"own": "x" * 400_001}}, "may have 400,000 characters"),
        ({"text": {"own": 3}}, "own must be"),
        ({"text": {"name": "nothing"}}, "name must be"),
        ({"text": "here"}, "text must be an object"),
        ({"order": 9}, "order must be 2 or 3"),
        ({"size": 999}, "size must be 1000"),
        ({"regime": "fresh"}, "regime must be"),
        ({"regime": "rewrite", "share": 2}, "share must lie in [0, 1]"),
        ({"generations": 51}, "generations must be at most 50"),
    ],
)
def test_a_text_that_cannot_be_learnt_is_refused(served: server.Server, change: dict[str, Any], message: str) -> None:
    assert message in told(served, "text", TEXT | change)["refused"]


# --- tables, warming, the command -------------------------------------------------------------------------------------


def test_the_tables_hold_the_answers_of_the_server(
    served: server.Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(tables, "PRESET", "rare")
    monkeypatch.setattr(tables, "REGIMES", ("replace", "fresh"))
    monkeypatch.setattr(tables, "SIZES", (20,))
    monkeypatch.setattr(tables, "SHARES", (0.0, 0.2))
    monkeypatch.setattr(tables, "GENERATIONS", 6)
    monkeypatch.setattr(tables, "text_bodies", lambda: iter([("own/replace/-/2/1000", TEXT)]))
    tables.write(tmp_path / "tables.json")
    found = json.loads((tmp_path / "tables.json").read_text())
    assert set(found) == {"start", "answers", "texts"}
    assert list(found["answers"]) == ["rare/replace/-/1/20", "rare/fresh/0/1/20", "rare/fresh/0.2/1/20"]
    assert found["start"]["live"] is False
    assert [one["name"] for one in found["start"]["regimes"]] == ["replace", "fresh"]
    for key, body in tables.bodies():
        assert without_time(found["answers"][key]) == without_time(told(served, "simulate", body)), key
    assert without_time(found["texts"]["own/replace/-/2/1000"]) == without_time(told(served, "text", TEXT))


def without_time(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "seconds"}


def test_every_setting_of_the_tables_can_be_chosen_in_them() -> None:
    start = tables.start()
    keys = [key for key, _ in tables.bodies()]
    assert len(keys) == len(set(keys))
    wanted = {
        "/".join([start["presets"][0]["name"], regime["name"], tables.written(share) if regime["share"] else "-", "1", str(size)])
        for regime in start["regimes"] for share in start["shares"] for size in start["sizes"]
    }  # fmt: skip
    assert wanted == set(keys)
    assert "/".join(["python", "replace", "-", "2", str(tables.TEXT_SIZE)]) in dict(tables.text_bodies())
    assert [tables.written(x) for x in (0.0, 1.0, 0.05, 0.1)] == ["0", "1", "0.05", "0.1"]


def test_what_is_asked_next_is_compiled_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[settings.Setting] = []
    all_run = threading.Event()

    def pretend(setting: settings.Setting) -> None:
        run.append(setting)
        if len(run) == len(choices.SIZES) + len(choices.REGIMES) - 1:
            all_run.set()

    monkeypatch.setattr(engine, "run_of", pretend)
    monkeypatch.setattr(warm, "QUIET", 0.0)
    explorer = answers.Explorer()
    explorer.begin()
    assert all_run.wait(30)
    explorer.end()
    sizes = [setting.size for setting in run[: len(choices.SIZES)]]
    assert sorted(sizes) == list(choices.SIZES)
    assert sizes[0] == choices.DEFAULT["size"]
    assert {setting.regime for setting in run} == set(choices.REGIMES)


def test_no_program_is_begun_while_a_question_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "run_of", lambda setting: pytest.fail("a program was begun"))
    monkeypatch.setattr(warm, "QUIET", 0.0)
    warmer = warm.Warmer()
    with warmer.paused():
        warmer.start(settings.Setting.checked(BODY))
        time.sleep(0.2)
        threading.Thread(target=warmer.end).start()
        time.sleep(0.1)


def test_a_port_in_use_is_said(capsys: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["explore", "--no-browser", "--port", str(port)]) == 2
    assert f"modelcollapse explore: port {port} cannot be used" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another thing there")
def test_the_command_serves_until_ctrl_c() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "MODELCOLLAPSE_CACHE": "off"}
    command = [sys.executable, "-m", "modelcollapse", "explore", "--no-browser", "--port", "0"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)", running.stdout.readline())
        assert found
        known = argparse.Namespace(port=int(found[1]), token=found[2])
        assert ask(known, "start", {})[1]["live"] is True  # type: ignore[arg-type]
        running.send_signal(signal.SIGINT)
        said, error = running.communicate(timeout=120)
    assert running.returncode == 0
    assert "The explorer ends." in said
    assert "Traceback" not in error
