"""Other pictures for `--images shuffled`: kept on disk, so that memory does not grow with them."""

from __future__ import annotations

import random
import tempfile
from array import array
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Self

from harness import images
from harness.errors import RowError, UserError
from tasks import ImageRef, Row, Task, Unreadable

_SEED = 0


class OtherPictures:
    """The distinct pictures of a task in one circle: each row is shown the one behind its own.

    Pictures that rows carry (parquet, hub) are written to a nameless file, which the operating
    system removes with its holder; of those in files only the path is kept. A picture costs a
    hash and an offset in memory. Pictures are told apart by their pixels: one that was encoded
    anew is no other picture.

    Args:
        folder: Where the file lies: a disk, where a temporary folder is often memory.
    """

    def __init__(self, folder: Path) -> None:
        self._spool = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__
        self._ends = array("q", [0])
        self._places: dict[bytes, int | ImageRef] = {}
        self._following: dict[bytes, bytes] = {}
        self._seen: set[Hashable] = set()

    def read(self, records: Iterable[Row | Unreadable], task: Task) -> None:
        """Collect the pictures of rows and order them; a damaged one is shown to nobody.

        Rows without any picture need no other one, and are no reason to refuse.

        Args:
            records: With their pictures.
            task: Theirs.

        Raises:
            UserError: There are fewer than two different pictures.
        """
        for row in records:
            for ref in row.images if isinstance(row, Row) else ():
                self._add(ref, task.image_formats)
        if self._seen and len(self._places) < 2:
            raise UserError(
                f"--images shuffled: {task.id} has fewer than two different pictures",
                "Use more rows, or --images blank.",
            )
        self._seen.clear()
        circle = list(self._places)
        random.Random(_SEED).shuffle(circle)  # noqa: S311 - a repeatable order
        self._following = dict(zip(circle, circle[1:] + circle[:1], strict=True))

    def _add(self, ref: ImageRef, formats: tuple[str, ...]) -> None:
        name = ref.locator if ref.data is None else bytes.fromhex(images.fingerprint(ref.data))
        if name in self._seen:
            return
        self._seen.add(name)
        try:
            shown = images.load(ref, formats)
        except RowError:
            return
        pixels = bytes.fromhex(images.pixel_hash(shown.image))
        if pixels in self._places:
            return
        if ref.data is None:
            self._places[pixels] = ref
            return
        self._places[pixels] = len(self._ends) - 1
        self._spool.write(ref.data)
        self._ends.append(self._ends[-1] + len(ref.data))

    def instead_of(self, own: Sequence[str]) -> list[ImageRef]:
        """For each of a row's pictures one that the row does not show.

        Args:
            own: Pixel hashes of the row's pictures.

        Raises:
            RowError: There is none.
        """
        mine = {bytes.fromhex(pixels) for pixels in own}
        if len(mine) >= len(self._following) or not mine <= self._following.keys():
            raise RowError("no other picture to show instead")
        return [self._other(bytes.fromhex(pixels), mine) for pixels in own]

    def _other(self, pixels: bytes, mine: set[bytes]) -> ImageRef:
        while pixels in mine:
            pixels = self._following[pixels]
        place = self._places[pixels]
        if isinstance(place, ImageRef):
            return place
        start, end = self._ends[place], self._ends[place + 1]
        self._spool.seek(start)
        return ImageRef("another row's picture", data=self._spool.read(end - start))

    def __enter__(self) -> Self:
        """Usable in a `with` block."""
        return self

    def __exit__(self, *error: object) -> None:
        """Give the disk back."""
        self._spool.close()
