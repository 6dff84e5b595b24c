"""The explorer answers what the library answers, to those who know the token, and refuses in sentences."""

from __future__ import annotations

import re
from typing import Any

import asking
import jax
import numpy as np
import pytest
from asking import BODY, ask, executed, told

import modelcollapse as mc
from modelcollapse.explore import choices, engine, server, settings

served = asking.served

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


def test_states_without_weight_are_left_out(served: server.Server) -> None:
    """They are not real, and no chain loses them."""
    own = {"states": ["a", "nothing", "b", "c", "d"], "weights": [1000, 0, 100, 10, 1]}
    answer = told(served, "simulate", BODY | {"source": own})
    assert answer["states"] == ["a", "b", "c", "d"]
    assert answer["curves"] == told(served, "simulate", BODY)["curves"]


@pytest.mark.parametrize(
    ("weights", "rarest"),
    [
        ((1, 1, 1, 1, 1, 1), ()),
        ((9, 1), (1,)),
        ((8, 1), ()),
        ((90, 5, 5), (1, 2)),
        ((1000, 100, 10, 1), (1, 2, 3)),
        ((70, 10, 10, 10), (1,)),
    ],
)
def test_the_rare_states_hold_a_tenth_at_most(weights: tuple[float, ...], rarest: tuple[int, ...]) -> None:
    assert settings.Weights(tuple("abcdef"[: len(weights)]), weights).rarest == rarest


def test_a_law_without_rare_states_has_no_curve_of_them(served: server.Server) -> None:
    answer = told(served, "simulate", BODY | {"source": {"preset": "die"}})
    assert set(answer["curves"]) == set(choices.OBSERVABLES) - {"tail"}
    assert set(executed(answer["call"])["run"]) == set(answer["curves"])


def test_the_largest_seed_of_the_page_is_taken(served: server.Server) -> None:
    answer = told(served, "simulate", BODY | {"seed": 2**32 - 1})
    assert "seed=4294967295" in answer["call"]
    run = executed(answer["call"])["run"]
    assert np.allclose(answer["curves"]["entropy"]["mean"], run["entropy"].mean(0), rtol=1e-4)


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
        ({"share": "half"}, "share must be a number"),
        ({"share": 2}, "share must lie in [0, 1]"),
        ({"size": 7}, "size must be 10, 20,"),
        ({"size": 20.5}, "size must be a whole number"),
        ({"size": True}, "size must be a whole number"),
        ({"generations": 0}, "generations must be at least 1"),
        ({"generations": 10**30}, "generations must be at most 200"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"seed": 2**32}, "seed must be at most"),
        ({"temperature": 0}, "temperature must lie in [0.1, 10]"),
        ({"source": {"preset": "nothing"}}, "preset must be"),
        ({"source": 3}, "source must be an object"),
        ({"source": {}}, "states is missing"),
        ({"source": {"states": ["a", "b"], "weights": [1]}}, "weights must be as many as states, 2, got 1"),
        ({"source": {"states": ["a", "a"], "weights": [1, 2]}}, "states must have different names, got 'a' twice"),
        ({"source": {"states": ["a", "b"], "weights": [0, 0]}}, "weights must not all be 0"),
        ({"source": {"states": ["a", "b"], "weights": [1, -2]}}, "weights must be finite and not negative"),
        ({"source": {"states": ["a", "b"], "weights": [1, None]}}, "weights must"),
        ({"source": {"states": ["a", "b"], "weights": [1, 0]}}, "weights must be above 0 for at least 2 states"),
        ({"source": {"states": ["a", "b"], "weights": [1, 2**53]}}, "weights must be below 2**53, to stay exact"),
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
