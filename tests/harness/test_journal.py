"""The journal loses no whole record, whatever happens to the end of its file."""

from __future__ import annotations

import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.journal import NOTHING, Journal, survey
from harness.requests import Message, Request, Response, Sampling
from harness.samples import read_samples

FROZEN = Path(__file__).parents[1] / "frozen"
ODD_TEXTS = [
    "",
    "\n",
    "a\r\nb\u2028c",
    "\0",
    "\ud800 alone",
    "é 中 🙂",
    '"}\n{"v":1',
    "\x85",
    "x" * 9,
]


def key_of(number: int) -> str:
    return f"{number:032x}"


def response(number: int, kind: str = "answer", text: str = "yes") -> Response:
    request = Request(key_of(number), f"row {text}", (Message("user", "?"),), Sampling(4))
    if kind == "answer":
        return Response(request, text, "stop", f"<{text}>", 7, 3, 0.25)
    return Response(request, None, error=f"why {text}", passing=kind == "passing")


class Line(NamedTuple):
    """What was appended, and the line it became."""

    key: str
    kind: str
    text: str
    data: bytes


class Expected:
    """What a file of known lines and anything else must be read as."""

    def __init__(self, data: bytes, known: list[Line]) -> None:
        by_data = {line.data: line for line in known}
        lines = data.split(b"\n")
        self.torn = sum(1 for line in lines if line.strip() and line not in by_data)
        self.final: dict[str, Line] = {}
        failing: set[str] = set()
        for line in (by_data[data] for data in lines if data in by_data):
            if line.kind == "passing":
                failing.add(line.key)
            else:
                self.final[line.key] = line
        self.to_retry = len(failing - set(self.final))

    def check(self, journal: Journal, keys: range) -> None:
        assert len(journal) == len(self.final)
        assert journal.to_retry == self.to_retry
        for key in map(key_of, keys):
            line = self.final.get(key)
            assert (key in journal) == (line is not None)
            record = journal.get(key)
            if line is None:
                assert record is None
                continue
            assert record is not None
            answered = line.kind == "answer"
            assert record.text == (line.text if answered else None)
            assert record.error == (None if answered else f"why {line.text}")
            assert (record.row_id, record.pixels) == (f"row {line.text}", "ab")


TEXTS = st.one_of(st.sampled_from(ODD_TEXTS), st.text(max_size=8))
OPERATIONS = st.one_of(
    st.tuples(
        st.just("append"),
        st.integers(0, 4),
        st.sampled_from(["answer", "refused", "passing"]),
        TEXTS,
    ),
    st.tuples(st.just("reopen")),
    st.tuples(st.just("cut"), st.integers(0, 900)),
    # What a disk may leave behind after a power cut.
    st.tuples(st.just("garbage"), st.one_of(st.binary(max_size=20), st.just(b"\0" * 512))),
)


@settings(max_examples=250, deadline=None)
@given(st.lists(OPERATIONS, max_size=14))
@example([("append", 0, "passing", ""), ("append", 0, "answer", "\n"), ("cut", 1), ("reopen",)])
@example([("append", 0, "answer", ""), ("append", 0, "passing", ""), ("reopen",)])
@example([("append", 0, "answer", ""), ("cut", 200), ("append", 0, "refused", ""), ("cut", 0)])
def test_every_whole_record_is_read(operations: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "new" / "responses.jsonl"
        journal = Journal(path)
        known: list[Line] = []
        for operation, *arguments in operations:
            if operation == "append":
                number, kind, text = arguments
                before = path.stat().st_size
                journal.append(response(number, kind, f"{text}{len(known)}"), pixels="ab")
                # It has reached the operating system: a killed process loses nothing.
                data = path.read_bytes()[before:]
                assert data.endswith(b"\n")
                known.append(Line(key_of(number), kind, f"{text}{len(known)}", data.strip(b"\n")))
                Expected(path.read_bytes(), known).check(journal, range(6))
                continue
            journal.close()
            if operation == "cut":
                os.truncate(path, max(0, path.stat().st_size - arguments[0]))
            elif operation == "garbage":
                with path.open("ab") as file:
                    file.write(b"\xff" + arguments[0])
            journal = Journal(path)
            expected = Expected(path.read_bytes(), known)
            assert journal.torn == expected.torn
            expected.check(journal, range(6))
        journal.close()
        data = path.read_bytes().split(b"\n")
        assert all(data.count(line.data) <= 1 for line in known), "nothing is doubled"


def test_every_cut_of_the_last_line(tmp_path: Path) -> None:
    path = tmp_path / "responses.jsonl"
    with Journal(path) as journal:
        journal.append(response(1))
        first = path.stat().st_size
        journal.append(response(2, text="no"))
    data = path.read_bytes()
    for size in range(first, len(data) + 1):
        path.write_bytes(data[:size])
        whole = size >= len(data) - 1
        with Journal(path) as journal:
            assert (key_of(1) in journal, key_of(2) in journal) == (True, whole)
            assert journal.torn == (not whole and size > first)
            if not whole:
                journal.append(response(2, text="no"))
            found = journal.get(key_of(2))
            assert found is not None
            assert found.text == "no"
        assert path.read_bytes().count(b'"text":"no"') == 1 + (
            not whole and b'"text":"no"' in data[first:size]
        )


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_texts_survive(tmp_path: Path, text: str) -> None:
    path = tmp_path / "responses.jsonl"
    with Journal(path) as journal:
        journal.append(response(1, text=text))
        journal.append(response(2, "passing", text))
    assert path.read_bytes().isascii()
    assert path.read_bytes().count(b"\n") == 2
    with Journal(path) as journal:
        record = journal.get(key_of(1))
        assert record is not None
        assert (record.text, record.prompt) == (text, f"<{text}>")
        assert (record.prompt_tokens, record.tokens, record.seconds) == (7, 3, 0.25)
        assert key_of(2) not in journal


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000, b'{"key": "zz"}', b"null", b"3", b'"text"', b"{}", b"\xff\xfe{\0", b"[]",
        b'{"v":1,"key":5}', b"9" * 5_000, b'{"key":"' + b"ab" * 16 + b'"}',
    ],
)  # fmt: skip
def test_lines_that_are_no_record_are_counted(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "responses.jsonl"
    with Journal(path) as journal:
        journal.append(response(1))
    path.write_bytes(line + b"\n\n  \n" + path.read_bytes())
    with Journal(path) as journal:
        assert (journal.torn, len(journal)) == (1, 1)
        assert journal.get(key_of(1)) is not None


@pytest.mark.parametrize("field", ["seconds", "tokens"])
def test_an_endless_number_is_a_torn_line(tmp_path: Path, field: str) -> None:
    path = tmp_path / "responses.jsonl"
    with Journal(path) as journal:
        journal.append(response(1))
    line = json.loads(path.read_bytes()) | {field: math.inf}
    path.write_text(json.dumps(line) + "\n")
    with Journal(path) as journal:
        assert (journal.torn, len(journal), journal.seconds) == (1, 0, 0.0)


@pytest.mark.parametrize("line", [b'{"v":2,"key":"ab"}', b'{"v":7}'])
def test_a_later_version_is_refused(tmp_path: Path, line: bytes) -> None:
    """Taken for a torn line, its row would be asked and written a second time."""
    path = tmp_path / "responses.jsonl"
    with Journal(path) as journal:
        journal.append(response(1))
    path.write_bytes(path.read_bytes() + line + b"\n")
    before = path.read_bytes()
    for read in (Journal, survey):
        with pytest.raises(UserError, match=r"journal version \d; this program reads up to 1"):
            read(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("version", ['"2"', "0.5", "true", "null", "[2]"])
def test_a_version_that_is_none_is_a_torn_line_or_the_first(tmp_path: Path, version: str) -> None:
    path = tmp_path / "responses.jsonl"
    path.write_text(f'{{"v":{version},"key":"ab"}}\n')
    with Journal(path) as journal:
        assert journal.torn == 1


def test_what_was_spent(tmp_path: Path) -> None:
    path = tmp_path / "responses.jsonl"
    with Journal(path) as journal:
        for number in range(4):
            journal.append(response(number))
        journal.append(response(4, "passing"))
        journal.append(response(5, "refused"))
        assert (journal.prompt_tokens, journal.tokens) == (28, 12)
    with Journal(path) as journal:
        assert (journal.prompt_tokens, journal.tokens) == (28, 12)
    assert survey(path) == (5, 4, 28, 12, 1.0)
    assert survey(path, most=3) == (3, 3, 21, 9, 0.75)
    assert survey(tmp_path / "none.jsonl") == NOTHING


def test_a_journal_that_changed_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "responses.jsonl"
    with Journal(path) as journal:
        journal.append(response(1))
        path.write_bytes(b"")
        with pytest.raises(OSError, match="changed while it was read"):
            journal.get(key_of(1))


def test_version_1_stays_readable(tmp_path: Path) -> None:
    """Written by the first release; never to be written anew."""
    path = tmp_path / "responses.jsonl"
    path.write_bytes((FROZEN / "journal_v1.jsonl").read_bytes())
    with Journal(path) as journal:
        assert (len(journal), journal.to_retry, journal.torn) == (3, 1, 1)
        answer = journal.get("00112233445566778899aabbccddeeff")
        assert answer is not None
        assert answer._asdict() == {
            "key": "00112233445566778899aabbccddeeff", "row_id": "q7", "text": "The left lung.\n",
            "finish_reason": "stop", "prompt_tokens": 41, "tokens": 6, "seconds": 0.012,
            "error": None, "passing": False, "pixels": "8899aabbccddeeff0011223344556677",
            "prompt": "<|im_start|>user\nWhere?<|im_end|>\n<|im_start|>assistant\n",
            "logprobs": None,
        }  # fmt: skip
        refused = journal.get("f" * 32)
        assert refused is not None
        assert refused.error == "the prompt has 9,000 tokens; the context holds 6,144"
        retried = journal.get("a" * 32)
        assert retried is not None
        assert retried.text == "yes \ud800"
        assert "b" * 32 not in journal
        journal.append(response(1))
    assert json.loads(path.read_bytes().splitlines()[-1])["key"] == key_of(1)


def test_samples_of_version_1_stay_readable() -> None:
    samples = list(read_samples(FROZEN / "samples_v1.parquet"))
    assert [sample.row.index for sample in samples] == list(range(6))
    assert [sample.row.id for sample in samples] == ["q0", "q1", "q2", "q3", "q4", "bad"]
    first, last = samples[0], samples[-1]
    assert first.row.prompt == "Is this number 0?"
    assert (first.row.label, first.row.split, first.text) == ("no", "closed", "yes")
    assert (first.image, first.finish_reason) == ("images/0.png", "stop")
    assert first.pixels == first.scored.cluster == "aafce6e8b0052185a85795e82cf3634e"
    assert len({sample.scored.cluster for sample in samples}) == 4
    assert last.text is None
    assert last.scored.failure == "image 'images/none.png': No such file or directory"
    assert (FROZEN / "samples_v1.parquet").stat().st_size < 20_000
