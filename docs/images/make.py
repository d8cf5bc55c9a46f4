"""Make the pictures of the README from the report of `make demo`: the match of its median frame, and the top of the page; and
that of docs/plan.md from a page of `promptmid plan`.

`.venv/bin/python docs/images/make.py demo_out/report.html [plan.html]`; pages are drawn by chromium, without a window.
"""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).resolve().parent
GAP, CAPTION = 12, 40
# for GitHub's pages, whether white or dark
PAPER, INK = (255, 255, 255), (28, 36, 48)
# of the pages: headline, figures, and the flight over the map
PAGE, PLAN = (1120, 1110), (1120, 1460)


def match(report: str) -> Image.Image:
    """The three pictures of the median frame beside each other, each with its caption below."""
    at = report.index("<h3>Median</h3>")
    figures = re.findall(r'src="data:image/png;base64,([^"]+)"[^>]*><figcaption>([^<]+)', report[at:])[:3]
    pictures = [Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB") for data, _ in figures]
    width, height = pictures[0].size
    out = Image.new("RGB", (3 * width + 2 * GAP, height + CAPTION), PAPER)
    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", 20)
    for place, (picture, (_, caption)) in enumerate(zip(pictures, figures, strict=True)):
        left = place * (width + GAP)
        out.paste(picture, (left, 0))
        ImageDraw.Draw(out).text((left, height + 8), caption, INK, font)
    return out


def page(report: Path, size: tuple[int, int] = PAGE) -> Image.Image:
    """The top of the page as a browser shows it."""
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "page.png"
        subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
             f"--user-data-dir={folder}/profile", f"--window-size={size[0]},{size[1]}", f"--screenshot={shot}",
             report.resolve().as_uri()], check=True, capture_output=True)
        return Image.open(shot).convert("RGB")


def write(image: Image.Image, name: str) -> None:
    """As a PNG of 256 colours, without dithering, which would not compress."""
    image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(HERE / name, optimize=True)


if __name__ == "__main__":
    source = Path(sys.argv[1])
    write(match(source.read_text()), "match.png")
    write(page(source), "report.png")
    if len(sys.argv) > 2:
        write(page(Path(sys.argv[2]), PLAN), "plan.png")
