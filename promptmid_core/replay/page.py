"""Pages of HTML that carry all that they show: how templates are rendered, and how numbers are written."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

DASH, NBSP = "\N{EN DASH}", "\N{NO-BREAK SPACE}"


def rendered(template: str, **values: Any) -> str:
    """Return a template of this package, such as `replay/report.html.j2`, as HTML; every text from outside is escaped."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    def source(name: str) -> str:
        return files("promptmid_core").joinpath(name).read_text(encoding="utf-8")

    return Environment(loader=FunctionLoader(source), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                       lstrip_blocks=True).get_template(template).render(**values)


def number(value: float | None, unit: str = "", digits: int = 2) -> str:
    """Return a number with its unit, a dash where it is not known."""
    return DASH if value is None else f"{value:.{digits}f}{unit}"


def count(value: int | None) -> str:
    """Return a count, a dash where it is not known."""
    return DASH if value is None else str(value)


def percent(value: float | None) -> str:
    """Return a share as per cent, a dash where it is not known."""
    return DASH if value is None else f"{100 * value:.1f}{NBSP}%"
