"""A shell completes what the program understands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from practicals.common.catalog import CATALOG
from practicals.common.cli import build_parser
from practicals.common.completion import SHELLS, completion_script, known_settings
from practicals.common.config import describe

# What readline does on the tab key: set these three, call the function, read the answers.
ASK_BASH = """
source {script}
complete -p practicals >/dev/null || exit 1
while IFS= read -r line; do
    IFS=' ' read -r -a COMP_WORDS <<< "$line"
    [ "${{line: -1}}" = " " ] && COMP_WORDS+=("")
    COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)) COMPREPLY=()
    _practicals 2>/dev/null  # compopt complains outside of readline
    echo "${{COMPREPLY[*]}}"
done
"""
QUESTIONS = {
    "practicals co": {"compare", "completion"},
    "practicals --v": {"--version"},
    "practicals run ": set(CATALOG),
    "practicals run we": {"web_traffic"},
    "practicals run churn --se": {"--set", "--seed", "--seeds"},
    "practicals run churn --set ep": {"epochs="},
    "practicals run sms_spam --set split.f": {"split.fold=", "split.folds="},
    "practicals run --seed 3 --data s": {"sample"},
    "practicals tune churn --strategy ": {"random", "grid", "hyperband", "bayesian"},
    "practicals export churn --format o": {"onnx"},
    "practicals explain ch": {"churn"},
    "practicals completion ": set(SHELLS),
    "practicals predict churn --output ": set(),
}


@pytest.fixture
def script(tmp_path):
    def write(shell: str) -> Path:
        path = tmp_path / f"completion.{shell}"
        path.write_text(completion_script(shell, build_parser(), tuple(CATALOG)))
        return path

    return write


@pytest.mark.skipif(shutil.which("bash") is None, reason="this machine has no bash")
def test_bash_completes_commands_practicals_options_and_settings(script):
    program = ASK_BASH.format(script=script("bash"))
    asked = "".join(f"{question}\n" for question in QUESTIONS)
    done = subprocess.run(["bash", "-c", program], input=asked, capture_output=True, text=True, check=True)
    answers = [set(line.split()) for line in done.stdout.split("\n")[: len(QUESTIONS)]]
    for (question, expected), answer in zip(QUESTIONS.items(), answers, strict=True):
        assert (answer >= expected) if question.endswith(" co") else (answer == expected), question


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_can_read_their_script(shell, script):
    if shutil.which(shell) is None:
        pytest.skip(f"this machine has no {shell}")
    done = subprocess.run([shell, "-n", str(script(shell))], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_option_is_in_every_script(shell, script):
    text = script(shell).read_text()
    choices = next(action for action in build_parser()._actions if action.dest == "command").choices
    for name, parser in choices.items():
        assert name in text
        for action in parser._actions:
            for option in action.option_strings:
                assert option.lstrip("-") in text, option


def test_a_script_is_printed_without_loading_tensorflow():
    program = (
        "import sys; from practicals.common.cli import main; code = main(['completion', 'fish']);"
        "assert not {'tensorflow', 'keras'} & set(sys.modules); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert "complete -c practicals" in done.stdout


@pytest.mark.slow  # loads every lesson
@pytest.mark.parametrize("name", CATALOG)
def test_the_settings_offered_are_those_of_the_lesson(name):
    from practicals.common.workflow import config_class

    assert set(known_settings(name)) == set(describe(config_class(CATALOG[name].module())))
