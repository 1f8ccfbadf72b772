"""`harness eval`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli._options import comma_list, key_values, show


@click.command("eval", context_settings={"show_default": True})
@click.option("--model", metavar="REF", help="Folder, org/name[@revision], or the answer of "
              "--engine constant.")  # fmt: skip
@click.option(
    "--tasks",
    required=True,
    metavar="A,B",
    help="Tasks, groups, folders of your own, or lmms_eval:NAME.",
)
@click.option("--name", metavar="TEXT", help="What the model is called in results; default: its "
              "folder or hub id.")  # fmt: skip
@click.option("--engine", default="auto", help="auto, transformers, vllm, openai, constant "
              "or majority.")  # fmt: skip
@click.option("--engine-arg", "engine_args", multiple=True, metavar="K=V", help="Engine setting.")
@click.option("--base-url", metavar="URL", help="Server for --engine openai; the key is read from "
              "OPENAI_API_KEY.")  # fmt: skip
@click.option("--data", metavar="DIR|sample", help="DIR/<task>/test.jsonl or *.parquet; `sample` "
              "draws toy rows; default: the hub.")  # fmt: skip
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N rows.")
@click.option("--max-new-tokens", type=click.IntRange(min=1), metavar="N",
              help="Instead of each task's own.")  # fmt: skip
@click.option("--images", type=click.Choice(["given", "blank", "shuffled", "none"]),
              default="given", help="Controls: does the model look?")  # fmt: skip
@click.option("--option-order", default="given", metavar="ORDER", help="Control: given, reversed, "
              "rotated:N or shuffled. Does the place of an option matter?")  # fmt: skip
@click.option("--repeat", type=click.IntRange(min=1), default=1, metavar="K",
              help="Control: 2, 3, ... asks the same once more, as a run of its own.")  # fmt: skip
@click.option("--replicas", type=click.IntRange(min=1), default=1, metavar="N",
              help="Engines side by side, through Ray.")  # fmt: skip
@click.option("--ray", is_flag=False, flag_value="auto", metavar="[ADDRESS]",
              help="Use a Ray cluster; without an address the one this machine is in.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("runs"),
              help="Folder of runs.")  # fmt: skip
@click.option("--resume", type=click.Path(path_type=Path), metavar="RUN",
              help="Continue this very run; refused if the settings differ.")  # fmt: skip
@click.option("--fresh", is_flag=True, help="Start anew even if such a run exists.")
@click.option("--max-failed", type=click.FloatRange(0, 1), default=0.01,
              help="Exit 1 if a greater share of rows fails.")  # fmt: skip
@click.option("--allow-pickle", is_flag=True, help="Accept pickled weights: they can run code.")
@click.option("--trust-remote-code", metavar="REVISION", help="Run the checkpoint's own code, as "
              "of this revision.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print results.json instead of a table.")
@click.pass_context
def eval_(
    ctx: click.Context,
    model: str | None,
    tasks: str,
    name: str | None,
    engine: str,
    engine_args: tuple[str, ...],
    base_url: str | None,
    data: str | None,
    limit: int | None,
    max_new_tokens: int | None,
    images: str,
    option_order: str,
    repeat: int,
    replicas: int,
    ray: str | None,
    out: Path,
    resume: Path | None,
    fresh: bool,
    max_failed: float,
    allow_pickle: bool,
    trust_remote_code: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Evaluate a model on tasks, under the published and the strict protocol at once.

    The same command run again continues an unfinished run, or prints the finished one.

    \b
    Examples:
      harness eval --model Qwen/Qwen2-VL-2B-Instruct --tasks biomed
      harness eval --model ./checkpoint --tasks slake --data rows/ --limit 100
      harness eval --model gpt-4o --engine openai --tasks biomed
      harness eval --model ./checkpoint --tasks slake --images blank
      harness eval --engine majority --tasks biomed
      harness eval --model yes --engine constant --tasks biomed --data sample
    """
    from harness.asking import IMAGE_MODES
    from harness.controls._beside import control_notes
    from harness.evaluate import evaluate
    from harness.planning import EvalOptions

    if resume is not None and fresh:
        raise click.UsageError("--resume and --fresh exclude each other.", ctx)
    if model is None:
        if engine != "majority":
            raise click.UsageError("Missing option '--model'.", ctx)
        model = engine
    mode = next(mode for mode in IMAGE_MODES if mode == images)
    outcome = evaluate(
        EvalOptions(
            model=model,
            tasks=comma_list(tasks),
            name=name,
            engine=engine,
            engine_args=key_values(engine_args, "--engine-arg"),
            base_url=base_url,
            data=data,
            limit=limit,
            max_new_tokens=max_new_tokens,
            images=mode,
            option_order=option_order,
            repeat=repeat,
            replicas=replicas,
            ray=ray,
            out=out,
            resume=resume,
            fresh=fresh,
            max_failed=max_failed,
            allow_pickle=allow_pickle,
            trust_remote_code=trust_remote_code,
            dry_run=dry_run,
        )
    )
    if outcome.results is not None:
        notes = () if as_json else control_notes(outcome.run)
        show(outcome.results, as_json=as_json, notes=notes)
    ctx.exit(outcome.exit_code)
