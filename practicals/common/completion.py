"""Completion for bash, zsh and fish, written from the parser itself, so that it knows what the program knows."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from practicals.common.config import CalibratedSplit, PracticalConfig, describe, flatten, read_yaml
from practicals.common.resources import PACKAGE, resource_folder

SHELLS = ("bash", "zsh", "fish")


@dataclass(frozen=True)
class Value:
    """What may stand in one place of a command."""

    words: tuple[str, ...] = ()
    files: bool = False
    settings: bool = False
    """The settings of the practical that was named, as `KEY=`."""


@dataclass(frozen=True)
class Option:
    """An option of a command."""

    name: str
    help: str
    value: Value | None
    """None: it takes none."""


@dataclass(frozen=True)
class Command:
    """What may follow a command's name."""

    name: str
    help: str
    options: tuple[Option, ...]
    place: Value


def completion_script(shell: str, parser: argparse.ArgumentParser, practicals: Sequence[str]) -> str:
    """Return the script that teaches a shell to complete `practicals`.

    Args:
        shell: one of `SHELLS`.
        parser: of the whole command line.
        practicals: their names.
    """
    commands = _commands(parser, practicals)
    settings = {name: known_settings(name) for name in practicals}
    if shell == "fish":
        return _fish(commands, settings)
    return _bash(commands, settings) if shell == "bash" else _zsh(commands, settings)


def known_settings(practical: str) -> list[str]:
    """Return the dotted settings of a practical; its module is read, not loaded, since that would load TensorFlow."""
    own = flatten(read_yaml(resource_folder("configs") / f"{practical}.yaml"))
    return sorted({*own, *describe(PracticalConfig), *_split_settings(practical)})


def _split_settings(practical: str) -> set[str]:
    """Return what a lesson's own way of dividing can be told beyond what all can; the config file leaves it out."""
    tree = ast.parse((PACKAGE / f"{practical}.py").read_text(encoding="utf-8"))
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    found = {name for name in CalibratedSplit.model_fields if "CalibratedSplit" in named}
    for one in tree.body:
        if isinstance(one, ast.ClassDef) and any(
            ast.unparse(base).endswith(("Split", "SplitSettings")) for base in one.bases
        ):
            found |= {
                line.target.id
                for line in one.body
                if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
            }
    return {f"split.{name}" for name in found if not name.startswith("_")}


def _commands(parser: argparse.ArgumentParser, practicals: Sequence[str]) -> list[Command]:
    (choices,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    helps = {action.dest: action.help or "" for action in choices._choices_actions}
    found = []
    for name, inner in choices.choices.items():
        options: list[Option] = []
        words: list[str] = []
        files = False
        for action in inner._actions:
            if action.option_strings:
                value = None if action.nargs == 0 else _value(action, practicals)
                options.append(Option(action.option_strings[-1], action.help or "", value))
            else:
                place = _value(action, practicals)
                words, files = [*words, *place.words], files or place.files
        found.append(Command(name, helps[name], tuple(options), Value(tuple(words), files)))
    return found


def _value(action: argparse.Action, practicals: Sequence[str]) -> Value:
    if action.dest == "sets":
        return Value(settings=True)
    if action.dest == "data":
        return Value(("auto", "real", "sample"), files=True)
    if action.choices is not None:
        return Value(tuple(map(str, action.choices)))
    if action.dest in ("name", "names", "which"):
        return Value(tuple(practicals), files=action.dest == "which")
    return Value(files=action.type is Path)


def _bash(commands: Sequence[Command], settings: Mapping[str, Sequence[str]]) -> str:
    def offer(value: Value) -> str:
        # Where no word fits, the names of files do.
        done = [f'words="{" ".join(value.words)}"'] if value.words else []
        if value.settings:
            done.append("compopt -o nospace; _practicals_settings")
        return "; ".join(done + (["compopt -o default"] if value.files else [])) or ":"

    return f"""\
# Completion of `practicals` for bash. In ~/.bashrc: eval "$(practicals completion bash)"
_practicals_settings() {{
    case "$name" in
{_cases(settings, lambda keys: f'words="{_as_keys(keys)}"', 8)}
    esac
}}
_practicals() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD - 1]}}" command="" name="" words="" i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "${{COMP_WORDS[i]}}" in
            {"|".join(command.name for command in commands)}) command="${{command:-${{COMP_WORDS[i]}}}}" ;;
            {"|".join(settings)}) name="${{COMP_WORDS[i]}}" ;;
        esac
    done
    case "$command $before" in
{_cases(_values(commands), offer, 8)}
        *" =") return ;;
        *)
            case "$command $word" in
                " "-*) words="--help --version" ;;
                " "*) words="{" ".join(command.name for command in commands)}" ;;
{_cases({f'"{one.name} "-*': one for one in commands}, lambda one: f'words="{_options(one)}"', 16)}
{_cases({f'"{one.name} "*': one.place for one in commands}, offer, 16)}
            esac ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -F _practicals practicals
"""


def _zsh(commands: Sequence[Command], settings: Mapping[str, Sequence[str]]) -> str:
    def offer(value: Value) -> str:
        done = [f"compadd -- {' '.join(value.words)}"] if value.words else []
        if value.settings:
            done.append("_practicals_settings")
        return "; ".join(done + (["_files"] if value.files else [])) or ":"

    return f"""\
#compdef practicals
# Completion of `practicals` for zsh. In ~/.zshrc, after compinit: eval "$(practicals completion zsh)"
_practicals_settings() {{
    case "$name" in
{_cases(settings, lambda keys: f"compadd -S '' -- {_as_keys(keys)}", 8)}
    esac
}}
_practicals() {{
    local word="${{words[CURRENT]}}" before="${{words[CURRENT - 1]}}" command="" name="" i
    for ((i = 2; i < CURRENT; i++)); do
        case "${{words[i]}}" in
            {"|".join(command.name for command in commands)}) command="${{command:-${{words[i]}}}}" ;;
            {"|".join(settings)}) name="${{words[i]}}" ;;
        esac
    done
    case "$command $before" in
{_cases(_values(commands), offer, 8)}
        *)
            case "$command $word" in
                " "-*) compadd -- --help --version ;;
                " "*) compadd -- {" ".join(command.name for command in commands)} ;;
{_cases({f'"{one.name} "-*': one for one in commands}, lambda one: f"compadd -- {_options(one)}", 16)}
{_cases({f'"{one.name} "*': one.place for one in commands}, offer, 16)}
            esac ;;
    esac
}}
compdef _practicals practicals
"""


def _fish(commands: Sequence[Command], settings: Mapping[str, Sequence[str]]) -> str:
    names = " ".join(settings)
    lines = [
        "# Completion of `practicals` for fish. Once:",
        "# practicals completion fish > ~/.config/fish/completions/practicals.fish",
        "function __practicals_settings",
        "    set -l typed (commandline -opc)",
    ]
    for name, keys in settings.items():
        lines.append(f"    contains -- {name} $typed; and printf '%s\\n' {_as_keys(keys)}")
    lines += ["end", "complete -c practicals -f"]

    def offer(value: Value) -> str:
        words = "(__practicals_settings)" if value.settings else " ".join(value.words)
        return (" -F" if value.files else "") + (f" -a '{words}'" if words else "")

    for command in commands:
        lines.append(
            f"complete -c practicals -n __fish_use_subcommand -a {command.name} -d {_fish_quoted(command.help)}"
        )
        seen = f"complete -c practicals -n '__fish_seen_subcommand_from {command.name}'"
        if command.place.words or command.place.files:
            # A practical is named once; files may follow.
            again = f"; and not __fish_seen_subcommand_from {names}" if set(command.place.words) & set(settings) else ""
            lines.append(f"{seen[:-1]}{again}'{offer(Value(command.place.words))}")
            lines += [f"{seen} -F"] if command.place.files else []
        for option in command.options:
            takes = "" if option.value is None else f" -r{offer(option.value)}"
            lines.append(f"{seen} -l {option.name.lstrip('-')}{takes} -d {_fish_quoted(option.help)}")
    return "\n".join(lines) + "\n"


def _values(commands: Iterable[Command]) -> dict[str, Value]:
    """Return what may follow an option, by the pattern `"command --option"`."""
    return {
        f'"{command.name} {option.name}"': option.value
        for command in commands
        for option in command.options
        if option.value is not None
    }


def _cases(of: Mapping[str, Any], then: Callable[[Any], str], indent: int) -> str:
    """Return the lines of a `case` of bash or zsh."""
    return "\n".join(f"{' ' * indent}{pattern}) {then(value)} ;;" for pattern, value in of.items())


def _options(command: Command) -> str:
    return " ".join(option.name for option in command.options)


def _as_keys(settings: Iterable[str]) -> str:
    return " ".join(f"{setting}=" for setting in settings)


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
