"""Reports and the comparison in a real browser: nothing is loaded, nothing breaks, all can be read and sorted.

`make test-browser` runs these; they are in the slow tier because not every machine has Debian's Chromium.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from chromium import PROGRAM, Browser, Tab
from fake_runs import write_run
from test_report_forecast import traffic_run
from test_report_messages import spam_run
from test_report_pictures import pets_run
from test_report_ratings import rating_run
from test_report_regression import house_run

from practicals.common.report.compare import compare_runs, write_compare_page
from practicals.common.report.page import build_report
from practicals.common.run import Run

pytestmark = [
    pytest.mark.slow,  # see above
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine: `apt-get install chromium`"),
]

MEASURES = (Path(__file__).parent / "measures.js").read_text(encoding="utf-8")
LEAST_CONTRAST = 4.5
"""WCAG 2.1, level AA, for text of any size."""
ATTACK = "</title></style></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg onload=alert(3)>"
FILE_ATTACK = "\"'><img src=x onerror=alert(4)><b onclick=alert(5)>"
LONG = " " + "very_long_" * 12

# What writes a finished run of each practical, with everything that its report can show.
PLAIN: dict[str, Callable[[Path], Run]] = {
    "churn": write_run,
    "regression": house_run,
    "cats_dogs": pets_run,
    "sms_spam": spam_run,
    "recommender": rating_run,
    "web_traffic": traffic_run,
}
# The same with an attack in every text that comes from data or from a user.
ATTACKED: dict[str, Callable[[Path], Run]] = {
    "churn": lambda folder: write_run(folder, text=ATTACK + LONG),
    "regression": lambda folder: house_run(folder, text=ATTACK + LONG, rows=80),
    "cats_dogs": lambda folder: pets_run(folder, classes=("cats", ATTACK)),
    "sms_spam": lambda folder: spam_run(folder, classes=("ham", ATTACK), text=ATTACK + LONG),
    "recommender": lambda folder: rating_run(folder, titles=[ATTACK + LONG] * 60),
    "web_traffic": lambda folder: traffic_run(folder, text=ATTACK + LONG, dated=True),
}


def plain_comparison(folder: Path) -> Path:
    """Write a page of three groups: settings with several seeds, other data, and a run that cannot be read."""
    runs = [
        write_run(
            folder / f"{dropout}-{seed}",
            seed=seed,
            validation=0.87 - dropout / 100 + seed / 1000,
            result=("better", "worse", "no clear difference")[seed % 3],
            changes=f"dropout: {dropout}\nunits: {[64, 16]}\nclass_weight: {weight}\n",
        )
        for dropout, weight in ((0.25, "null"), (0.5, "2.0"), (0.1, "10.0"))
        for seed in range(1 + (dropout == 0.5))
    ]
    build_report(runs[0])
    runs += [write_run(folder / "sample", kind="sample"), Run(folder / "nothing")]
    return write_compare_page(compare_runs(runs), folder / "compare.html")


def attacked_comparison(folder: Path) -> Path:
    """Write a page whose runs have an attack in settings, data, baselines and the names of their folders."""
    runs = [
        write_run(
            folder / f"{place}{FILE_ATTACK}", text=ATTACK, changes=f"note: {json.dumps(ATTACK + LONG + str(place))}\n"
        )
        for place in range(2)
    ]
    for run in runs:
        run.report_path.write_text("a report", encoding="utf-8")
    return write_compare_page(compare_runs([*runs, Run(folder / ATTACK.replace("/", "|"))]), folder / "compare.html")


def many_runs(folder: Path) -> Path:
    """Write a page of a hundred runs."""
    changes = (f"dropout: 0.{place}\nunits: {8 * place}\nlearning_rate: {1 / (place + 1)}\n" for place in range(100))
    runs = [
        write_run(folder / f"run-{place}", validation=0.8 + place / 1000, changes=text)
        for place, text in enumerate(changes)
    ]
    return write_compare_page(compare_runs(runs), folder / "compare.html")


@pytest.fixture(scope="module")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function: "churn", "churn attacked", "compare", ... -> the page, made when it is first asked for."""
    comparisons = {"compare": plain_comparison, "compare attacked": attacked_comparison, "compare many": many_runs}

    @cache
    def made(name: str) -> Path:
        folder = tmp_path_factory.mktemp("page") / "run"
        if name in comparisons:
            return comparisons[name](folder)
        practical, _, attacked = name.partition(" ")
        return build_report((ATTACKED if attacked else PLAIN)[practical](folder))

    return made


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One Chromium for all tests of this file."""
    started = Browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


HOSTILE_PAGES = [f"{name} attacked" for name in (*PLAIN, "compare")]
PAGES = [*PLAIN, "compare", *HOSTILE_PAGES]


def measured(tab: Tab, call: str) -> Any:
    return tab.value(f"{MEASURES}.{call}")


def column(tab: Tab, name: str) -> list[str]:
    """Return the texts of one column of the first table, from top to bottom, as the page now has them."""
    return tab.value(
        "(() => { const table = document.querySelector('table.compared');"
        f"const place = [...table.tHead.rows[0].cells].findIndex(cell => cell.textContent.startsWith({name!r}));"
        "return [...table.tBodies[0].rows].map(row => row.cells[place].innerText.trim().split('\\n')[0]); })()"
    )


def press_head(tab: Tab, name: str) -> str:
    """Click on a column's name; return what the column now says of its order."""
    return tab.value(
        "(() => { const head = [...document.querySelectorAll('table.compared thead th')]"
        f".find(cell => cell.textContent.startsWith({name!r}));"
        "head.querySelector('button').click(); return head.getAttribute('aria-sort'); })()"
    )


def test_what_these_tests_look_for_is_found_where_it_is_planted(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<link rel='icon' href='data:,'><meta name='viewport' content='width=device-width'>"
        "<body style='background:#fff'><p style='color:#999'>faint</p><p style='opacity:.4'>also faint</p>"
        "<div style='background:#000c'><span style='color:#777'>on a veil</span></div>"
        "<svg><text y='20' fill='#aaa'>drawn</text></svg><details><p style='color:#bbb'>folded</p></details>"
        "<p>clear</p><div style='width:500px'>wide</div>"
        "<div style='overflow:auto'><p style='width:600px'>boxed</p></div>"
        "<img src='http://example.org/picture.png'><script>alert('hello'); console.error('x'); missing()</script>",
        encoding="utf-8",
    )
    with browser.open(page, width=390) as tab:
        found = measured(tab, f"faint({LEAST_CONTRAST})")
        assert {one["text"] for one in found["found"]} == {"faint", "also faint", "on a veil", "drawn", "folded"}
        by_text = {one["text"]: one["contrast"] for one in found["found"]}
        assert by_text["faint"] == pytest.approx(2.85, abs=0.01)
        wide = measured(tab, "overflow()")
        assert wide["page"] > 390
        assert [one[:20] for one in wide["beyond"]] == ['<div style="width:50']
        assert tab.seen.dialogs == ["hello"]
        assert "http://example.org/picture.png" in tab.seen.requests
        tab.value("for (const end = performance.now() + 300; performance.now() < end;);")
        assert tab.cpu_seconds() > 0.05
        assert len(tab.seen.complaints) == 3  # the console's error, the exception, and the picture that did not come


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_nothing_and_complains_of_nothing(
    browser: Browser, page_of: Callable[[str], Path], name: str
) -> None:
    page = page_of(name)
    with browser.open(page) as tab:
        assert tab.value("document.readyState") == "complete"
        assert tab.seen.complaints == []
        assert tab.seen.dialogs == []
        assert [address for address in tab.seen.requests if not address.startswith("data:")] == [page.as_uri()]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_phone(browser: Browser, page_of: Callable[[str], Path], name: str) -> None:
    with browser.open(page_of(name), width=390, height=800) as tab:
        assert measured(tab, "overflow()") == {"page": 390, "wide": 390, "beyond": []}
        tab.value("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert measured(tab, "overflow()") == {"page": 390, "wide": 390, "beyond": []}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_all_text_stands_out_from_what_is_behind_it(
    browser: Browser, page_of: Callable[[str], Path], name: str, dark: bool
) -> None:
    with browser.open(page_of(name), dark=dark) as tab:
        seen = measured(tab, f"faint({LEAST_CONTRAST})")
    assert seen["found"] == []
    assert seen["texts"] > 40


@pytest.mark.parametrize("name", HOSTILE_PAGES)
def test_a_script_in_data_is_shown_as_text(browser: Browser, page_of: Callable[[str], Path], name: str) -> None:
    with browser.open(page_of(name)) as tab:
        tab.value("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert "<script>alert(1)</script>" in tab.value("document.body.innerText")
        # The comparison has one script, our own; a report has none.
        assert tab.value("document.scripts.length") == name.startswith("compare")
        assert tab.value("document.querySelectorAll('[onerror], [onload], [onclick], [src=x]').length") == 0
        assert tab.value("[...document.links].filter(link => link.protocol === 'javascript:').length") == 0
        assert tab.seen.dialogs == []


def test_every_column_sorts_both_ways(browser: Browser, page_of: Callable[[str], Path]) -> None:
    with browser.open(page_of("compare")) as tab:
        heads = tab.value("[...document.querySelectorAll('table.compared')][0].tHead.innerText.split(/\\t|\\n/)")
        assert [head for head in heads if head][4:6] == ["class_weight", "dropout"]
        for head in filter(None, heads):
            # The first click on the rank, by which the table is sorted already, turns it round.
            first = press_head(tab, head)
            once = column(tab, head)
            assert first == ("descending" if head == "Rank" else "ascending")
            assert press_head(tab, head) != first
            assert sorted(column(tab, head)) == sorted(once)
            assert tab.value("document.querySelectorAll('[aria-sort]').length") == len(
                tab.value("[...document.querySelectorAll('table.compared')].map(table => 1)")
            )


def test_numbers_sort_by_size_and_what_has_none_stays_last(browser: Browser, page_of: Callable[[str], Path]) -> None:
    with browser.open(page_of("compare")) as tab:
        assert column(tab, "Rank") == ["1", "2", "3"]
        assert press_head(tab, "class_weight") == "ascending"
        assert column(tab, "class_weight") == ["2.0", "10.0", "None"]
        assert press_head(tab, "class_weight") == "descending"
        assert column(tab, "class_weight") == ["10.0", "2.0", "None"]
        assert press_head(tab, "Validation") == "ascending"
        scores = [float(text.split()[0]) for text in column(tab, "Validation")]
        assert scores == sorted(scores)
        assert any("±" in text for text in column(tab, "Validation"))
        assert tab.value("document.querySelectorAll('.compared mark').length") == 4


def test_the_table_can_be_sorted_by_keyboard_and_shows_where_it_is(
    browser: Browser, page_of: Callable[[str], Path]
) -> None:
    with browser.open(page_of("compare")) as tab:
        tab.value("document.querySelector('div.scroll').focus()")
        tab.press("Tab")
        assert tab.value("document.activeElement.textContent") == "Rank"
        assert tab.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        tab.press("Enter")
        assert column(tab, "Rank") == ["3", "2", "1"]


def test_a_row_points_at_its_learning_curve(browser: Browser, page_of: Callable[[str], Path]) -> None:
    with browser.open(page_of("compare")) as tab:
        for place in (0, 2):
            over = "new MouseEvent('{}')"
            row = f"document.querySelectorAll('table.compared tbody tr')[{place}]"
            tab.value(f"{row}.dispatchEvent({over.format('mouseenter')})")
            assert tab.value("[...document.querySelectorAll('.lit')].map(e => e.id)") == [f"curves_0-rank-{place + 1}"]
            assert tab.value("document.querySelector('.lit path') !== null")
            tab.value(f"{row}.dispatchEvent({over.format('mouseleave')})")
        assert tab.value("document.querySelectorAll('.lit').length") == 0


def test_without_scripts_the_comparison_is_complete_and_offers_no_sorting(
    browser: Browser, page_of: Callable[[str], Path]
) -> None:
    with browser.open(page_of("compare"), scripts=False) as tab:
        assert column(tab, "Rank") == ["1", "2", "3"]
        assert tab.value("document.querySelectorAll('button').length") == 0
        arrow = "getComputedStyle(document.querySelector('.compared th'), '::after').content"
        assert tab.value(arrow) in ("none", "normal")
        assert tab.value("document.querySelector('svg.plot').getBoundingClientRect().height") > 100


def test_links_lead_to_reports_that_are_there(browser: Browser, page_of: Callable[[str], Path]) -> None:
    with browser.open(page_of("compare")) as tab:
        links = tab.value("[...document.querySelectorAll('.runs a')].map(link => link.href)")
    assert len(links) == 1
    assert Path(links[0].removeprefix("file://")).is_file()
    with browser.open(Path(links[0].removeprefix("file://"))) as tab:
        assert "Which bank customers will leave?" in tab.value("document.body.innerText")


def test_a_hundred_runs_load_in_less_than_two_seconds(browser: Browser, page_of: Callable[[str], Path]) -> None:
    page = page_of("compare many")
    assert page.stat().st_size < 500_000
    with browser.open(page) as tab:
        assert len(column(tab, "Rank")) == 100
        assert tab.cpu_seconds() < 2
