"""``--config run.toml``: the options of a command in a file, under their names. The command line wins."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from modelcollapse.cli import options as shared

NOT_KEYS = frozenset({"help", "config", "print_config", "command", "run"})
"""What no file gives."""
NAME = "name"
"""The key of a section for the option that has the section's own name."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a file is divided: the options of each section, and sets of options of which one alone may be given."""

    sections: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    exclusive: Sequence[Sequence[str]] = ()

    def home(self, option: str) -> str | None:
        """The section of an option, if it has one."""
        return next((name for name, options in self.sections.items() if option in options), None)


@dataclasses.dataclass(frozen=True)
class _Unset:
    """Stands for the usual value of an option that was not given, and prints as it does in a help text."""

    usual: object

    def __str__(self) -> str:
        return str(self.usual)


class Parser(argparse.ArgumentParser):
    """A parser of options; one that is given a ``layout`` also reads them from a file, by ``--config``."""

    layout: Layout | None = None

    def configure(self, layout: Layout) -> None:
        """Add ``--config`` and ``--print-config``."""
        self.layout = layout
        help = "a TOML file with options by their names; those of the command line win"
        self.add_argument("--config", type=Path, metavar="FILE.toml", help=help)
        help = "print the options of this run as such a file, and stop"
        self.add_argument("--print-config", action="store_true", help=help)

    # argparse has overloads for three kinds of namespace, and the subcommands pass on none but this
    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """What argparse returns, with the file's options in place of usual values."""
        if self.layout is None:
            return super().parse_known_args(args, namespace)
        usual = {action: action.default for action in self._actions if action.default is not argparse.SUPPRESS}
        for action, default in usual.items():
            action.default = None if default is None else _Unset(default)
        try:
            found, rest = super().parse_known_args(args, namespace)
        finally:
            for action, default in usual.items():
                action.default = default
        given = {n: value for n, value in vars(found).items() if value is not None and not isinstance(value, _Unset)}
        try:
            read = _read(given["config"], self) if "config" in given else {}
        except (ValueError, OSError) as error:
            self.error(f"--config {given['config']}: {error}")
        defaults = {action.dest: default for action, default in usual.items()}
        return argparse.Namespace(**defaults | _left(read, given, self.layout) | given), rest


def _is_key(name: str) -> bool:
    """Whether an option, by its name in a namespace, belongs into a file."""
    return name not in NOT_KEYS and not name.startswith(shared.VERBOSE)


def _left(read: dict[str, Any], given: Mapping[str, Any], layout: Layout) -> dict[str, Any]:
    """What a file says that the command line does not overrule.

    Another choice of a section's own option replaces the whole section; so does a choice of what [source] is, which has
    no option of its own.
    """
    dropped: set[str] = set()
    for name, options in layout.sections.items():
        if name in read and name in given and read[name] != given[name]:
            dropped |= {*options}
    for options in layout.exclusive:
        if any(name in given for name in options):
            inside = layout.sections[str(layout.home(options[0]))]
            dropped |= {*options} if layout.home(options[0]) in inside else {*inside}
    return {name: value for name, value in read.items() if name not in dropped}


# --- reading ---------------------------------------------------------------------------------------------------------


def _read(path: Path, parser: Parser) -> dict[str, Any]:
    """The options that a file gives, by the names that argparse has for them."""
    assert parser.layout is not None
    content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    actions = {action.dest: action for action in parser._actions if _is_key(action.dest)}
    out: dict[str, Any] = {}
    for section, key, value in _flat(content, parser.layout, actions):
        name = key.replace("-", "_")
        if section and key == NAME and section in actions:
            name = section
        known = parser.layout.sections[section] if section else list(actions)
        where = f"{key} of [{section}]" if section else key
        if name not in known:
            raise ValueError(_unknown(key, section, known, parser.layout, actions))
        if name in out:
            raise ValueError(f"{where} is given twice")
        out[name] = _converted(actions[name], value, where, path.parent)
    for options in parser.layout.exclusive:
        both = [_dashed(name) for name in options if name in out and out[name] is not None]
        if len(both) > 1:
            raise ValueError(f"{both[0]} and {both[1]} exclude each other; give one of them")
    return out


def _flat(
    content: dict[str, Any], layout: Layout, actions: Mapping[str, argparse.Action]
) -> Iterable[tuple[str, str, Any]]:
    """Section (or none), key and value of every entry."""
    for key, value in content.items():
        if not isinstance(value, dict):
            yield "", key, value
            continue
        if key not in layout.sections:
            if key.replace("-", "_") in actions:
                raise ValueError(f"{key} is a key, not a section: write {key} = ... above the first section")
            raise ValueError(f"unknown section [{key}]{_nearest(key, layout.sections)}")
        yield from ((key, inner, held) for inner, held in value.items())


def _unknown(
    key: str, section: str, known: Iterable[str], layout: Layout, actions: Mapping[str, argparse.Action]
) -> str:
    name = key.replace("-", "_")
    if section and name in actions:
        home = layout.home(name)
        belongs = f"belongs into [{home}]" if home else "belongs above the first section"
        return f"unknown key {key!r} of [{section}]; it {belongs}"
    words = [NAME if section and name == section else _dashed(name) for name in known]
    return f"unknown key {key!r}{f' of [{section}]' if section else ''}{_nearest(key, words)}"


def _nearest(word: str, known: Iterable[str]) -> str:
    words = list(known)
    near = difflib.get_close_matches(word, words, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; the names are {', '.join(words)}"


def _converted(action: argparse.Action, value: object, where: str, folder: Path) -> Any:
    """A value of a file as the command line would give it, checked by the same words."""
    if action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction):
        _fits(isinstance(value, bool), where, "true or false", value)
        return value if value or isinstance(action, argparse.BooleanOptionalAction) else action.default
    if isinstance(value, bool) and action.nargs == "?":
        return action.const if value else action.default
    kind = action.type.kind if isinstance(action.type, shared.Argument) else None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "texts" or isinstance(action, argparse._AppendAction):
        texts = value if isinstance(value, list) else [value]
        good = all(isinstance(one, str) or (kind and isinstance(one, int) and one is not True) for one in texts)
        _fits(bool(texts) and good, where, "a text, or an array of them", value)
        return [str(one) for one in texts]
    if kind == "numbers":
        numbers = value if isinstance(value, list) else []
        good = bool(numbers) and all(isinstance(x, int | float) and not isinstance(x, bool) for x in numbers)
        _fits(good, where, "an array of numbers", value)
        return _parsed(action, ",".join(map(repr, numbers)), where)
    if kind == "whole" or action.type is int:
        _fits(number and isinstance(value, int), where, "a whole number", value)
    elif kind == "real":
        _fits(number, where, "a number", value)
    else:
        _fits(isinstance(value, str), where, "a text", value)
    text = str(value)
    if (kind == "file" or action.type is Path) and text not in ("", shared.STDOUT):
        text = str(folder / text)
    return _parsed(action, text, where)


def _fits(right: bool, where: str, words: str, value: object) -> None:
    if not right:
        raise ValueError(f"{where} must be {words}, got {value!r}")


def _parsed(action: argparse.Action, text: str, where: str) -> Any:
    try:
        value = action.type(text) if callable(action.type) else text
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"{where} {error}") from None
    if action.choices is not None and value not in action.choices:
        words = [str(choice) for choice in action.choices]
        raise ValueError(f"{where} must be one of {', '.join(words)}, got {value!r}{_meant(str(value), words)}")
    return value


def _meant(word: str, words: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, words, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


# --- writing ---------------------------------------------------------------------------------------------------------


def to_toml(options: argparse.Namespace, layout: Layout) -> str:
    """The options of a run as a file that gives them again; those that are not set are left out."""
    sections: dict[str | None, list[str]] = {None: []} | {section: [] for section in layout.sections}
    for name, value in vars(options).items():
        if _is_key(name) and value is not None:
            key = NAME if name in layout.sections else _dashed(name)
            sections[layout.home(name)].append(f"{key} = {_value(value)}")
    parts = [[f"[{section}]", *lines] if section else lines for section, lines in sections.items() if lines]
    return "\n\n".join("\n".join(lines) for lines in parts)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Path):
        value = str(value.absolute())
    # a text of TOML is one of JSON, but for surrogates
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _dashed(name: str) -> str:
    return name.replace("_", "-")
