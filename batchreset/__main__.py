"""`python -m batchreset` is `batchreset`."""

from __future__ import annotations

from batchreset.cli import main

main()
