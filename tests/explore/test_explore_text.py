"""The text that dissolves, the tables of the page in the documentation, programs compiled ahead, and the command."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
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
import urllib.request
import webbrowser
from typing import Any

import asking
import jax
import numpy as np
import pytest
from asking import BODY, TEXT, ask, executed, told

import modelcollapse as mc
from modelcollapse.__main__ import main
from modelcollapse.explore import answers, choices, engine, server, settings, tables, texts, warm

served = asking.served

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
        ({"share": "half"}, "share must be a number"),
        ({"seed": 2**32}, "seed must be at most"),
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
    asked: list[settings.Setting] = []
    run: list[settings.Setting] = []
    all_run = threading.Event()
    first = settings.Setting.checked(choices.DEFAULT)
    sizes = [50, 200, 20, 500, 10, 1000, 2000, 5000, 10_000]
    wanted = [dataclasses.replace(first, size=size) for size in sizes]
    wanted += [dataclasses.replace(first, regime=name) for name in choices.REGIMES if name != first.regime]

    def pretend(setting: settings.Setting) -> None:
        run.append(setting)
        if len(run) == len(wanted):
            all_run.set()

    monkeypatch.setattr(engine, "simulated", lambda setting: asked.append(setting) or {})
    monkeypatch.setattr(engine, "run_of", pretend)
    monkeypatch.setattr(warm, "QUIET", 0.0)
    explorer = answers.Explorer()
    explorer.begin()
    assert all_run.wait(30)
    explorer.end()
    assert asked == [first]
    assert run == wanted


def test_programs_are_dropped_before_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a third setting needs programs and room is for two, the first ones are compiled anew; answers are kept."""
    dropped: list[int] = []
    asked: list[settings.Setting] = []
    monkeypatch.setattr(warm, "MOST", 2)
    monkeypatch.setattr(jax, "clear_caches", lambda: dropped.append(len(asked)))
    monkeypatch.setattr(engine, "simulated", lambda setting: asked.append(setting) or {"size": setting.size})
    explorer = answers.Explorer()
    for size in (10, 20, 20, 10, 50, 50, 10, 20, 100):
        assert explorer.answer("simulate", BODY | {"size": size}) == {"size": size}
    assert [setting.size for setting in asked] == [10, 20, 50, 100]
    assert dropped == [2]
    explorer.answer("simulate", BODY | {"size": 200})
    assert dropped == [2, 4]


def test_programs_are_not_dropped_while_one_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, finish, order = threading.Event(), threading.Event(), []

    def slow(setting: settings.Setting) -> None:
        begun.set()
        finish.wait(30)
        order.append("compiled")

    monkeypatch.setattr(warm, "QUIET", 0.0)
    monkeypatch.setattr(warm, "MOST", 1)
    monkeypatch.setattr(engine, "run_of", slow)
    monkeypatch.setattr(jax, "clear_caches", lambda: order.append("dropped"))
    warmer = warm.Warmer()
    warmer.start(settings.Setting.checked(BODY))
    assert begun.wait(30)
    with warmer.paused():
        making = threading.Thread(target=warmer.room, args=("another",))
        making.start()
        making.join(0.2)
        assert not order
        finish.set()
        making.join(30)
        assert order == ["compiled", "dropped"]
    warmer.end()


def test_no_program_is_begun_while_a_question_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "run_of", lambda setting: pytest.fail("a program was begun"))
    monkeypatch.setattr(warm, "QUIET", 0.0)
    warmer = warm.Warmer()
    with warmer.paused():
        warmer.start(settings.Setting.checked(BODY))
        time.sleep(0.2)
        threading.Thread(target=warmer.end).start()
        time.sleep(0.1)


def test_the_browser_is_opened_once_the_page_is_answered(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    seen: list[int] = []

    def opened(address: str) -> bool:
        with urllib.request.urlopen(address, timeout=30) as response:
            seen.append(response.status)
        raise KeyboardInterrupt

    monkeypatch.setattr(server.Explorer, "begin", lambda self: None)
    monkeypatch.setattr(webbrowser, "open", opened)
    server.serve(0)
    assert seen == [200]
    assert "The explorer ends." in capsys.readouterr().out


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
    # a process in the background of a shell ignores Ctrl-C, and what it starts would, too
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        started = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    with started as running, contextlib.ExitStack() as last:
        last.callback(running.kill)  # whatever happens, nothing waits for it
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
