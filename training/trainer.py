"""transformers' Trainer with our batches, learning rates and loss.

Only the processes that train import this module: it needs torch and transformers at once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainingArguments

from harness.errors import UserError
from training._logits import LabelledOnly
from training.batches import Batches
from training.collate import SKIPPED
from training.feeding import loader_of
from training.flops import peak_of, step_flops
from training.held_out import HeldOut
from training.masks import IGNORED
from training.packing import check_apart
from training.parts import parameter_groups, trained_sizes
from training.presets import Settings
from training.states import MARK, best, keep_last, write_mark

_WEIGHTS = "weights.pt"


class NonFinite(RuntimeError):
    """The loss, or the gradients' norm, is no number any more."""


class TokenTrainer(Trainer):  # type: ignore[misc]
    """Normalises the loss by the labelled tokens of the whole optimizer step.

    So a step is the same whatever the number of processes and of micro-steps.

    Args:
        model: The model.
        args: transformers' own.
        settings: Ours.
        batches: Of all ranks.
        collator: From row indices to inputs.
        rows: Number of rows.
        held_out: What the loss of states is taken on.
        full_logits: Compute all logits (for comparison).
        wants_stop: Asked after every step; one rank's yes stops all, after a state is saved.
    """

    loss_is_scaled_for_ga = True

    def __init__(
        self,
        model: Any,
        args: TrainingArguments,
        *,
        settings: Settings,
        batches: Batches,
        collator: Callable[[Any], dict[str, Any]],
        rows: int,
        held_out: HeldOut | None = None,
        full_logits: bool = False,
        wants_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(model, args, train_dataset=range(rows))
        self._settings = settings
        self._batches = batches
        self._collator = collator
        self._labelled = None if full_logits else LabelledOnly(model)
        self._held_out = held_out
        self._proven_apart = settings.batching != "packed"
        self._wants_stop = wants_stop
        self._step_loss = 0.0
        self._checked = -1
        self._skipped: set[int] = set()
        self._peak = peak_of(torch.cuda.get_device_name()) if settings.on_gpu else None
        self._sizes = trained_sizes(model)
        self._flops = 0.0
        self._since: float | None = None
        self.tokens = 0
        """Seen so far by all ranks, padding left out."""
        self.skipped = 0
        """Rows so far that could not be read."""
        self.stopped = False
        """Whether it was asked to stop before the end."""

    # Data.

    def get_train_dataloader(self) -> Any:
        """Batches of this rank; the collator runs in workers."""
        rows, rank = len(self.train_dataset), self.args.process_index
        return loader_of(rows, self._batches, self._collator, self._settings, rank)

    def get_batch_samples(
        self, epoch_iterator: Any, num_batches: int, device: Any
    ) -> tuple[list[Any], Any]:
        """A step's batches, and how many labelled tokens all ranks have in them."""
        samples: list[Any] = []
        if self.state.global_step >= self.args.max_steps:
            return samples, 1  # resumed at the end: transformers would go on to the epoch's
        for _ in range(num_batches):
            try:
                samples.append(next(epoch_iterator))
            except StopIteration:
                break
        labels = tokens = skipped = 0
        for batch in samples:
            labels += int((batch["labels"][:, 1:] != IGNORED).sum())
            mask = batch.get("attention_mask")
            tokens += batch["input_ids"].numel() if mask is None else int(mask.sum())
            skipped += self._note_skipped(batch.pop(SKIPPED).tolist())
            if self._peak:
                self._flops += step_flops(self.model, self._sizes, batch)
        counts = torch.tensor([[labels, tokens, skipped]], device=device)
        labels, tokens, skipped = self.accelerator.gather(counts).sum(0).tolist()
        self.tokens += tokens
        self.skipped += skipped
        return samples, max(labels, 1)

    def _note_skipped(self, rows: list[int]) -> int:
        new = set(rows) - self._skipped
        self._skipped |= new
        for row in sorted(new):
            print(f"row {row} could not be read; it is left out", flush=True)  # noqa: T201
        return len(new)

    def mfu(self) -> float | None:
        """This rank's FLOPs over its card's bf16 rate, its first step left out; None on a CPU."""
        if self._peak is None or self._since is None:
            return None
        seconds = time.monotonic() - self._since
        return round(self._flops / seconds / self._peak, 4) if seconds > 0 else None

    # Loss.

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """This rank's share of the step's loss, times the ranks: gradients are averaged."""
        total, _ = self.summed_loss(model, inputs)
        return total * (self.args.world_size / num_items_in_batch)

    def summed_loss(self, model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, int]:
        """Loss of a batch, summed over its labelled tokens, and how many they are.

        Args:
            model: The model, perhaps wrapped.
            inputs: A batch, with labels.
        """
        inputs = {name: tensor for name, tensor in inputs.items() if name != SKIPPED}
        labels = inputs.pop("labels")
        if self._labelled is None:
            logits = model(**inputs, use_cache=False).logits[:, :-1].flatten(0, 1)
            targets = labels[:, 1:].reshape(-1)
        else:
            logits, targets = self._labelled.logits(model, inputs, labels)
        total = torch.nn.functional.cross_entropy(
            logits.float(), targets, ignore_index=IGNORED, reduction="sum"
        )
        return total, int((targets != IGNORED).sum())

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """Add up the loss of a step."""
        if not self._proven_apart:  # here, for over ZeRO-3 no process has the weights before
            check_apart(model)
            self._proven_apart = True
        loss = super().training_step(model, inputs, num_items_in_batch)
        self._step_loss = self._step_loss + loss
        return loss

    def _maybe_log_save_evaluate(
        self, tr_loss: Any, grad_norm: Any, *args: Any, **kwargs: Any
    ) -> None:
        if self._checked != self.state.global_step:
            self._checked = self.state.global_step
            self._check_step(grad_norm)
        super()._maybe_log_save_evaluate(tr_loss, grad_norm, *args, **kwargs)

    def _check_step(self, grad_norm: Any) -> None:
        """All ranks look at all ranks' loss, and agree whether to go on."""
        # No clock and no file of one rank's own may decide: all stop, or none.
        mine = torch.as_tensor(self._step_loss, dtype=torch.float64).reshape(1, 1).cpu()
        facts = torch.cat([mine, mine.new_tensor([[float(self._wants_stop())]])], dim=1)
        # Without float64 on some accelerators, and one number is enough.
        everyone = self.accelerator.gather(facts.float().to(self.args.device))
        self._step_loss = 0.0
        if self._since is None:
            self._since, self._flops = time.monotonic(), 0.0
        loss, stop = everyone[:, 0].mean().item(), everyone[:, 1].max().item()
        norm = 0.0 if grad_norm is None else float(grad_norm)
        step = self.state.global_step
        if not math.isfinite(loss):
            raise NonFinite(f"the loss is {loss} at step {step}")
        if not math.isfinite(norm):
            raise NonFinite(f"the gradients' norm is {norm} at step {step}")
        if stop and step < self.state.max_steps:
            self.stopped = True
            self.control.should_save = self.control.should_training_stop = True

    # Optimizer.

    def create_optimizer(self, model: Any = None) -> Any:
        """AdamW with a learning rate a part."""
        if getattr(self, "optimizer", None) is None:
            model = self.model if model is None else model
            decayed = self.get_decay_parameter_names(model)
            groups = parameter_groups(model, self._settings, decayed)
            for group in groups:
                del group["names"]
            self.optimizer = torch.optim.AdamW(
                groups, lr=self._settings.lr, betas=self._settings.betas, eps=1e-8
            )
        return self.optimizer

    # States.

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the weights of a state; DeepSpeed's states have them themselves."""
        if self.is_deepspeed_enabled or not self.args.should_save or output_dir is None:
            return
        torch.save(dict(self._trained()), Path(output_dir) / _WEIGHTS)

    def _trained(self) -> Iterator[tuple[str, Any]]:
        model = self.accelerator.unwrap_model(self.model)
        return ((n, p.detach()) for n, p in model.named_parameters() if p.requires_grad)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Read the weights of a state.

        Not by transformers' own: it writes a checkpoint's published names, looks for the model's,
        and goes on without those it does not find.
        """
        path = Path(resume_from_checkpoint) / _WEIGHTS
        weights = torch.load(path, map_location="cpu", weights_only=True)
        for name, parameter in self._trained():
            parameter.copy_(weights.pop(name))
        if weights:
            raise UserError(f"{path} holds weights that the model does not have: {min(weights)}")

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        step, root = self.state.global_step, Path(self.args.output_dir)
        folder = root / f"checkpoint-{step}"
        loss = self._held_out_loss()
        if self.args.should_save:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / MARK).unlink(missing_ok=True)
        self.accelerator.wait_for_everyone()
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            # Written last: a state without it is not whole. Older ones go only then.
            write_mark(
                folder, step=step, ranks=self.args.world_size, tokens=self.tokens,
                skipped=self.skipped, held_out=loss,
            )  # fmt: skip
            keep_last(root, self._settings.keep, best_too=self._settings.choose == "best")

    def _held_out_loss(self) -> float | None:
        """Of the model as it is; None at a stop, for an uninterrupted run would not look here."""
        step = self.state.global_step
        due = step % self.args.save_steps == 0 or step >= self.args.max_steps
        if self._held_out is None or not due:
            return None
        loss = self._held_out.loss(self)
        if not math.isfinite(loss):
            raise NonFinite(f"the loss on held_out is {loss} at step {step}")
        self.log({"held_out_loss": loss})
        return loss

    def choose(self) -> int:
        """Take the weights that the checkpoint is to have; gives their step.

        All ranks must call this together, after the last state is saved.
        """
        last, root = int(self.state.global_step), Path(self.args.output_dir)
        if self._settings.choose == "last":
            return last
        self.accelerator.wait_for_everyone()
        chosen = best(root)
        # The first rank's word: other machines may see the folder later.
        told = torch.tensor([last if chosen is None else chosen.step], device=self.args.device)
        step = int(self.accelerator.gather(told)[0])
        if step == last:
            return last
        path = str(root / f"checkpoint-{step}")
        if self.is_deepspeed_enabled:
            from transformers.integrations.deepspeed import deepspeed_load_checkpoint

            strict = self._settings.lora is None
            deepspeed_load_checkpoint(self.deepspeed, path, load_module_strict=strict)
        else:
            self._load_from_checkpoint(path)
        return step
