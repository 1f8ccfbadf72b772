"""`task.yaml`: every key, and everything that is no task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks import TASKS, Row, UserError, resolve
from tasks.custom import SCORERS, load_task, scoring_settings

NAMED = {"class_choice", "scene_class", "multi_label_f1", "multi_label_recall"}
MINIMAL = {"id": "own", "scorer": "exact_vqa"}


def write(folder: Path, settings: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = settings if isinstance(settings, str) else yaml.safe_dump(settings, allow_unicode=True)
    (folder / "task.yaml").write_text(text, encoding="utf-8")
    return folder


def refusal(folder: Path, settings: Any) -> str:
    with pytest.raises(UserError) as caught:
        load_task(write(folder, settings))
    assert str(folder / "task.yaml") in caught.value.message
    return caught.value.message


def test_every_key_is_kept(tmp_path: Path) -> None:
    settings = {
        "id": "land_9", "version": 3, "title": "Länder", "measures": "which land", "group": "mine",
        "scorer": "scene_class", "names": ["yes", "Sea lake", "no"], "max_new_tokens": 7,
        "cluster": "row", "image_formats": ["TIFF", "PNG"],
    }  # fmt: skip
    task = load_task(write(tmp_path / "t", settings))
    assert (task.id, task.version, task.group) == ("land_9", 3, "mine")
    assert (task.card.title, task.card.measures) == ("Länder", "which land")
    assert (task.max_new_tokens, task.cluster) == (7, "row")
    assert task.image_formats == ("TIFF", "PNG")
    assert (task.source, task.folder) == (None, (tmp_path / "t").resolve())
    row = Row(0, "0", "?", "Sea lake")
    assert task.scorer.strict(row, "A sea-lake.").metrics == {"accuracy": 1.0}


def test_defaults(tmp_path: Path) -> None:
    task = load_task(write(tmp_path / "t", MINIMAL) / "task.yaml")
    assert (task.version, task.group, task.max_new_tokens, task.cluster) == (1, "own", 256, "image")
    assert task.image_formats == ("JPEG", "PNG", "WEBP")
    assert (task.card.title, task.card.measures) == ("own", "a task of your own")


@pytest.mark.parametrize("scorer", SCORERS)
def test_every_scorer(tmp_path: Path, scorer: str) -> None:
    settings: dict[str, Any] = {"id": "own", "scorer": scorer}
    if scorer in NAMED:
        assert "needs `names`" in refusal(tmp_path / "a", settings)
        settings["names"] = ["oak tree", "ash"]
    else:
        assert "takes no `names`" in refusal(tmp_path / "a", settings | {"names": ["oak"]})
    task = load_task(write(tmp_path / "t", settings))
    label = {"multiple_choice": "A", "rouge_l_mean": ("oak tree", "ash")}.get(scorer, "oak tree")
    if scorer.startswith("multi_label"):
        label = ("oak tree",)
    split: Any = "open" if scorer == "open_closed_vqa" else None
    row = Row(0, "0", "?", label, split=split, options=("oak tree", "ash"))
    task.scorer.check(row)
    answer = "oak tree"
    for column in task.scorer.columns:
        if column.split == split:
            expected = 0.5 if scorer == "rouge_l_mean" else 1.0
            assert task.scorer.paper(row, answer).metrics[column.metric] == pytest.approx(expected)
            assert task.scorer.strict(row, answer).metrics[column.metric] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"max_new_token": 5}, ("unknown key 'max_new_token'", "did you mean 'max_new_tokens'")),
        ({"prompt": "?"}, ("unknown key 'prompt'", "Keys: cluster")),
        ({5: 1}, ("unknown key of type int",)),
        ({None: 1}, ("unknown key of type NoneType",)),
        ({"id": None}, ("`id`",)),
        ({"id": 5}, ("`id`",)),
        ({"id": ""}, ("`id`",)),
        ({"id": "a b"}, ("`id`",)),
        ({"id": "../up"}, ("`id`",)),
        ({"id": "a\n"}, ("`id`",)),
        ({"id": "käse"}, ("plain ASCII",)),
        ({"id": "slake"}, ("built-in",)),
        ({"id": "biomed"}, ("built-in",)),
        ({"scorer": "rouge"}, ("unknown scorer 'rouge'", "did you mean 'rouge_l'", "exact_vqa")),
        ({"scorer": None}, ("unknown scorer of type NoneType",)),
        ({"scorer": ["rouge_l"]}, ("unknown scorer of type list",)),
        ({"scorer": "x" * 500}, ("'" + "x" * 80 + "...' ",)),
        ({"k" * 500: 1}, ("unknown key '" + "k" * 80 + "...' ",)),
        ({"id": "\x1b[2J"}, ("`id`",)),
        ({"scorer": {"rouge_l": 1}}, ("unknown scorer",)),
        ({"scorer": "scene_class", "names": []}, ("needs `names`",)),
        ({"scorer": "scene_class", "names": "a, b"}, ("needs `names`",)),
        ({"scorer": "scene_class", "names": [True, False]}, ("list of texts", "in quotes")),
        ({"scorer": "scene_class", "names": {"a": 1}}, ("needs `names`",)),
        ({"scorer": "scene_class", "names": ["a", " "]}, ("empty text",)),
        ({"scorer": "scene_class", "names": ["a", "a"]}, ("'a' and 'a'", "read the same")),
        ({"scorer": "class_choice", "names": ["sea_lake", "Sea lake"]}, ("read the same",)),
        ({"scorer": "multi_label_f1", "names": ["Oak", "ash", "oak"]}, ("'Oak' and 'oak'",)),
        ({"max_new_tokens": 0}, ("max_new_tokens",)),
        ({"max_new_tokens": True}, ("max_new_tokens",)),
        ({"max_new_tokens": "5"}, ("max_new_tokens",)),
        ({"max_new_tokens": 5.0}, ("max_new_tokens",)),
        ({"version": 0}, ("version",)),
        ({"version": None}, ("version",)),
        ({"cluster": "picture"}, ("cluster",)),
        ({"cluster": ["image"]}, ("cluster",)),
        ({"image_formats": []}, ("image_formats",)),
        ({"image_formats": "PNG"}, ("image_formats",)),
        ({"image_formats": ["GIF"]}, ("image_formats", "TIFF")),
        ({"image_formats": [["PNG"]]}, ("image_formats",)),
        ({"title": ["a"]}, ("`title`",)),
        ({"measures": 5}, ("`measures`",)),
        ({"group": None}, ("`group`",)),
    ],
)
def test_wrong_values_are_named(
    tmp_path: Path, change: dict[Any, Any], words: tuple[str, ...]
) -> None:
    message = refusal(tmp_path / "t", MINIMAL | change)
    for word in words:
        assert word in message


BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(24)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "keys and values"),
        ("- id\n- scorer\n", "keys and values"),
        ("just text", "keys and values"),
        ("id: [unclosed", "is not YAML"),
        ("id: a\n---\nid: b\n", "is not YAML"),
        ("id: a\x00b", "is not YAML"),
        ("id: 2024-13-45\nscorer: rouge_l\n", "is not YAML"),
        ("id: !!int x\n", "is not YAML"),
        ("id: !!timestamp x\n", "is not YAML"),
        ("? [a]\n: b\n", "is not YAML"),
        ("version: " + "9" * 5000, "is not YAML"),
        ("id: " + "[" * 5000 + "]" * 5000, "is not YAML"),
        (BOMB.replace("a: &a", "id: &a", 1) + "scorer: *y\n", "unknown key 'b'"),
        (BOMB + "title: *y\nid: own\nscorer: rouge_l\n", "unknown key 'a'"),
        ("measures: &m [x, [y]]\nid: own\nscorer: rouge_l\ntitle: *m\n", "`title` must be a text"),
        ("!!python/object/apply:os.mkdir [made]", "is not YAML"),
        ("id: !!python/name:os.system\n", "is not YAML"),
        ("id: !!python/object/new:pathlib.Path [x]\n", "is not YAML"),
    ],
)
def test_files_that_are_no_task(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(tmp_path / "t", text)
    assert not Path("made").exists()


def test_an_endless_value_is_named_by_its_type(tmp_path: Path) -> None:
    """A bomb of aliases under a known key: its text would fill the memory."""
    levels = [f"&{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]" for i in range(24)]
    text = "id: own\nmeasures: &a [x, x]\nnames: [" + ", ".join(levels) + "]\nscorer: *y\n"
    message = refusal(tmp_path / "t", text)
    assert "unknown scorer of type list" in message
    assert len(message) < 2_000


def test_scoring_settings(tmp_path: Path) -> None:
    """What a person reads of a task moves no score."""
    settings = MINIMAL | {"scorer": "scene_class", "names": ["oak", "ash"]}
    first = scoring_settings(write(tmp_path / "t", settings) / "task.yaml")

    def now(text: str = "", **change: Any) -> dict[str, Any]:
        file = write(tmp_path / "t", yaml.safe_dump(settings | change) + text) / "task.yaml"
        return scoring_settings(file)

    assert now("# a comment\n", title="Trees", measures="which tree", group="mine") == first
    assert now(cluster="image", image_formats=["PNG", "JPEG", "WEBP"]) == first
    assert now(cluster="row") != first
    assert now(image_formats=["PNG"]) != first
    assert now(names=["ash", "oak"]) != first
    assert now(scorer="class_choice") != first


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        load_task(tmp_path)
    write(tmp_path / "t", "")
    (tmp_path / "t" / "task.yaml").write_bytes(b"id: caf\xe9\n")
    with pytest.raises(UserError, match="cannot be read"):
        load_task(tmp_path / "t")


def test_names_of_tasks_and_folders(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, MINIMAL)
    assert [t.id for t in resolve(["a", "slake", "a/task.yaml", "biomed"])] == [
        "own", "slake", "pathvqa", "vqa_rad", "pmc_vqa",
    ]  # fmt: skip
    with pytest.raises(UserError, match="two tasks are named own") as caught:
        resolve(["a", "b"])
    assert str(tmp_path / "b") in str(caught.value)
    write(tmp_path / "slake", MINIMAL)
    assert resolve(["slake"]) == [TASKS["slake"]]
    assert resolve(["./slake"])[0].id == "own"
    with pytest.raises(UserError, match="unknown task 'c'"):
        resolve(["c"])
    for name in ("x" * 5000, "slake/" + "x" * 300):
        with pytest.raises(UserError, match="unknown task"):
            resolve([name])
