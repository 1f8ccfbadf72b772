"""The image loader: what is decoded, to which pixels, and what is refused."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.errors import RowError
from harness.images import MAX_PIXELS, blank, decode, fingerprint, load, pixel_hash
from tasks import ImageRef

# pytest shows the warnings of Pillow, which the program does not.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
USUAL = ("JPEG", "PNG", "WEBP")
WITH_TIFF = (*USUAL, "TIFF")


def noise(width: int = 17, height: int = 13, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)  # type: ignore[arg-type]
    return data.getvalue()


def plain_hash(image: Image.Image) -> str:
    """Hash of the equal RGB picture after PNG."""
    plain = Image.frombytes("RGB", image.size, image.convert("RGB").tobytes())
    return pixel_hash(decode(encode(plain, "PNG"), USUAL, "plain"))


def deep(bits: int) -> Image.Image:
    random = np.random.default_rng(1)
    return Image.fromarray(random.integers(0, 2**bits, (13, 17)).astype(np.uint16))


MODES = [
    ("1", "PNG"), ("1", "TIFF"), ("L", "PNG"), ("L", "JPEG"), ("L", "TIFF"), ("LA", "PNG"),
    ("LA", "TIFF"), ("P", "PNG"), ("P", "TIFF"), ("PA", "TIFF"), ("RGB", "PNG"), ("RGB", "JPEG"),
    ("RGB", "WEBP"), ("RGB", "TIFF"), ("RGBA", "PNG"), ("RGBA", "WEBP"), ("RGBA", "TIFF"),
    ("RGBX", "TIFF"), ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("YCbCr", "JPEG"), ("YCbCr", "TIFF"),
    ("LAB", "TIFF"), ("I", "TIFF"), ("F", "TIFF"), ("I;16", "PNG"), ("I;16", "TIFF"),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "kind"), MODES)
def test_every_mode_becomes_rgb(mode: str, kind: str) -> None:
    image = deep(16) if mode == "I;16" else noise().convert(mode)
    if mode == "RGBA":
        image.putalpha(noise(seed=1).convert("L"))
    data = encode(image, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    found = decode(data, WITH_TIFF, "x")
    assert (found.mode, found.size) == ("RGB", (17, 13))
    with Image.open(io.BytesIO(data)) as opened:
        shown = opened
        if mode == "I;16":  # Pillow's own conversion clips: nearly all of it would be white
            shown = Image.fromarray((np.asarray(opened) >> 8).astype(np.uint8))
        assert found.tobytes() == shown.convert("RGB").tobytes()
        assert pixel_hash(found) == plain_hash(shown)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (40, 30)])
def test_lossless_files_of_one_picture_share_their_hash(kind: str, size: tuple[int, int]) -> None:
    image = noise(*size)
    options: dict[str, object] = {"lossless": True} if kind == "WEBP" else {}
    picture = load(ImageRef("x", data=encode(image, kind, **options)), WITH_TIFF)
    assert pixel_hash(picture.image) == pixel_hash(image) == plain_hash(image)
    assert picture.content == fingerprint(encode(image, kind, **options))


def planar_tiff(image: Image.Image) -> bytes:
    """RGB TIFF with a plane a colour, which Pillow reads but does not write."""
    planes = b"".join(band.tobytes() for band in image.split())
    size = image.width * image.height
    extra = 8 + len(planes)
    tables = struct.pack("<3H", 8, 8, 8) + struct.pack("<6I", *(8 + i * size for i in range(3)), *[size] * 3)  # fmt: skip
    tags = [
        (256, 4, 1, image.width), (257, 4, 1, image.height), (258, 3, 3, extra), (259, 3, 1, 1),
        (262, 3, 1, 2), (273, 4, 3, extra + 6), (277, 3, 1, 3), (278, 4, 1, image.height),
        (279, 4, 3, extra + 18), (284, 3, 1, 2),
    ]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *t) for t in tags)
    head = struct.pack("<2sHI", b"II", 42, extra + len(tables))
    return head + planes + tables + directory + bytes(4)


def test_planes_of_a_tiff() -> None:
    found = decode(planar_tiff(noise()), WITH_TIFF, "x")
    assert found.tobytes() == noise().tobytes()
    assert pixel_hash(found) == pixel_hash(noise())


def test_the_hash_tells_pictures_apart() -> None:
    image = noise()
    others = [noise(seed=1), image.rotate(180), image.crop((0, 0, 17, 12)), image.transpose(Image.Transpose.ROTATE_90)]  # fmt: skip
    flat = [Image.new("RGB", size) for size in ((6, 4), (4, 6), (8, 3), (24, 1))]
    hashes = [pixel_hash(one) for one in [image, *others, *flat]]
    assert len(set(hashes)) == len(hashes)


FILES = {
    "PNG": encode(noise(), "PNG"),
    "palette": encode(noise().convert("P"), "PNG"),
    "JPEG": encode(noise(), "JPEG"),
    "progressive": encode(noise(), "JPEG", progressive=True),
    "WEBP": encode(noise(), "WEBP"),
    "lossless": encode(noise(), "WEBP", lossless=True),
    "TIFF": encode(noise(), "TIFF", compression="tiff_lzw"),
}


@pytest.mark.parametrize("name", FILES)
def test_cut_off_at_any_byte(name: str) -> None:
    data, whole = FILES[name], 0
    for size in range(len(data)):
        try:
            image = decode(data[:size], WITH_TIFF, "x")
        except RowError:
            continue
        assert (image.mode, image.size) == ("RGB", (17, 13))
        whole += 1
    assert whole <= 24, "only a trailer may be missing"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_damaged_files(name: str, data: st.DataObject) -> None:
    content = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = decode(bytes(content), WITH_TIFF, "x")
    except RowError:
        return
    assert image.mode == "RGB"
    assert len(pixel_hash(image)) == 32


MAGICS = [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBPVP8 ", b"II*\0", b"MM\0*"]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(MAGICS), st.binary(max_size=200))
def test_random_bytes(magic: bytes, data: bytes) -> None:
    with pytest.raises(RowError):
        decode(magic + data, WITH_TIFF, "x")


def test_only_accepted_formats() -> None:
    for kind in ("GIF", "BMP", "PPM", "ICO", "JPEG2000", "EPS", "PDF", "TGA", "AVIF"):
        with pytest.raises(RowError, match=r"is not JPEG, PNG, WEBP$"):
            decode(encode(noise(64, 64), kind), USUAL, "x")
    with pytest.raises(RowError, match=r"is not JPEG, PNG, WEBP$"):
        decode(FILES["TIFF"], USUAL, "x")
    assert decode(FILES["TIFF"], WITH_TIFF, "x").tobytes() == noise().tobytes()


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises a size and holds next to nothing."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
             (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]  # fmt: skip
    chunks = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_too_many_pixels() -> None:
    for width, height in ((MAX_PIXELS + 1, 1), (9_500, 9_500), (30_000, 30_000), (2**31 - 1,) * 2):
        with pytest.raises(RowError, match="too many"):
            decode(png_header(width, height), USUAL, "x")


BOMBS = """
import resource, sys
from harness.errors import RowError
from harness.images import decode
data = [open(path, "rb").read() for path in sys.argv[1:]]
before = resource.getrusage(resource.RUSAGE_SELF)
for one in data:
    try:
        decode(one, ("JPEG", "PNG", "WEBP", "TIFF"), "bomb")
        sys.exit("decoded")
    except RowError as error:
        assert "too many" in str(error), error
after = resource.getrusage(resource.RUSAGE_SELF)
print(after.ru_maxrss - before.ru_maxrss, after.ru_utime - before.ru_utime)
"""


def test_bombs_are_refused_by_their_header(tmp_path: Path) -> None:
    """A bomb costs neither memory nor time, whole as it is."""
    big = Image.new("L", (10_000, 10_000))
    files = {
        "png": encode(big, "PNG", compress_level=1), "jpeg": encode(big, "JPEG", quality=1),
        "tiff": encode(big, "TIFF", compression="packbits"),
    }  # fmt: skip
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    paths = [str(tmp_path / name) for name in files]
    done = subprocess.run([sys.executable, "-P", "-c", BOMBS, *paths], capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    kilobytes, seconds = map(float, done.stdout.split())
    assert kilobytes < 60_000
    assert seconds < 0.5


@pytest.mark.parametrize("size", [(1, 1), (300, 7)])
def test_blank_keeps_the_size(size: tuple[int, int]) -> None:
    picture = blank(noise(*size))
    assert picture.image.size == size
    assert picture.image.getcolors() == [(size[0] * size[1], (127, 127, 127))]
    assert picture.data is None
    assert blank(noise(*size, seed=5)).content == picture.content
    assert blank(noise(size[0] + 1, size[1])).content != picture.content
