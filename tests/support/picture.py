"""`python -m tests.support.picture` renews reports/report.png, the picture in the README."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from PIL import Image

from tests.support.browser import DESKTOP, chromium, window

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "reports" / "report.png"
_COHORT = ROOT / "sample_inputs" / "incident-2026-11.xlsx"
#: A page has few colours, and letters need their edges.
_COLOURS = 128


def main() -> None:
    """Rehearse, open the report, and keep what is above the accounts that need attention."""
    with TemporaryDirectory() as folder:
        report = _rehearse(Path(folder))
        # Twice as many pixels as the page has: most screens do.
        with chromium() as browser, window(browser, device_scale_factor=2) as shown:
            shown.open(report)
            bottom = shown.page.locator("h2").nth(1).bounding_box()
            assert bottom
            top: FloatRect = {"x": 0, "y": 0, "width": DESKTOP, "height": bottom["y"]}
            picture = shown.page.screenshot(clip=top, full_page=True)
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(_COLOURS, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} KB")  # noqa: T201  a command


def _rehearse(folder: Path) -> Path:
    environment = os.environ | {"BATCHRESET_IDENTITY": str(folder / "identity.txt"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "batchreset", "rehearse", str(_COHORT), "--out", str(folder)]
    subprocess.run(command, cwd=folder, env=environment, check=True)  # noqa: S603  our own program
    (report,) = folder.glob("*/report.html")
    return report


if __name__ == "__main__":
    main()
