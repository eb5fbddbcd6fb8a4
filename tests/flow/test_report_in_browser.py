"""report.html and plan.html as those they are forwarded to have them: files, opened in a real browser."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import pytest

from batchreset.model import Outcome, Reason
from batchreset.rehearsal.behaviour import UNHINDERED, Fault
from batchreset.rehearsal.population import DOMAIN, populate
from batchreset.report.advice import advice_on
from tests.support.browser import DESKTOP, PHONE, SMALL_PHONE, chromium, needs_chromium, window
from tests.support.clock import run_virtual
from tests.support.desk import Run, at_desk, user, users

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.support.browser import Window

pytestmark = needs_chromium

#: Would ask for a file and complain that it is not there, if it were taken for markup.
HOSTILE = "<img src=x onerror=alert(1)>"
#: Outcomes as the page words them, the most urgent first.
WORDS = {
    Outcome.FAILED: "failed",
    Outcome.UNRESOLVED: "unresolved",
    Outcome.EXCLUDED: "left out",
    Outcome.NOT_ATTEMPTED: "not attempted",
    Outcome.SUCCEEDED: "reset",
}
CONTROLS = "#search, #previous, #next, #copy-shown, button[data-outcome], button[data-copy]"
A_PAGE = 100
#: The width of A4 between margins of a centimetre, in CSS pixels.
PAPER = 718
#: Colours go by the scheme and places by the width: two looks show both of each.
LOOKS: tuple[tuple[int, Literal["light", "dark"]], ...] = ((DESKTOP, "light"), (PHONE, "dark"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Rehearse 2,000 accounts, some of every awkward kind, up to --limit: every outcome is there, and few are sent."""
    unlucky = [*users(3, Fault.REJECTED), user("endless000", Fault.OPERATION_NEVER_ENDS)]
    names = [f"person{number:04}@{DOMAIN}" for number in range(2000)]
    accounts = [*unlucky, *populate(names, 1)]
    lines = [*(each.user_principal_name for each in unlucky), *names, names[3].upper(), names[4], '""', '""', HOSTILE]
    settings: dict[str, Any] = {"limit": 60, "deadline": "1m", "directory_lag": "10s"}

    async def go() -> Run:
        out = tmp_path_factory.mktemp("report")
        async with at_desk(out, accounts, replace(UNHINDERED, seed=1), **settings) as desk:
            return await desk.carry_out(await desk.plan(*lines, rehearsal=True))

    ended = run_virtual(go())
    assert set(ended.counts) == set(Outcome)
    return ended


@pytest.fixture(scope="module")
def browser(run: Run) -> Iterator[Browser]:  # noqa: ARG001  made first: no loop of ours runs beside Playwright's
    """Have a browser."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def screen(browser: Browser) -> Iterator[Window]:
    """Have a window."""
    with window(browser) as opened:
        yield opened


@pytest.fixture
def report(screen: Window, run: Run) -> Window:
    """Open the report."""
    screen.open(run.folder / "report.html")
    return screen


def column(screen: Window, name: str) -> list[str]:
    """Read a column of the table as it is shown: of each cell what stands out, or all there is."""
    cells: list[str] = screen.page.evaluate(
        """name => {
            const {cellIndex} = document.querySelector(`#rows th:has([data-sort=${name}])`);
            const cells = [...document.querySelectorAll("#rows tbody tr")].map(row => row.cells[cellIndex]);
            return cells.map(cell => (cell.querySelector("b, bdi, .pill") ?? cell).innerText);
        }""",
        name,
    )
    return [" ".join(cell.split()).removesuffix(":") for cell in cells]


def look_around(screen: Window) -> None:
    """Look at it on a desk by day, on a phone by night, and on paper."""
    for width, scheme in LOOKS:
        screen.look(width, scheme)
        assert screen.overflow() == 0, width
        assert screen.barriers() == [], (width, scheme)
    screen.look(SMALL_PHONE)
    assert screen.overflow() == 0
    screen.look(PAPER, medium="print")
    assert screen.overflow() == 0
    assert screen.page.locator(CONTROLS).filter(visible=True).count() == 0
    assert screen.requests == [screen.page.url]
    assert screen.complaints == []


def shown(screen: Window) -> str:
    return screen.page.locator("#shown").inner_text()


def account(row: dict[str, str]) -> str:
    return row["user"] or row["identifier"]


def test_the_report_asks_for_nothing_and_keeps_nobody_out(report: Window) -> None:
    """No request but the file's own, no complaint, no barrier to assistive technology, nothing off screen."""
    report.page.locator("#search").fill("000")  # few rows, for axe takes its time with each
    assert set(column(report, "outcome")) == {*WORDS.values()}
    look_around(report)


def test_nor_does_the_plan(screen: Window, run: Run) -> None:
    """Which has no script."""
    screen.open(run.folder / "plan.html")
    look_around(screen)


def test_every_column_sorts_all_the_rows(report: Window, run: Run) -> None:
    """Up at first and down when asked again, and who cannot see it is told; a hundred to a page, each row on one."""
    outcomes = sorted((Outcome(row["outcome"]) for row in run.rows), key=[*WORDS].index)
    expected = {
        "row": sorted((row["row"] for row in run.rows), key=int),
        "account": sorted(account(row).lower() for row in run.rows if account(row)),
        "outcome": [WORDS[outcome] for outcome in outcomes],
        "reason": sorted(advice_on(Reason(row["reason"])).title for row in run.rows if row["reason"]),
        "finished": sorted(row["finished_at"][:19].replace("T", " ") for row in run.rows if row["finished_at"]),
    }
    for name, values in expected.items():
        button = report.page.locator(f"#rows [data-sort={name}]")
        for direction, ordered in (("ascending", values), ("descending", values[::-1])):
            button.click()
            sorted_by = report.page.locator("#rows [aria-sort]:not([aria-sort=none])")
            assert sorted_by.get_attribute("aria-sort") == direction
            assert sorted_by.locator("[data-sort]").get_attribute("data-sort") == name
            found = column(report, name)
            if name == "account":
                found = [text.lower() for text in found]
            assert found == ordered[:A_PAGE] + [""] * (A_PAGE - len(ordered)), (name, direction)

    report.page.locator("#rows [data-sort=row]").click()
    following, previous = report.page.locator("#next"), report.page.locator("#previous")
    assert previous.is_disabled()
    pages = [column(report, "row")]
    while following.is_enabled():
        following.press("Enter")
        pages.append(column(report, "row"))
    assert {len(page) for page in pages[:-1]} == {A_PAGE}
    assert [row for page in pages for row in page] == expected["row"]
    previous.click()
    assert column(report, "row") == pages[-2]


def test_searching_and_filtering_narrow(report: Window, run: Run) -> None:
    """By account, by reason, by outcome and by several at once, and the count says how far."""
    search, total = report.page.locator("#search"), f"{len(run.rows):,}"
    assert shown(report) == f"{total} of {total} rows"
    search.fill("PERSON0042@")
    assert (shown(report), column(report, "account")) == (f"1 of {total} rows", [f"person0042@{DOMAIN}"])
    search.fill("nobody is called that")
    assert (shown(report), column(report, "account")) == (f"0 of {total} rows", [])
    rejected = [row["row"] for row in run.rows if row["reason"] == Reason.PASSWORD_REJECTED]
    search.fill(Reason.PASSWORD_REJECTED)
    assert (shown(report), column(report, "row")) == (f"{len(rejected)} of {total} rows", rejected)

    search.fill("")
    for outcome, count in run.counts.items():
        button = report.page.locator(f"button[data-outcome={outcome}]")
        button.click()
        assert [
            each.get_attribute("data-outcome")
            for each in report.page.locator("button[data-outcome][aria-pressed=true]").all()
        ] == [outcome]
        assert shown(report) == f"{count:,} of {total} rows"
        assert set(column(report, "outcome")) == {WORDS[Outcome(outcome)]}
    search.fill("person0042@")
    report.page.locator("button[data-outcome=failed]").click()
    assert shown(report) == f"0 of {total} rows"
    report.page.locator("button[data-outcome=failed]").click()
    assert shown(report) == f"1 of {total} rows"


def test_accounts_are_copied(report: Window, run: Run) -> None:
    """Those of a reason, and those the search found, also where the browser keeps its clipboard from files."""
    for _ in range(2):
        for reason in (Reason.PASSWORD_REJECTED, Reason.PRIVILEGED):
            expected = [account(row) for row in run.rows if row["reason"] == reason]
            title = report.page.get_by_role("heading", name=advice_on(reason).title)
            advice = report.page.locator("article").filter(has=title)
            advice.locator("[data-copy]").click()
            advice.get_by_text(f"{len(expected)} accounts copied").wait_for()
            assert report.pasted().splitlines() == expected
        report.page.locator("#search").fill("person001")
        report.page.locator("#copy-shown").click()
        report.page.locator("#rows").get_by_text("10 accounts copied").wait_for()
        assert sorted(report.pasted().splitlines()) == [f"person{number:04}@{DOMAIN}" for number in range(10, 20)]
        assert report.complaints == []
        report.page.evaluate("delete Navigator.prototype.clipboard")


def test_without_scripts_it_tells_the_same(browser: Browser, run: Run, report: Window) -> None:
    """The most urgent rows are in the page itself, and there is nothing to press that would do nothing."""
    told = ":is(h1, h2, h3, dt, dd, .step)"
    with window(browser, java_script_enabled=False) as bare:
        bare.open(run.folder / "report.html")
        assert bare.page.locator(told).all_inner_texts() == report.page.locator(told).all_inner_texts()
        assert bare.page.locator(CONTROLS).filter(visible=True).count() == 0
        outcomes = column(bare, "outcome")
        assert outcomes == sorted(outcomes, key=[*WORDS.values()].index)
        urgent = run.counts[Outcome.FAILED] + run.counts[Outcome.UNRESOLVED]
        assert "unresolved" in outcomes[:urgent]
        assert "left out" in outcomes[urgent:]
        assert bare.complaints == []


def test_what_is_asked_for_above_the_table_is_shown_whole(report: Window, run: Run) -> None:
    """Whatever was searched for before: a number at the top, and the rows of a reason."""
    search, total = report.page.locator("#search"), f"{len(run.rows):,}"
    for pressed, rows in (
        (report.page.locator("a[data-outcome=failed]"), run.counts[Outcome.FAILED]),
        (report.page.locator("article [data-show]").first, run.counts[Outcome.FAILED]),
    ):
        search.fill("nobody is called that")
        report.page.locator("button[data-outcome=unresolved]").click()
        pressed.click()
        assert (shown(report), search.input_value()) == (f"{rows} of {total} rows", "")


def test_paper_tells_how_many_rows_are_not_on_it(report: Window, run: Run) -> None:
    """A page of the table is printed, or what the search found of it."""
    report.page.locator("button[data-outcome=succeeded]").click()
    report.look(PAPER, medium="print")
    told = report.page.locator("#rows").inner_text()
    assert f"{run.counts[Outcome.SUCCEEDED]} of {len(run.rows):,} rows" in told
    report.look(DESKTOP)
    report.page.locator("button[data-outcome=succeeded]").click()
    report.look(PAPER, medium="print")
    assert f"1 to {A_PAGE} of {len(run.rows):,}" in report.page.locator("#rows").inner_text()


def test_what_is_pressed_is_seen_in_the_readers_own_colours(report: Window) -> None:
    """Where the system's high contrast replaces the page's colours."""
    report.page.emulate_media(forced_colors="active")
    button = report.page.locator("button[data-outcome=failed]")
    colour = "button => getComputedStyle(button).backgroundColor"
    before = button.evaluate(colour)
    button.click()
    assert button.evaluate(colour) != before
    report.page.emulate_media(forced_colors="none")
