"""lmms-eval's own runner over some of its tasks, in a process of its own.

`python lmms_runner.py REQUEST.json` runs where the data sets' copies lie under their names.
"""

import json
import sys
from pathlib import Path
from typing import Any


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Scores and answers, by task."""
    import lmms_eval
    from lmms_eval.evaluator import simple_evaluate
    from lmms_eval.tasks import TaskManager

    stock = Path(lmms_eval.__path__[0]) / "tasks"
    folders = [str(stock / name) for name in request["folders"]] + request["include"]
    done = simple_evaluate(
        model=request["model"],
        model_args=request["model_args"],
        tasks=request["tasks"],
        batch_size=1,
        task_manager=TaskManager("ERROR", include_path=folders, include_defaults=False),
        bootstrap_iters=0,
    )
    answers = {
        task: {sample["doc_id"]: sample["resps"][0][0] for sample in samples}
        for task, samples in done["samples"].items()
    }
    scores = {
        task: {key: value for key, value in found.items() if isinstance(value, float)}
        for task, found in done["results"].items()
    }
    return {"scores": scores, "answers": answers}


if __name__ == "__main__":
    asked = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps(run(asked)))
