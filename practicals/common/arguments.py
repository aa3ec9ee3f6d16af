"""What can be typed: every command with its options, and one line for a word that does not exist."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from practicals.common.errors import PracticalError, did_you_mean


class _Parser(argparse.ArgumentParser):
    """An argument parser that ends in one line and guesses the intended word."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise PracticalError(f"{message.rstrip('.')}. See `{self.prog} --help`.")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            options = [str(choice) for choice in action.choices]
            what = "command" if isinstance(action, argparse._SubParsersAction) else _shown(action)
            raise PracticalError(f"{value}: there is no such {what}.{did_you_mean(str(value), options)}")


def _shown(action: argparse.Action) -> str:
    return action.option_strings[-1].lstrip("-") if action.option_strings else action.dest


def _whole(least: int, most: int = 2**31 - 1) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"a whole number was expected, not '{text}'") from None
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"a whole number from {least} to {most} was expected, not {value}")
        return value

    return read


Add = Callable[[str, str, str], argparse.ArgumentParser]
"""Makes a command's parser of its name, help and example."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    from practicals import __version__

    parser = _Parser(prog="practicals", description="Deep-learning course practicals with Keras: train, tune, explain.")
    parser.add_argument("--version", action="version", version=f"practicals {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    def add(name: str, help_text: str, example: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=help_text,
            description=f"{help_text[0].upper()}{help_text[1:]}.",
            epilog=f"example: {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    # In the order of `--help`.
    add("list", "list the practicals", "practicals list")
    _add_data(add)
    _add_run(add)
    _add_tune(add)
    _add_explain(add)
    _add_predict(add)
    _add_finished(add)
    _add_machine(add)
    for name in ("export", "explain", "predict", "compare", "report", "doctor", "tune", "run"):
        commands.choices[name].add_argument(
            "--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of runs (default runs)"
        )
    for one in commands.choices.values():
        one.add_argument("--json", action="store_true", help="print one JSON object on stdout")
        one.add_argument("--quiet", action="store_true", help="say nothing on stderr but warnings and errors")
    return parser


def _add_data(add: Add) -> None:
    data = add("data", "fetch and verify data sets; show licence and place", "practicals data churn")
    data.add_argument("names", nargs="*", metavar="NAME", help="a practical; without one, all")
    data.add_argument("--all", action="store_true", help="every data set, as without a name")
    data.add_argument("--to", type=Path, metavar="FOLDER", help="copy what a class may share into a folder for it")


def _add_run(add: Add) -> None:
    run = add("run", "train a practical and report how good it is", "practicals run churn --set epochs=20 --seed 1")
    _add_training(run)
    run.add_argument(
        "--strategy",
        dest="devices",
        choices=("one", "mirrored"),
        metavar="NAME",
        help="one device, or mirrored: all GPUs",
    )
    run.add_argument("--seeds", type=_whole(1, 1000), metavar="N", help="repeat with N seeds; mean and deviation")
    run.add_argument("--resume", type=Path, metavar="RUN", help="continue an interrupted run's folder")


def _add_tune(add: Add) -> None:
    tune = add("tune", "search for better settings", "practicals tune churn --strategy bayesian --trials 20")
    _add_training(tune)
    tune.add_argument(
        "--strategy",
        choices=("random", "grid", "hyperband", "bayesian"),
        metavar="NAME",
        help="random (default), grid, hyperband or bayesian",
    )
    tune.add_argument("--trials", type=_whole(1, 100_000), metavar="N", help="settings to try (default 20)")
    tune.add_argument("--resume", action="store_true", help="continue the newest unfinished search")
    tune.add_argument("--workers", type=_whole(1, 256), metavar="N", help="run the trials in N processes")
    joined = tune.add_mutually_exclusive_group()
    joined.add_argument("--listen", metavar="HOST:PORT", help="let other machines join at this address of this one")
    joined.add_argument("--join", metavar="HOST:PORT", help="run trials of the search that listens there")


def _add_explain(add: Add) -> None:
    explain = add("explain", "say why a run's model predicts what it predicts", "practicals explain churn --row 12")
    _add_which(explain)
    explain.add_argument(
        "--method", action="append", metavar="NAME", help="shap, lime or another of the lesson's; may be given twice"
    )
    chosen = explain.add_mutually_exclusive_group()
    chosen.add_argument("--row", metavar="ID", help="a row of the run's data, by its id in predictions.csv")
    chosen.add_argument(
        "--input", type=Path, metavar="FILE", help="a file of your own; its first row, or user, is explained"
    )
    chosen.add_argument("--text", metavar="MESSAGE", help="a message, for practicals that read messages")
    _add_user(chosen)
    explain.add_argument("--item", metavar="TITLE", help="why this one, of all that could be recommended to the user")


def _add_predict(add: Add) -> None:
    predict = add("predict", "predict for rows of your own", "practicals predict churn customers.csv --output out.csv")
    _add_which(predict)
    inputs = predict.add_argument(
        "inputs",
        nargs="+",
        default=[],
        type=Path,
        metavar="INPUT",
        help="file or folder to predict for; - is standard input",
    )
    # Not needed beside --text and its like. With nargs="*" argparse would take no file that stands behind an option.
    inputs.required = False
    typed = predict.add_mutually_exclusive_group()
    typed.add_argument(
        "--text", action="append", metavar="MESSAGE", help="a message to predict for; may be given several times"
    )
    _add_user(typed)
    predict.add_argument(
        "--top", type=_whole(1, 10_000), metavar="N", help="recommendations for each user (default 10)"
    )
    predict.add_argument("--output", type=Path, metavar="FILE", help="write CSV here instead of to the terminal")


def _add_finished(add: Add) -> None:
    """Add what is done with practicals and finished runs besides training, explaining and predicting."""
    notebook = add("notebook", "write a practical as a notebook", "practicals notebook churn --output churn.ipynb")
    notebook.add_argument("name", metavar="NAME", help="a practical")
    notebook.add_argument("--output", type=Path, metavar="FILE", help="file to write (default NAME.ipynb)")
    compare = add("compare", "compare finished runs", "practicals compare churn")
    compare.add_argument("which", nargs="*", metavar="WHICH", help="practicals or run folders; without one, all")
    _add_which(add("report", "rebuild a run's report.html", "practicals report churn"))
    export = add(
        "export", "write a run's model for programs without Keras", "practicals export churn --format savedmodel"
    )
    _add_which(export)
    export.add_argument(
        "--format", choices=("savedmodel", "onnx"), metavar="NAME", default="savedmodel", help="savedmodel or onnx"
    )
    export.add_argument("--output", type=Path, metavar="PATH", help="what to make (default NAME_savedmodel, NAME.onnx)")


def _add_machine(add: Add) -> None:
    """Add what is about the user's machine and the course, not about one practical."""
    completion = add("completion", "print what teaches your shell to complete", "practicals completion bash")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="bash, zsh or fish")
    add("doctor", "check this machine and name remedies", "practicals doctor")
    course = add("course", "show which practical shows what a lecture is about", "practicals course dropout")
    course.add_argument("topics", nargs="*", metavar="TOPIC", help="a topic; without one, all")
    course.add_argument("--markdown", action="store_true", help="print the table that stands in the README")
    kit = add("kit", "make a kit for machines without a network", "practicals kit dist/offline-kit")
    kit.add_argument("folder", type=Path, metavar="FOLDER", help="the kit's folder")
    kit.add_argument("--for-class", action="store_true", help="also take the data that only your own class may share")
    kit.add_argument("--use", action="store_true", help="put the data and weights of a finished kit where runs look")


def _add_which(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("which", metavar="WHICH", help="a run folder, or a practical's name for its newest run")


def _add_user(parser: argparse._MutuallyExclusiveGroup) -> None:
    parser.add_argument("--user", metavar="ID", help="a user of the run's data, for practicals that recommend")
    parser.add_argument(
        "--like", action="append", metavar="TITLE=RATING", help="a rating of your own; may be given several times"
    )


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a practical; `practicals list` shows them")
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML file of settings")
    parser.add_argument("--set", action="append", default=[], dest="sets", metavar="KEY=VALUE", help="one setting")
    parser.add_argument("--seed", type=int, metavar="N", help="the one seed")
    parser.add_argument("--data", metavar="SOURCE", help="auto, real, sample, or the path of your own file or folder")
    parser.add_argument("--smoke", action="store_true", help="shrink everything to seconds, to see that it runs")
    parser.add_argument("--deterministic", action="store_true", help="deterministic operations everywhere; slower")
