"""The image loader: what may be opened."""

from __future__ import annotations

import io
import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.errors import RowError
from harness.images import decode, read
from tasks import ImageRef

SECRET = b"secret"
INSIDE = b"inside"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures that holds every trap, beside a file that must never be read."""
    top = tmp_path_factory.mktemp("images")
    root = top / "root"
    (root / "a" / "b").mkdir(parents=True)
    (top / "root2").mkdir()
    for secret in (top / "secret.png", top / "root2" / "x.png"):
        secret.write_bytes(SECRET)
    for inside in ("x.png", "a/x.png", "a/b/x.png", "a b%2e.png", "back\\slash.png", "é.png"):
        (root / inside).write_bytes(INSIDE)
    links = {
        "in.png": "a/x.png", "a/up.png": "../x.png", "absolute.png": str(root / "x.png"),
        "chain.png": "in.png", "folder": "a/b", "a/again": "../folder",
        "out.png": "../secret.png", "a/out.png": str(top / "secret.png"), "chain_out.png": "out.png",
        "away": "..", "a/away": "../../root2", "near": "../root2", "loop.png": "loop.png",
        "gone.png": "nothing", "around.png": "../root/x.png",
    }  # fmt: skip
    for name, target in links.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(root / "socket.png"))
    return root


GOOD = [
    "x.png", "a/x.png", "./x.png", "a/./b/x.png", "a//x.png", "a b%2e.png", "é.png", "in.png",
    "a/up.png", "absolute.png", "chain.png", "folder/x.png", "a/again/x.png", "around.png",
]  # fmt: skip
BAD = [
    "", ".", "a", "a/", "x.png/", "../secret.png", "a/../x.png", "a/../../secret.png", "..", "/",
    "out.png", "a/out.png", "chain_out.png", "away/secret.png", "a/away/x.png", "near/x.png",
    "folder/../../secret.png", "/etc/passwd", "//etc/passwd", "~/x.png", "~root/x.png",
    "..\\secret.png", "a\\..\\..\\secret.png", "\\etc\\passwd", "x.png\0", "\0", "a\0/../x.png",
    "file:///etc/passwd", "http://localhost/x.png", "data://x", "pipe.png", "socket.png",
    "loop.png", "loop.png/x", "gone.png", "n" * 300, "n" * 5_000, "a/" * 3_000 + "x.png",
    "\ud800.png", "a\udfff/x.png", "%2e%2e/secret.png", "near", "away", "nothing/x.png",
]  # fmt: skip


@pytest.mark.parametrize("locator", GOOD)
def test_inside(root: Path, locator: str) -> None:
    assert read(ImageRef(locator, root=root)) == INSIDE


@pytest.mark.parametrize("locator", BAD, ids=[f"{i}" for i in range(len(BAD))])
def test_not_inside(root: Path, locator: str) -> None:
    with pytest.raises(RowError) as error:
        read(ImageRef(locator, root=root))
    str(error.value).encode()  # can be printed and written
    assert "\n" not in str(error.value)


PARTS = st.sampled_from(
    ["..", ".", "", "a", "b", "x.png", "folder", "again", "away", "near", "up.png", "out.png",
     "secret.png", "root", "root2", "chain_out.png", "around.png", "pipe.png", "\\..", "..\\", "~"]
)  # fmt: skip
LOCATORS = st.one_of(
    st.text(max_size=20),
    st.lists(PARTS, max_size=7).map("/".join),
    st.lists(st.one_of(PARTS, st.text("./\\\0a%:~", max_size=4)), max_size=7).map("/".join),
)


@settings(max_examples=400, deadline=None)
@given(locator=LOCATORS)
@example(locator="a/again/../../../secret.png")
def test_nothing_outside_is_read(root: Path, locator: str) -> None:
    try:
        data = read(ImageRef(locator, root=root))
    except RowError:
        return
    assert data == INSIDE


def test_root_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert read(ImageRef("a/x.png", root=tmp_path / "link")) == INSIDE
    assert read(ImageRef("absolute.png", root=tmp_path / "link")) == INSIDE
    with pytest.raises(RowError, match="out of its folder"):
        read(ImageRef("out.png", root=tmp_path / "link"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(INSIDE)
    (tmp_path / "x.png").chmod(0)
    with pytest.raises(RowError, match="Permission denied"):
        read(ImageRef("x.png", root=tmp_path))


def test_a_source_without_images() -> None:
    with pytest.raises(RowError, match="no picture at 'row 3'"):
        read(ImageRef("row 3"))
    assert read(ImageRef("row 3", data=b"x")) == b"x"


def encoded(pixels: Any, kind: str) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, kind)
    return data.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "big-endian TIFF"])
def test_grey_of_16_bits_is_scaled_not_clipped(kind: str) -> None:
    """X-rays: Pillow's own conversion makes everything above 255 white."""
    grey = np.linspace(0, 65_535, 400).astype(np.uint16).reshape(20, 20)
    if kind == "big-endian TIFF":
        image = Image.frombytes("I;16B", (20, 20), grey.astype(">u2").tobytes())
        data = io.BytesIO()
        image.save(data, "TIFF")
        encoding = data.getvalue()
    else:
        encoding = encoded(grey, kind)
    image = decode(encoding, ("PNG", "TIFF"), "x")
    shown = np.asarray(image)
    assert (image.mode, image.size) == ("RGB", (20, 20))
    assert np.array_equal(shown, np.repeat((grey // 256).astype(np.uint8)[..., None], 3, axis=2))
    assert len(np.unique(shown)) == 256


def test_grey_of_32_bits_needs_a_white() -> None:
    small = np.arange(100, dtype=np.float32).reshape(10, 10)
    shown = np.asarray(decode(encoded(small, "TIFF"), ("TIFF",), "x"))
    assert np.array_equal(shown[..., 0], small.astype(np.uint8))
    for pixels in (small * 1000, small - 5, (small * 1000).astype(np.int32)):
        with pytest.raises(RowError, match=r"32-bit grey from .* no telling which is white"):
            decode(encoded(pixels, "TIFF"), ("TIFF",), "x")
