"""The preview: which pairs, what the page says, and that nothing of a stranger's is mark-up."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from harness_helpers import Harness, picture
from hypothesis import given
from hypothesis import strategies as st
from synth_pairs import lines_of, write_pairs, write_recipe

from synth._page import spread

HOSTILE = '</p><script>alert(1)</script><img src=x onerror="alert(2)">\x1b[2J\u202e & so on'


class Page(HTMLParser):
    """Which elements and attributes a page has, and its text."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def preview(harness: Harness, recipe: Path, wanted: int) -> Path:
    ran = harness("synth", recipe, "--preview", wanted)
    assert ran.code == 0, ran.err
    return Path(ran.out.removeprefix("preview: ").strip())


@given(st.integers(0, 10_000), st.integers(1, 500), st.integers())
def test_rows_are_spread_over_the_source(count: int, wanted: int, seed: int) -> None:
    chosen = spread(count, wanted, seed)
    assert chosen == sorted(set(chosen)) == spread(count, wanted, seed)
    assert len(chosen) == min(count, wanted)
    if chosen:
        assert 0 <= chosen[0] <= count / len(chosen)
        assert chosen[-1] < count <= chosen[-1] + 1 + count / len(chosen)


def test_every_kind_of_row_is_shown(harness: Harness, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "soup.yaml", write_pairs(tmp_path / "data", 6))
    page = Page(preview(harness, recipe, 20))
    assert sum(tag == "article" for tag, _ in page.tags) == 16
    pictures = [attrs["src"] for tag, attrs in page.tags if tag == "img"]
    assert len(pictures) >= 7
    assert all(source and source.startswith("data:image/webp;base64,") for source in pictures)
    for said in ("kept", "pair: no image", "unusable image", "holds the chat mark", "Soup number"):
        assert said in page.text
    assert not list(Path("work/soup").glob("mix-*"))


def test_what_was_shown_is_not_asked_again(harness: Harness, tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "data", 8)
    recipe = write_recipe(tmp_path / "soup.yaml", pairs)
    preview(harness, recipe, 10)
    (journal,) = Path("work/soup/answers").glob("filter-*/responses.jsonl")
    asked = [line["key"] for line in lines_of(journal)]
    assert asked
    assert harness("synth", recipe).code == 0
    keys = [line["key"] for line in lines_of(journal)]
    assert keys[: len(asked)] == asked
    assert len(keys) == len(set(keys)) == 8
    assert harness("synth", recipe, "--preview", 10).code == 0
    assert len(lines_of(journal)) == 8


@pytest.mark.parametrize("place", ["caption", "id"])
def test_hostile_text_stays_text(harness: Harness, tmp_path: Path, place: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.png").write_bytes(picture(3))
    pair = {"id": "a", "image": "a.png", "caption": f"Soup. Ingredients: salt. {HOSTILE}"}
    if place == "id":
        pair |= {"id": HOSTILE, "caption": "Soup. Ingredients: carrots, salt. Boil. Serve."}
    (folder / "pairs.jsonl").write_text(json.dumps(pair) + "\n")
    path = preview(harness, write_recipe(tmp_path / "x.yaml", folder / "pairs.jsonl"), 5)
    page = Page(path)
    assert {tag for tag, _ in page.tags} <= {
        "html", "head", "meta", "title", "style", "body", "main", "h1", "h3", "dl", "dt", "dd",
        "ul", "li", "b", "i", "article", "header", "span", "div", "figure", "img", "p", "details",
        "summary",
    }  # fmt: skip
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert "<script>alert(1)</script>" in page.text
    assert "\x1b" not in path.read_text()
    assert not re.search(r"https?:|url\(", path.read_text())
    assert "default-src 'none'" in path.read_text()
