"""`harness export --to markdown|latex`: what a reader sees."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from export_runs import HOSTILE, as_model, baseline, edit
from harness_helpers import Harness
from markdown_it import MarkdownIt
from pylatexenc.latex2text import LatexNodes2Text
from pylatexenc.latexwalker import LatexEnvironmentNode, LatexWalker


def cells(text: str) -> list[list[str]]:
    """A GitHub table's cells as HTML, by a Markdown reader."""
    html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text)
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.S)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in rows]


def by_model(text: str) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in cells(text)}


def test_best_and_second_among_measured_runs(harness: Harness) -> None:
    run = baseline(harness, "yes")
    for name, score in (("a", 60.04), ("b", 60.01), ("c", 55.0), ("d", 40.0)):
        as_model(run, f"{name}-0000000{name}", f"org/{name}", lambda line, score=score: score)
    ran = harness(
        "export", *sorted(Path().glob("?-*")), run, "--to", "markdown", "--protocol", "paper"
    )
    assert ran.code == 0, ran.err
    rows = by_model(ran.out)
    head = rows["model"]
    assert head[:2] == ["SLAKE open recall", "SLAKE closed accuracy"]
    assert head[-2:] == ["PMC-VQA accuracy", "<strong>biomed average</strong>"]
    assert len(head) == 8
    best = ["<strong>60.0</strong> ±2.0"] * 7 + ["<strong>60.0</strong> ±1.0"]
    assert rows["<code>org/a</code>"] == rows["<code>org/b</code>"] == best
    assert rows["<code>org/c</code>"][0] == "<ins>55.0</ins> ±2.0"
    assert rows["<code>org/d</code>"][0] == "40.0 ±2.0"
    marked = rows["<code>constant-yes</code> (baseline, sample rows)"]
    assert marked[1].startswith("50.0 ±")
    assert marked[0] == "0.0"  # no spread, no interval
    assert "under the paper protocol" in ran.out
    assert "no interval for slake open" in ran.out
    assert "reported" not in ran.out


def test_both_protocols_bounds_and_missing_cells(harness: Harness) -> None:
    biomed, food = baseline(harness, "yes"), baseline(harness, "no", "food")
    as_model(biomed, "a-0000000a", "org/a", lambda line: 50.0)
    as_model(food, "b-0000000b", "org/a", lambda line: 40.0)
    as_model(food, "c-0000000c", "org/c", lambda line: 40.0)
    ran = harness("export", *sorted(Path().glob("?-*")), "--to", "markdown", "--interval", "bounds")
    assert ran.code == 0, ran.err
    paper, strict = ran.out.split("under the strict protocol")
    rows = by_model(paper)
    assert len(rows["model"]) == 8 + 5
    # One model's runs over different tasks share a row.
    assert rows["<code>org/a</code>"][0] == "50.0 [48.0, 52.0]"
    assert rows["<code>org/a</code>"][8] == "<strong>40.0</strong> [38.0, 42.0]"
    assert rows["<code>org/c</code>"][:8] == ["\N{EN DASH}"] * 8
    assert "SLAKE" in strict
    none = harness("export", "a-0000000a", "--to", "markdown", "--interval", "none")
    assert by_model(none.out.split("under the strict")[0])["<code>org/a</code>"] == ["50.0"] * 8
    some = harness(
        "export", *sorted(Path().glob("?-*")), "--to", "markdown", "--tasks", "slake,food"
    )
    assert by_model(some.out)["model"][:3] == [
        "SLAKE open recall", "SLAKE closed accuracy", "Recipe1M ROUGE-L",
    ]  # fmt: skip


def test_controls_partial_runs_and_two_runs_of_one_model(harness: Harness) -> None:
    run = baseline(harness, "yes", "vqa_rad")
    blank = baseline(harness, "yes", "vqa_rad", "--images", "blank")
    part = baseline(harness, "yes", "vqa_rad", "--limit", "9")
    for number, path in enumerate((run, run, blank, part)):
        as_model(path, f"{number}-0000000{number}", "m", lambda line: 90.0)
    ran = harness("export", *sorted(Path().glob("?-0*")), "--to", "markdown")
    rows = by_model(ran.out.split("under the strict")[0])
    assert list(rows)[1:] == [
        "<code>m, run 00000000</code>",
        "<code>m, run 00000001</code>",
        "<code>m</code> (control: images blank)",
        "<code>m</code> (partial)",
    ]
    assert [row[0].startswith("<strong>") for row in rows.values()] == [
        False, True, True, False, False,
    ]  # fmt: skip


def test_notes_say_of_which_row_they_speak(harness: Harness) -> None:
    runs = [baseline(harness, "yes", "vqa_rad", *more) for more in ((), ("--images", "blank"))]
    out = harness("export", *runs, "--to", "markdown", "--protocol", "paper").out
    assert "\n- `constant-yes (baseline, sample rows)`: fewer than 30 images" in out
    assert "\n- `constant-yes (baseline, control: images blank, sample rows)`: fewer than" in out
    alone = harness("export", runs[0], "--to", "markdown", "--protocol", "paper").out
    assert "\n- `constant-yes`: fewer than 30 images" in alone


def test_runs_over_different_rows_are_not_ranked(harness: Harness) -> None:
    run = baseline(harness, "yes", "vqa_rad")
    as_model(run, "a-0000000a", "a", lambda line: 50.0)
    as_model(run, "b-0000000b", "b", lambda line: 60.0)
    ranked = harness("export", "a-0000000a", "b-0000000b", "--to", "markdown")
    assert "**60.0**" in ranked.out

    def other_data(value: dict[str, Any]) -> None:
        value["settings"]["tasks"]["vqa_rad"]["data"] = "elsewhere"

    # The same rows in another place are the same rows; others are not.
    edit(Path("b-0000000b/run.json"), other_data)
    assert harness("export", "a-0000000a", "b-0000000b", "--to", "markdown").out == ranked.out
    (Path("b-0000000b") / "tasks" / "vqa_rad" / "samples.parquet").unlink()
    unlike = harness("export", "a-0000000a", "b-0000000b", "--to", "markdown")
    assert "**60.0**" not in unlike.out
    assert "Not ranked, as the runs measured different rows or versions: vqa_rad." in unlike.out


@pytest.mark.parametrize(
    "name", [HOSTILE, "`", "a\\", "[x]", "*", "||", "", "\x1b]0;x\x07", "a`` `"]
)
def test_hostile_names(harness: Harness, name: str) -> None:
    run = as_model(baseline(harness, "yes", "vqa_rad"), "a-0000000a", name, lambda line: 50.0)
    shown = " ".join(name.split()) or "(no name)"
    shown = re.sub("[\x00-\x1f]", lambda c: f"\\x{ord(c[0]):02x}", shown)
    markdown = harness("export", run, "--to", "markdown", "--protocol", "paper")
    head, row = cells(markdown.out)
    assert len(head) == len(row) == 3
    escaped = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert row[0] == f"<code>{escaped}</code>"
    latex = harness("export", run, "--to", "latex", "--protocol", "paper").out
    (line,) = [line for line in latex.splitlines() if line.endswith(r"\,{\scriptsize $\pm$2.0} \\")]
    assert line.count("&") - line.count(r"\&") == 2
    nodes, *_ = LatexWalker(line.split(" & 50.0")[0], tolerant_parsing=False).get_latex_nodes()
    read = LatexNodes2Text(keep_braced_groups=False).nodelist_to_text(nodes)
    assert read.replace("\N{MODIFIER LETTER CIRCUMFLEX ACCENT}", "^") == shown
    assert "\x1b" not in markdown.out + latex


def test_latex_is_a_whole_table(harness: Harness) -> None:
    run = baseline(harness, "yes")
    as_model(run, "a-0000000a", "Qwen/Qwen2-VL-2B-Instruct", lambda line: 50.0)
    as_model(run, "b-0000000b", HOSTILE, lambda line: 40.0)
    for more in ((), ("--interval", "bounds"), ("--published",), ("--tasks", "slake")):
        command = ("export", "a-0000000a", "b-0000000b", run, "--to", "latex", "--out", "t.tex")
        ran = harness(*command, "--protocol", "paper", *more)
        assert (ran.code, ran.out) == (0, ""), ran.err
        text = Path("t.tex").read_text(encoding="utf-8")
        nodes, *_ = LatexWalker(text, tolerant_parsing=False).get_latex_nodes()
        (table,) = [node for node in nodes if isinstance(node, LatexEnvironmentNode)]
        assert table.environmentname == "table"
        body = text.split(r"\toprule")[1].split(r"\bottomrule")[0]
        columns = re.search(r"\\begin\{tabular\}\{(l)(r+)\}", text)
        assert columns is not None
        for line in (line for line in body.splitlines() if line.endswith(r"\\")):
            width = len(re.findall(r"(?<!\\)&", line)) + 1
            width += sum(int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d)\}", line))
            assert width == 1 + len(columns[2]), line
        assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert r"\multicolumn{2}{c}{SLAKE}" in text
    assert r"\textbf{50.0}" in text
    assert r"\underline{40.0}" in text


def test_a_task_of_ones_own(harness: Harness) -> None:
    from harness_helpers import closed_rows

    folder = closed_rows(Path("own"), 6)
    (folder / "task.yaml").write_text("id: own_task\nscorer: exact_vqa\n")
    command = ("eval", "--engine", "constant", "--model", "yes", "--tasks", "own")
    assert harness(*command).code == 0
    (run,) = Path("runs").iterdir()
    for form in ("markdown", "latex", "csv"):
        assert "own" in harness("export", run, "--to", form).out
    assert by_model(harness("export", run, "--to", "markdown").out)["model"] == [
        "own_task accuracy"
    ]
