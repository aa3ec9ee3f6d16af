"""A lesson's source read as text, without importing it: its paragraphs, its definitions and the steps of `main`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass
class Section:
    """The markdown cells in front of a code cell, and the module-level names that the code defines."""

    prose: list[str]
    first_line: int
    names: set[str] = field(default_factory=set)


@dataclass
class Step:
    """One statement of `main`."""

    statement: ast.stmt
    text: str
    """Its source at the left margin; what `main` returns is called `result`."""
    stands_apart: bool
    """Whether a blank line or a comment separates it from the statement before."""
    comment: str
    """The comment in front of it; empty without one."""


@dataclass
class Lesson:
    """A lesson's module, taken apart."""

    name: str
    lines: list[str]
    tree: ast.Module
    main: ast.FunctionDef
    sections: list[Section]
    definitions: dict[str, ast.stmt]
    """Module-level name -> the statement that defines or imports it."""


def read_lesson(source: str, name: str) -> Lesson:
    """Take a lesson apart.

    Args:
        source: the text of its module, a jupytext percent script.
        name: the name of the module.

    Raises:
        ValueError: it has no `main(config: SomeConfig, run)`.
    """
    tree = ast.parse(source)
    lines = source.splitlines()
    definitions = {defined: statement for statement in tree.body for defined in _defined(statement)}
    main = definitions.get("main")
    if not isinstance(main, ast.FunctionDef) or not main.args.args or main.args.args[0].annotation is None:
        raise ValueError("a lesson needs main(config: SomeConfig, run: Run)")
    sections = _sections(lines)
    for defined, statement in definitions.items():
        owner = [section for section in sections if section.first_line <= statement.lineno]
        if owner:
            owner[-1].names.add(defined)
    return Lesson(name, lines, tree, main, sections, definitions)


def _defined(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).split(".")[0] for alias in statement.names]
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    return []


def _sections(lines: list[str]) -> list[Section]:
    """Divide the lesson at its markdown cells; code before the first of them belongs to none."""
    sections: list[Section] = []
    prose: list[str] | None = None
    for number, line in enumerate([*lines, "# %%"], start=1):
        starts_cell = line.startswith("# %%")
        if prose is not None and (starts_cell or not line.startswith("#")):
            text = "\n".join(prose).strip()
            if sections and not any(_is_code(between) for between in lines[sections[-1].first_line : number - 1]):
                sections[-1].prose.append(text)  # a second paragraph in front of the same code
            else:
                sections.append(Section([text], number))
            prose = None
        if starts_cell and "[markdown]" in line:
            prose = []
        elif prose is not None:
            prose.append(line.removeprefix("#").removeprefix(" "))
    return sections


def _is_code(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def settings_of(main: ast.FunctionDef) -> tuple[str, list[str]]:
    """Return the name of the settings class, and an assignment for every further argument, which has a default."""
    arguments = main.args
    positional = arguments.args[len(arguments.args) - len(arguments.defaults) :]
    pairs = [
        *zip(positional, arguments.defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    further = [f"{argument.arg} = {ast.unparse(default)}" for argument, default in pairs if default is not None]
    annotation = arguments.args[0].annotation
    return ast.unparse(annotation) if annotation else "", further


def steps_of(lesson: Lesson) -> Iterator[Step]:
    """Yield the statements of `main` without its docstring.

    Raises:
        ValueError: `main` returns inside a block.
    """
    main = lesson.main
    before: ast.stmt | ast.expr | ast.arg = main.returns or main.args.args[-1]
    body = main.body
    if ast.get_docstring(main) is not None:
        before, *body = main.body
    for statement in body:
        between = [line.strip() for line in lesson.lines[before.end_lineno or 0 : statement.lineno - 1]]
        comment = "\n".join(line.lstrip("#").strip() for line in between if line.startswith("#"))
        yield Step(statement, _text(lesson, statement), bool(between), comment)
        before = statement


def _text(lesson: Lesson, statement: ast.stmt) -> str:
    returns = isinstance(statement, ast.Return)
    if not returns and any(isinstance(node, ast.Return) for node in ast.walk(statement)):
        raise ValueError(f"line {statement.lineno}: main returns inside a block, which cannot be unrolled into cells")
    lines = lesson.lines[statement.lineno - 1 : statement.end_lineno]
    text = "\n".join(line[statement.col_offset :] if line.strip() else "" for line in lines)
    return f"result = {text.removeprefix('return').lstrip()}" if returns else text


def names_in(tree: ast.AST) -> set[str]:
    """Return the names that a piece of code reads."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def sections_reached(lesson: Lesson, statement: ast.stmt, shown: Sequence[Section]) -> list[Section]:
    """Return the sections not yet shown that define what a statement calls, directly or through other functions."""
    known: set[str] = set()
    waiting = names_in(statement)
    while waiting:
        known |= waiting
        functions = [lesson.definitions[name] for name in waiting if name in lesson.definitions]
        # A settings class names much that is told later, so only functions lead further.
        waiting = {name for one in functions if isinstance(one, ast.FunctionDef) for name in names_in(one)} - known
    return [section for section in lesson.sections if section.names & known and section not in shown]
