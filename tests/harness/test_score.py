"""`harness score`: answers produced elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from harness_helpers import Harness, line_of

import harness as package

SCHEMA = json.loads((Path(package.__file__).parent / "results.schema.json").read_text())
CLOSED = {"input": "?", "label": "yes", "answer_type": "CLOSED", "prediction": "yes"}
OPEN = {"label": "left lung", "answer_type": "OPEN", "prediction": "left"}


def write(path: Path, rows: Iterable[dict[str, Any] | str]) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_published_numbers_of_real_answers(harness: Harness, shared_data: Path) -> None:
    answers = shared_data / "predictions" / "vqa_rad_qcr_pubmedclip.jsonl"
    ran = harness(
        "score", "--task", "vqa_rad", "--predictions", answers, "--samples", "s.jsonl", "--json"
    )
    assert (ran.code, ran.err) == (0, "")
    jsonschema.validate(ran.json, SCHEMA)
    rows = lines_of(answers)
    samples = lines_of(Path("s.jsonl"))
    assert [list(sample) for sample in samples] == [["index", "paper", "strict"]] * len(rows)
    assert [sample["index"] for sample in samples] == list(range(451))
    assert all(0 <= sample[p] <= 100 for sample in samples for p in ("paper", "strict"))
    for split, n, score in (("open", 179, 58.2495), ("closed", 272, 79.0441)):
        line = line_of(ran.json, "vqa_rad", "paper", split=split)
        assert line["score"] == pytest.approx(score, abs=0.00005)
        mine = [i for i, row in enumerate(rows) if row["answer_type"].lower() == split]
        assert line["n"] == len(mine) == n
        assert line["clusters"] == len({rows[i]["image_id"] for i in mine})
        assert line["rule"] is None
        for protocol in ("paper", "strict"):
            mean = sum(samples[i][protocol] for i in mine) / n
            line = line_of(ran.json, "vqa_rad", protocol, split=split)
            assert line["score"] == pytest.approx(mean)
    assert " 58.25 " in harness("score", "--task", "vqa_rad", "--predictions", answers).out


def test_byte_order_mark_and_windows_lines(harness: Harness) -> None:
    plain = write(Path("a.jsonl"), [CLOSED, CLOSED | {"label": "no"}, OPEN])
    Path("b.jsonl").write_bytes(
        b"\xef\xbb\xbf" + plain.read_bytes().replace(b"\n", b"\r\n") + b"\r\n  \r\n"
    )
    Path("c.jsonl").write_bytes(b"\xef\xbb\xbf" + plain.read_bytes().replace(b"\n", b"\r\n")[:-2])
    results = [
        harness("score", "--task", "vqa_rad", "--predictions", name, "--json")
        for name in ("a.jsonl", "b.jsonl", "c.jsonl")
    ]
    assert [ran.code for ran in results] == [0, 0, 0]
    assert [ran.json["unreadable"] for ran in results] == [{"vqa_rad": 0}] * 3
    assert results[0].json["results"] == results[1].json["results"] == results[2].json["results"]


def test_missing_answers_fail_and_empty_ones_are_answers(harness: Harness) -> None:
    missing = {k: v for k, v in CLOSED.items() if k != "prediction"}
    rows = [CLOSED, missing, CLOSED | {"prediction": None}, CLOSED | {"prediction": ""}]
    write(Path("a.jsonl"), rows)
    ran = harness(
        "score", "--task", "vqa_rad", "--predictions", "a.jsonl", "--samples", "s.jsonl", "--json"
    )
    assert ran.code == 1
    line = line_of(ran.json, "vqa_rad", "strict", split="closed")
    assert (line["n"], line["failed"], line["score"], line["unparsed"]) == (4, 2, 25.0, 1)
    assert [sample["paper"] for sample in lines_of(Path("s.jsonl"))] == [100, 0, 0, 0]


def test_unreadable_lines(harness: Harness) -> None:
    bad = ["{torn", "[]", json.dumps(CLOSED | {"prediction": 5}), json.dumps({"prediction": "x"}),
           json.dumps(CLOSED | {"prediction": ["yes"]})]  # fmt: skip
    write(Path("a.jsonl"), [bad[0], CLOSED, *bad[1:], OPEN])
    command = ("score", "--task", "vqa_rad", "--predictions", "a.jsonl", "--samples", "s.jsonl")
    ran = harness(*command, "--json")
    assert (ran.code, ran.json["unreadable"]) == (1, {"vqa_rad": 5})
    assert "a.jsonl, line 0 (0-based) is no row: not JSON" in ran.err
    assert ran.err.count("is no row") == 5
    assert [sample["index"] for sample in lines_of(Path("s.jsonl"))] == [1, 6]
    assert line_of(ran.json, "vqa_rad", "paper", split="closed")["score"] == 100.0
    write(Path("a.jsonl"), [bad[0], *(CLOSED for _ in range(200))])
    assert harness(*command).code == 0  # 0.5 %


def test_clusters_are_said(harness: Harness) -> None:
    def line(rows: list[dict[str, Any]]) -> dict[str, Any]:
        write(Path("a.jsonl"), rows)
        ran = harness("score", "--task", "vqa_rad", "--predictions", "a.jsonl", "--json")
        return line_of(ran.json, "vqa_rad", "paper", split="closed")

    none = line([CLOSED, CLOSED | {"label": "no", "image_id": ""}])
    assert (none["clusters"], none["rule"]) == (2, "clusters: one a row (no image_id)")
    some = line([CLOSED | {"image_id": "a"}, CLOSED, CLOSED | {"image_id": "a"}])
    assert some["clusters"] == 2
    assert "one a row where it is missing" in some["rule"]
    every = line([CLOSED | {"image_id": 1}, CLOSED | {"image_id": "1"}])
    assert (every["clusters"], every["rule"]) == (1, None)


def test_a_task_of_ones_own_whose_rows_are_independent(harness: Harness) -> None:
    Path("own").mkdir()
    settings = {"id": "own", "scorer": "exact_vqa", "cluster": "row"}
    (Path("own") / "task.yaml").write_text(yaml.safe_dump(settings))
    write(Path("a.jsonl"), [{"label": x, "prediction": "a", "image_id": "one"} for x in "aab"])
    ran = harness("score", "--task", "own", "--predictions", "a.jsonl", "--json")
    assert ran.code == 0, ran.err
    line = line_of(ran.json, "own", "paper")
    assert (line["n"], line["clusters"]) == (3, 3)
    assert "clusters" not in line["rule"]


def test_wrong_requests(harness: Harness) -> None:
    good = write(Path("good.jsonl"), [CLOSED])
    write(Path("twice.jsonl"), [CLOSED | {"id": "a"}, OPEN, CLOSED | {"id": "a"}])
    write(Path("empty.jsonl"), [])
    write(Path("torn.jsonl"), ["{", "}"])
    write(Path("kept"), ["kept"])
    for_rad = ("--task", "vqa_rad", "--predictions")
    cases: list[tuple[tuple[object, ...], str]] = [
        (("--task", "biomed", "--predictions", good), "biomed is a group"),
        (("--task", "vqarad", "--predictions", good), "did you mean 'vqa_rad'"),
        ((*for_rad, "none.jsonl"), "no such file"),
        ((*for_rad, "."), "no such file"),
        ((*for_rad, "empty.jsonl"), "holds no row of vqa_rad (0 unreadable lines)"),
        ((*for_rad, "torn.jsonl", "--samples", "kept"), "(2 unreadable lines)"),
        ((*for_rad, "twice.jsonl"), "rows 0 and 2 have the same id 'a'"),
        ((*for_rad, good, "--samples", "./good.jsonl"), "would overwrite"),
        (("--task", "vqa_rad"), "both --task and --predictions"),
        (("runs", *for_rad, good), "not both"),
        (("nowhere",), "is not a run"),
        ((), "give RUN"),
    ]
    for args, words in cases:
        ran = harness("score", *args)
        assert (ran.code, ran.out) == (2, ""), args
        assert words in ran.err
    assert Path("kept").read_text() == "kept\n"
    assert lines_of(good) == [CLOSED]
