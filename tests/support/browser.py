"""A page in a real browser: Chromium as the system has it, headless and offline, which tells all that a page does."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, ConsoleMessage, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="needs Chromium on the PATH (Debian: apt-get install chromium)"
)

DESKTOP, PHONE, SMALL_PHONE = 1280, 390, 360
_HEIGHT = 900
_PATIENCE = 30_000
#: What keeps people out; a lesser finding of axe is advice.
_GRAVE = {"serious", "critical"}


class Window:
    """A window of the browser: what the page that is open asked for, and what it or the browser complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", lambda socket: self.requests.append(socket.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._listen)

    def open(self, path: Path) -> None:
        """Open a file as it is opened from a folder."""
        self.requests.clear()
        self.complaints.clear()
        self.look(DESKTOP)
        self.page.goto(path.as_uri())

    def look(
        self, width: int, scheme: Literal["light", "dark"] = "light", medium: Literal["screen", "print"] = "screen"
    ) -> None:
        """Look at it so many CSS pixels wide, in light or dark, on the screen or on paper."""
        self.page.set_viewport_size({"width": width, "height": _HEIGHT})
        self.page.emulate_media(color_scheme=scheme, media=medium)

    def barriers(self) -> list[str]:
        """Return what axe finds that keeps people from using the page as it is looked at, and where."""
        from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415  reads half a megabyte

        return [
            f"{found['id']}: {' '.join(map(str, node['target']))} {node['failureSummary']}"
            for found in Axe().run(self.page).response["violations"]
            if found["impact"] in _GRAVE
            for node in found["nodes"]
        ]

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def pasted(self) -> str:
        """Return what the clipboard holds, as somebody pastes it into a text field."""
        self.page.evaluate("document.body.append(Object.assign(document.createElement('textarea'), {id: 'pasted'}))")
        field = self.page.locator("#pasted")
        field.press("ControlOrMeta+V")
        text = field.input_value()
        field.evaluate("field => field.remove()")
        return text

    def _listen(self, said: ConsoleMessage) -> None:
        if said.type in {"error", "warning"}:
            self.complaints.append(said.text)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser. It has no sandbox, which root cannot have: what it is given is our own, and no network.

    Until it is closed, no event loop can run in this thread: Playwright's does.
    """
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  slow to import, and for few tests

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, timeout=_PATIENCE)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def window(browser: Browser, **options: Any) -> Iterator[Window]:
    """Have a window without a network; `options` are those of a context of Playwright's."""
    with browser.new_context(offline=True, **options) as context:
        context.set_default_timeout(_PATIENCE)
        yield Window(context.new_page())
