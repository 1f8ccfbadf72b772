"""The app as a person meets it."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from leaderboard_browser import _ARGUMENTS, Visitor, chromium, served

MODELS = [f"2026010{n}T000000Z-model{n}-all-0000000{n}" for n in range(1, 6)]
ADDRESSES: tuple[tuple[str, dict[str, str]], ...] = (
    ("", {}),
    ("compare", {"a": MODELS[0], "b": MODELS[4]}),
    ("samples", {"run": MODELS[4], "task": "slake"}),
    ("candidate", {"run": MODELS[4]}),
    ("task", {"task": "vqa_rad"}),
    ("row", {"run": MODELS[0], "task": "slake", "row": "3", "b": MODELS[4]}),
)
Visit = Callable[..., Visitor]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def runs(team: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the whole module: tests may add runs."""
    return shutil.copytree(team, tmp_path_factory.mktemp("served") / "runs")


@pytest.fixture(scope="module")
def address(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    chromium()
    with served(runs, tmp_path_factory.mktemp("cache")) as found:
        yield found


@pytest.fixture
def visitor(browser: Any, address: str) -> Iterator[Visit]:
    """New visitors; nothing may have gone wrong when they leave."""
    came: list[tuple[Any, Visitor]] = []

    def come(width: int = 1280, height: int = 900, scheme: str = "light") -> Visitor:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme
        )
        came.append((context, Visitor(context.new_page(), address)))
        return came[-1][1]

    yield come
    for context, one in came:
        context.close()
        assert not one.faults


@pytest.mark.parametrize(
    ("page", "values"), ADDRESSES, ids=[page or "overview" for page, _ in ADDRESSES]
)
def test_every_page_opens_by_its_address_and_strangers_text_is_inert(
    visitor: Visit, page: str, values: dict[str, str]
) -> None:
    one = visitor()
    opened = one.visit(page, **values)
    assert not opened.evaluate("() => 'pwned' in window")
    for wrong in ("img[src*=evil]", "a[href*=evil]", "a[href^=javascript]", ".katex",
                  "[data-testid=stException]"):  # fmt: skip
        assert opened.locator(wrong).count() == 0, wrong
    if page in ("samples", "candidate", "row"):
        assert opened.get_by_text("<script>window.pwned=1</script>").count() >= 1
    unnamed = opened.evaluate(_UNNAMED)
    assert unnamed == []
    assert opened.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")


_UNNAMED = """() => [...document.querySelectorAll('button, input, select, textarea, a[href], [role=button], img')]
  .filter(e => e.offsetParent !== null && e.type !== 'hidden')
  .filter(e => !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby')
    || e.getAttribute('title') || e.getAttribute('alt') || e.textContent.trim()
    || (e.labels && e.labels.length)))
  .map(e => e.outerHTML.slice(0, 200))"""
"""Controls and pictures of which a screen reader could say nothing."""


def test_from_the_table_to_the_pictures_that_differ(visitor: Visit) -> None:
    one = visitor(height=1400)
    page = one.visit()
    page.get_by_text("Green: nobody is shown to be better").wait_for(timeout=30_000)
    one.drawn()
    assert one.grid()[1][0] == "AdaptLLM/biomed-Qwen2-VL-2B-Instruct"
    table = page.locator("[data-testid=stDataFrame]").first.bounding_box()
    for row in (1, 0):  # below two lines of heads, each 35 pixels high
        page.mouse.click(table["x"] + 17, table["y"] + 70 + 35 * row + 17)
        page.wait_for_timeout(300)
        one.drawn()
    page.get_by_role("link", name="Compare the first two").click()
    page.wait_for_url("**/compare?*")
    one.drawn()
    page.get_by_role("radio", name="strict").click()
    page.wait_for_url("**protocol=strict**")
    one.drawn()
    page.get_by_text("only B right").first.wait_for()
    picture = page.locator("[class*=st-key-card] img").first
    picture.wait_for()
    assert picture.evaluate("image => image.complete && image.naturalWidth") > 20
    page.get_by_role("link", name="Open this row").first.click()
    page.wait_for_url("**/row?*")
    one.drawn()
    page.get_by_text("Answer of B").wait_for()
    assert page.locator("[data-testid=stImage] img").first.evaluate("i => i.naturalWidth") > 20

    colleague = visitor()
    colleague.page.goto(page.url)
    colleague.drawn()
    assert colleague.page.locator("[data-testid=stCode]").all_inner_texts() == (
        page.locator("[data-testid=stCode]").all_inner_texts()
    )


def test_sorting_filtering_and_taking_the_table_along(visitor: Visit) -> None:
    one = visitor(height=1400)
    page = one.visit()
    page.get_by_role("radio", name="food", exact=True).click()
    page.wait_for_url("**domain=food**")
    one.drawn()
    before = [row[0] for row in one.grid()[1:]]
    table = page.locator("[data-testid=stDataFrame]").first.bounding_box()
    page.mouse.click(table["x"] + 300, table["y"] + 52)  # the head of the first column
    page.wait_for_timeout(500)
    after = [row[0] for row in one.grid()[1:]]
    assert before != after
    assert {*after} & {*before}
    # A screen reader is told what is drawn, and texts sort as the numbers in them.
    told = [row[1] for row in one.grid()[1:]]
    assert any(re.search(r"\d\.\d, plus or minus \d+\.\d, rank \d", cell) for cell in told)
    scores = [-1.0 if "not " in cell else float(cell.split(",")[0]) for cell in told]
    assert len({*scores}) > 5
    assert scores in (sorted(scores), sorted(scores, reverse=True))
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").first.click()
    rows = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text())))
    assert {row["group"] for row in rows} == {"food"}
    one_score = next(row for row in rows if row["candidate"] == "org/food-Qwen2-VL-2B")
    assert float(one_score["low"]) < float(one_score["score"]) < float(one_score["high"])


def test_paging_and_searching_samples(visitor: Visit) -> None:
    one = visitor(height=1600)
    page = one.visit("samples", run=MODELS[0], task="slake")
    first = page.locator("[class*=st-key-question]").all_inner_texts()
    page.get_by_role("button", name="Page 2", exact=True).click()
    page.wait_for_url("**page=2**")
    one.drawn()
    second = page.locator("[class*=st-key-question]").all_inner_texts()
    assert len(first) == len(second) == 12
    page.get_by_role("radio", name="not fully right").click()
    page.wait_for_url("**rows=wrong**")
    one.drawn()
    assert "page=2" not in page.url
    page.get_by_label("Search in questions").fill("lesions")
    page.keyboard.press("Enter")
    page.wait_for_url("**search=lesions**")
    one.drawn()
    questions = page.locator("[class*=st-key-question]").all_inner_texts()
    assert questions
    assert all("lesions" in question for question in questions)


def test_a_run_appears_by_itself(visitor: Visit, runs: Path) -> None:
    one = visitor(height=1400)
    page = one.visit()
    new = runs / "20270101T000000Z-newcomer-all-0000000f"
    shutil.copytree(runs / MODELS[2], runs / ".hidden")
    for name in ("run.json", "results.json"):
        record = json.loads((runs / ".hidden" / name).read_text())
        record["model"] = {**record["model"], "name": "org/newcomer"}
        (runs / ".hidden" / name).write_text(json.dumps(record))
    (runs / ".hidden").rename(new)
    page.wait_for_function(
        "() => [...document.querySelectorAll('canvas table')].some(t => t.textContent.includes('org/newcomer'))",
        timeout=30_000,
    )
    shutil.rmtree(new)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_leaves_the_window(visitor: Visit, width: int, scheme: str, tmp_path: Path) -> None:
    for page, values in ADDRESSES:
        one = visitor(width, 900, scheme)
        opened = one.visit(page, **values)
        assert opened.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
        background = opened.locator("[data-testid=stApp]").evaluate(
            "app => getComputedStyle(app).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
        )
        assert (sum(background) > 3 * 200) == (scheme == "light")
        opened.screenshot(path=tmp_path / f"{page or 'overview'}.png")
