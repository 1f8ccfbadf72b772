"""Small worlds for tests: rows on disk, commands in process."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from harness.cli import _run

SHARED = next(
    (p / "shared" for p in Path(__file__).resolve().parents if (p / "shared" / "data").is_dir()),
    None,
)


class Ran(NamedTuple):
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Harness:
    """Calls the command in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *args: object) -> Ran:
        self._capsys.readouterr()
        code = _run([str(arg) for arg in args])
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err
        return Ran(code, out, err)


def picture(seed: int = 0, size: tuple[int, int] = (40, 30), kind: str = "PNG") -> bytes:
    """An encoded picture whose colour depends on the seed."""
    data = io.BytesIO()
    colour = (seed * 37 % 256, seed * 91 % 256, seed * 151 % 256)
    Image.new("RGB", size, colour).save(data, kind)
    return data.getvalue()


def bomb(side: int = 30_000) -> bytes:
    """A PNG of a few bytes whose header promises a picture of `side` x `side` pixels."""
    data = bytearray(picture())
    data[16:24] = struct.pack(">II", side, side)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def write_rows(folder: Path, rows: Iterable[dict[str, Any] | str]) -> Path:
    """Write `folder/test.jsonl`; texts are written as they stand."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / "test.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def closed_rows(folder: Path, count: int, pictures: int | None = None) -> Path:
    """Closed questions over some pictures in `folder`, as `vqa_rad` has them."""
    pictures = pictures or count
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number in range(pictures):
        (folder / "images" / f"{number}.png").write_bytes(picture(number))
    return write_rows(
        folder,
        (
            {
                "id": f"q{i}",
                "image": f"images/{i % pictures}.png",
                "input": f"Is this number {i}?",
                "label": "yes" if i % 3 else "no",
                "answer_type": "CLOSED",
            }
            for i in range(count)
        ),
    )


def line_of(results: dict[str, Any], task: str, protocol: str, **more: Any) -> dict[str, Any]:
    """The one main result line that fits."""
    wanted = {"task": task, "protocol": protocol, "main": True, **more}
    found = [r for r in results["results"] if all(r[k] == v for k, v in wanted.items())]
    assert len(found) == 1, found
    return found[0]
