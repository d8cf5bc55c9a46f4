"""How templates become pages that carry all that they show, and how numbers are written in them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Any

DASH, NBSP = "\N{EN DASH}", "\N{NO-BREAK SPACE}"
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def rendered(template: str, *, scripts: Sequence[str] = (), **values: Any) -> str:
    """Return a template of this package, such as `replay/report.html.j2`, as HTML; every text from outside is escaped.

    `scripts` are files of this package, such as `pages/zoom.js`: the template has their text as `script`, and as `policy` a
    Content-Security-Policy that lets a page load nothing and run no other script than that.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    def source(name: str) -> str:
        return files("promptmid_core").joinpath(name).read_text(encoding="utf-8")

    script = "\n".join(map(source, scripts))
    seal = b64encode(sha256(script.encode()).digest()).decode()
    environment = Environment(loader=FunctionLoader(source), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                              lstrip_blocks=True)
    return environment.get_template(template).render(
        script=script, policy=f"{POLICY}; script-src 'sha256-{seal}'" if scripts else POLICY, **values)


def number(value: float | None, unit: str = "", digits: int = 2) -> str:
    """Return a number with its unit, a dash where it is not known."""
    return DASH if value is None else f"{value:.{digits}f}{unit}"


def count(value: int | None) -> str:
    """Return a count, a dash where it is not known."""
    return DASH if value is None else str(value)


def percent(value: float | None) -> str:
    """Return a share as per cent, a dash where it is not known."""
    return DASH if value is None else f"{100 * value:.1f}{NBSP}%"
