"""docs/tutorial.md: its files and commands, as they stand on the page, on real tiles."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from harness_helpers import Harness

from harness.recipes import Recipe, parse, read_recipe

PAGE = Path(__file__).resolve().parents[3] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = {"python": "pairs.py", "yaml": "land.yaml"}
VERDICT = re.compile(r"\b(same on every row|no difference shown|better|worse)\b")
BIN = Path(sys.executable).parent


def blocks(kind: str) -> list[str]:
    return [text for found, text in BLOCK.findall(PAGE.read_text()) if found == kind]


def commands() -> list[tuple[str, list[str]]]:
    """Each command of the page, and the lines that it prints there."""
    found: list[tuple[str, list[str]]] = []
    for line in "".join(blocks("console")).splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def write_files() -> None:
    for kind, name in FILES.items():
        (text,) = blocks(kind)
        Path(name).write_text(text)


def write_land(tiles: Path) -> None:
    """Half of the tiles with captions, the other half as test rows; no tile is in both."""
    photos, test = Path("land/photos"), Path("land/test")
    photos.mkdir(parents=True)
    (test / "images").mkdir(parents=True)
    rows = [json.loads(line) for line in (tiles / "test.jsonl").read_text().splitlines()]
    kept = []
    for place, row in enumerate(sorted(rows, key=lambda row: str(row["image"]))):
        if place % 2:
            shutil.copy(tiles / row["image"], test / row["image"])
            kept.append(row)
        else:
            picture = photos / Path(row["image"]).name
            shutil.copy(tiles / row["image"], picture)
            words = re.sub(r"(?<!^)([A-Z])", r" \1", row["label"]).lower()
            picture.with_suffix(".txt").write_text(f"A satellite image of {words}.\n")
    (test / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))


def plain(text: str) -> str:
    """A line without what another day or machine changes: numbers, verdicts, hashes, widths."""
    if VERDICT.search(text):
        return f"{text.split(maxsplit=1)[0]}: a verdict"
    text = re.sub(r"-[0-9a-f]{8}\b", "-HASH", text)
    text = re.sub(r"\d[\d,.:]*( (h|min|s|ms)\b)?", "N", re.sub(r"\d{8}T\d{6}Z", "TIME", text))
    return " ".join(text.split())


def printed(command: str) -> str:
    """What a command prints, on both streams; of the leaderboard, until it serves."""
    environment = {
        **os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120",
    }  # fmt: skip
    process = subprocess.Popen(
        ["bash", "-c", command], env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if command.startswith("harness leaderboard") and "http://" in line:
            os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=60)
            return "".join(lines)
    assert process.wait(timeout=60) == 0, "".join(lines)
    return "".join(lines)


def check(command: str, shown: list[str], actual: str) -> None:
    """Every line that the page shows was printed, in that order; `...` stands for any number."""
    lines = iter([plain(line) for line in actual.splitlines()])
    for line in shown:
        if line.strip() and line.strip() != "...":
            assert plain(line) in lines, f"{command}\nno longer prints: {line}\n{actual}"


def test_the_pages_recipe_is_one_and_the_page_is_found() -> None:
    write_files()
    recipe = parse(Recipe, read_recipe(Path("land.yaml")))
    assert recipe.synth is not None
    assert recipe.eval is not None
    assert recipe.synth.audit == recipe.eval.tasks == ("land/test",)
    compile(Path("pairs.py").read_text(), "pairs.py", "exec")
    assert "docs/tutorial.md" in (PAGE.parents[1] / "README.md").read_text()
    assert "tutorial.md" in (PAGE.parent / "adapting.md").read_text()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_command_of_the_page_prints_what_it_shows(
    harness: Harness, shared_data: Path
) -> None:
    shutil.rmtree("tasks")  # a trap of all tests; `land/test` is this page's
    write_land(shared_data / "eurosat")
    write_files()
    for command, shown in commands():
        check(command, shown, printed(command))
    report = json.loads(Path("work/land/recipe/report.json").read_text())
    assert report["verdict"]["test_rows"].endswith("holds a test row of land.")
    assert not {p.name for p in Path("land/photos").iterdir()} & {
        p.name for p in Path("land/test/images").iterdir()
    }
    plan = harness("adapt", "land.yaml", "--dry-run", "--json").json
    assert {line["state"] for line in plan["stages"]} == {"reused", "later"}
