"""What is shipped is whole: code, templates and type hints."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    """Templates and py.typed travel with the code, and the wheel installs the command."""
    done = subprocess.run(  # noqa: S603  our own build
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as shipped:
        names = set(shipped.namelist())
        points = [shipped.read(name).decode() for name in names if name.endswith("entry_points.txt")]
    package = ROOT / "batchreset"
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"batchreset/py.typed", "batchreset/report/templates/report.html.j2"} <= ours
    assert {name for name in names if name.startswith("batchreset/")} == ours
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert ["batchreset = batchreset.cli:main" in point for point in points] == [True]
