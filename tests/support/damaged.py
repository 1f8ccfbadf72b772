"""Ways in which a run's samples get damaged on disk."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq


def damage_samples(path: Path, how: str) -> None:
    """Damage a `samples.parquet`: `gone`, torn at the `footer`, other `pages`, a later `version`."""
    data = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "footer":
        path.write_bytes(data[:-20])
    elif how == "pages":
        path.write_bytes(data[:4] + b"\xff" * 900 + data[904:])
    elif how == "version":
        table = pq.read_table(path).replace_schema_metadata({"schema_version": "99"})
        pq.write_table(table, path)
    else:
        raise ValueError(how)
