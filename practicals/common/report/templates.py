"""The templates of all pages."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from practicals.common.report.words import duration, number, signed, with_code

HERE = Path(__file__).parent


def page_environment() -> Environment:
    """Return the templates of this package; every value is escaped, and a misspelt name is an error."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(number=number, signed=signed, duration=duration, with_code=with_code)
    return environment
