"""A page carries all that it shows, loads nothing, and runs no script but its own."""

import re
from base64 import b64encode
from hashlib import sha256

from promptmid_core.pages.page import count, number, percent, rendered


def page(**values: object) -> str:
    shown = {"headline": "<b>all</b>", "level": "good", "skipped": "", "scenarios": [], "version": "1", "command": ""}
    return rendered("scenario/report.html.j2", **shown | values)


def test_what_comes_from_outside_is_escaped_and_no_script_may_run() -> None:
    html = page(command="<script>x</script>")
    assert "<b>all" not in html and "<script" not in html
    assert 'content="default-src \'none\'; img-src data:; style-src \'unsafe-inline\'"' in html


def test_only_the_script_of_the_page_itself_may_run() -> None:
    plain, sealed = (
        rendered("pages/policy.html.j2", scripts=scripts) + rendered("pages/script.html.j2", scripts=scripts)
        for scripts in ((), ("pages/zoom.js",)))
    assert "script" not in plain
    script = re.search(r"<script>(.*?)</script>", sealed, re.DOTALL)[1]
    seal = b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{seal}'\"" in sealed and "zoomable" in script


def test_numbers_that_are_not_known_are_dashes() -> None:
    assert (number(None), count(None), percent(None)) == ("\N{EN DASH}",) * 3
    assert (number(1.234, " px"), count(3), percent(0.5)) == ("1.23 px", "3", "50.0\N{NO-BREAK SPACE}%")
