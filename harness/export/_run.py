"""`harness export`: from runs to the form that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from harness.errors import UserError
from harness.export._load import LoadedRun, chosen_tasks, load_runs
from harness.files import replacing
from harness.progress import note, say
from tasks import PROTOCOLS, ProtocolName

Format = Literal["markdown", "latex", "csv", "model-index", "lmms-eval"]
Interval = Literal["half", "bounds", "none"]
FORMATS: tuple[Format, ...] = get_args(Format)
INTERVALS: tuple[Interval, ...] = get_args(Interval)
_RUN_FILES = ("run.json", "results.json")


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What `harness export` is asked to do; the command's options, typed."""

    runs: tuple[Path, ...]
    to: Format
    out: Path | None = None
    protocol: Literal["paper", "strict", "both"] = "both"
    tasks: tuple[str, ...] = ()
    published: bool = False
    interval: Interval = "half"

    @property
    def protocols(self) -> tuple[ProtocolName, ...]:
        """Those to show, the paper's first."""
        return PROTOCOLS if self.protocol == "both" else (self.protocol,)


def export(options: ExportOptions) -> None:
    """Write runs in another form, to stdout or to `--out`.

    Raises:
        UserError: A run cannot be exported, or the place cannot be written.
    """
    _check(options)
    runs = load_runs(options.runs)
    tasks = chosen_tasks(runs, options.tasks)
    if options.to == "lmms-eval":
        from harness.export._lmms_eval import write_lmms_eval

        for path in write_lmms_eval(runs, options.protocols, tasks, options.out):
            say(str(path))
    elif options.to == "model-index":
        _model_card(runs, options, tasks)
    else:
        _put(_text(runs, options, tasks), options.out)


def _check(options: ExportOptions) -> None:
    out = options.out
    if options.published and options.to in ("model-index", "lmms-eval"):
        raise UserError(
            f"--published is for tables: {options.to} carries what was measured",
            "Leave it out, or use --to markdown, latex or csv.",
        )
    if out is None:
        return
    if out.name in _RUN_FILES and (out.parent / "run.json").exists():
        raise UserError(f"--out {out} would overwrite a run")
    if options.to == "lmms-eval" and out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file; lmms-eval's form is a folder of files")
    if options.to in ("markdown", "latex", "csv") and out.is_dir():
        raise UserError(f"--out {out} is a folder; name the file to write")


def _text(runs: Sequence[LoadedRun], options: ExportOptions, tasks: frozenset[str]) -> str:
    if options.to == "csv":
        from harness.export._csv import to_csv

        return to_csv(runs, options.protocols, tasks, published=options.published)
    from harness.export._latex import to_latex
    from harness.export._markdown import to_markdown
    from harness.export._table import build_table

    write = to_latex if options.to == "latex" else to_markdown
    tables = [
        build_table(runs, protocol, tasks, published=options.published)
        for protocol in options.protocols
    ]
    parts = [
        write(table, options.interval, published=options.published)
        for table in tables
        if table.columns
    ]
    if not parts:
        raise UserError(
            f"these runs hold no score under the {options.protocol} protocol",
            "Leave out --protocol, or name other --tasks.",
        )
    return "\n".join(parts)


def _put(text: str, out: Path | None) -> None:
    if out is None:
        say(text.rstrip("\n"))
        return
    with replacing(out) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")
    note(f"wrote {out}")


def _model_card(runs: Sequence[LoadedRun], options: ExportOptions, tasks: frozenset[str]) -> None:
    from harness.export._card import front_matter, write_card, write_result_files
    from harness.export._model_index import check_card, eval_results, model_index, result_files

    name = check_card(runs)
    index = model_index(name, eval_results(runs, options.protocols, tasks))
    out = options.out
    if out is None:
        say(front_matter(index).rstrip("\n"))
        return
    if out.suffix.lower() == ".md":
        write_card(out, index)
        note(f"wrote {out}")
        return
    if out.suffix and not out.is_dir():
        raise UserError(
            f"--out {out} is neither a card nor a folder", "Give a model's folder or its README.md."
        )
    for path in write_result_files(out, result_files(runs, options.protocols, tasks)):
        note(f"wrote {path}")
    write_card(out / "README.md", index)
    note(f"wrote {out / 'README.md'}")
