"""The command line: reads what was typed, has it done, and turns its end into an exit code."""

from __future__ import annotations

import argparse
import importlib
import shlex
import sys
from collections.abc import Sequence

from practicals.common.arguments import build_parser
from practicals.common.catalog import CATALOG, find_practical
from practicals.common.console import set_quiet, warn
from practicals.common.errors import PracticalError
from practicals.common.files import DISK_ERRORS
from practicals.common.progress import close_all

USER_CAN_MEND = 2
INTERRUPTED = 130
MODULES = {"run": "workflow", "tune": "tuning", "doctor": "doctor", "course": "course", "kit": "kit"}
"""Command -> where it stands, if not in `commands`."""
KEPT = {
    "explain": "the run's explanations and its report belong together",
    "data": "every file is whole, and those that have arrived are kept",
    "kit": "every file is whole, and a kit of before is kept",
}
"""Command -> what can be relied on after Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 the user can mend it, 130 interrupted; a bug raises."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a path need not be text
    try:
        options = build_parser().parse_args(arguments)
        if options.command is None:
            build_parser().print_help()
            return 0
        set_quiet(options.quiet)
        # A misspelt practical must not pay for loading TensorFlow.
        for name in [options.name] if "name" in options else options.names if "names" in options else []:
            find_practical(name)
        if options.command == "list":
            return _list(options.json)
        if options.command == "completion":
            return _completion(options)
        # Loaded only now: `doctor` must work where the libraries are missing.
        module = MODULES.get(options.command, "commands")
        command = getattr(importlib.import_module(f"practicals.common.{module}"), f"{options.command}_command")
        return int(command(options))
    except PracticalError as error:
        close_all()
        warn(f"error: {error}")
        return USER_CAN_MEND
    except MemoryError:
        close_all()
        warn("error: memory: there is not enough for this. Use smaller batches, pictures or files, or try --smoke.")
        return USER_CAN_MEND
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        close_all()
        warn(_interrupted(sys.argv[1:] if arguments is None else arguments))
        return INTERRUPTED
    except OSError as error:
        close_all()
        if error.errno not in DISK_ERRORS:
            raise
        where = error.filename or "output"
        warn(f"error: {where}: {error.strerror}. Free some space or choose another folder, for runs with --runs DIR.")
        return USER_CAN_MEND


def _interrupted(typed: Sequence[str]) -> str:
    """Return what to say after Ctrl-C. `run` and `tune` have named the command that continues by then."""
    command = next(iter(typed), "")
    if command in ("run", "tune"):
        return "interrupted"
    kept = f"{KEPT[command]}. " if command in KEPT else ""
    return f"interrupted: {kept}Give the same command again: practicals {shlex.join(typed)}"


def _list(as_json: bool) -> int:
    if as_json:
        import json

        rows = [vars(practical) for practical in CATALOG.values()]
        print(json.dumps({"practicals": rows}, indent=2))
        return 0
    width = max(map(len, CATALOG))
    for practical in CATALOG.values():
        print(f"{practical.name:<{width}}  {practical.question}  ({practical.network})")
    return 0


def _completion(options: argparse.Namespace) -> int:
    from practicals.common.completion import completion_script

    script = completion_script(options.shell, build_parser(), tuple(CATALOG))
    if options.json:
        import json

        print(json.dumps({"shell": options.shell, "script": script}))
    else:
        print(script, end="")
    return 0
