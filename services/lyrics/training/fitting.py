"""The training itself: Trainer of transformers, which stops well and goes on from where it was."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint

from services.lyrics.training.errors import TrainingError
from services.lyrics.training.passages import Passage, Passages, spread
from services.lyrics.training.recipe import Recipe
from services.runtime.training.history import History
from services.runtime.training.progress import Bar, bar
from services.runtime.training.stopping import Stop, stoppable

#: What the loss leaves out.
IGNORED = -100


class Interrupted(Exception):
    """The training was told to stop, and has left a checkpoint of `step`."""

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step


def fit(model: Any, recipe: Recipe, work: Path, end: int, console: Console) -> History:
    """Trains `model` in place on the passages below `work`, from its last checkpoint if it has one.

    SIGINT and SIGTERM end the step, leave a checkpoint and raise `Interrupted`. Raises
    `TrainingError` for what the hardware cannot do.
    """
    checkpoints = work / "checkpoints"
    last = get_last_checkpoint(checkpoints) if checkpoints.is_dir() else None
    held_out = Passages(work, "held-out")
    try:
        arguments = _arguments(recipe, checkpoints)
    except ValueError as error:
        raise TrainingError(f"This machine cannot train so: {error}") from error
    with (
        bar(console, "Training", recipe.steps, counted=True) as shown,
        stoppable() as stop,
    ):
        watcher = _Watcher(shown, console, stop)
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=Passages(work, "train"),
            eval_dataset=spread(held_out, recipe.eval_passages),
            data_collator=lambda passages: batch(passages, end),
            callbacks=[watcher],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=last)
    if trainer.state.global_step < recipe.steps:
        raise Interrupted(trainer.state.global_step)
    return History.read(trainer.state.log_history)


def batch(passages: Sequence[Passage], end: int) -> dict[str, torch.Tensor]:
    """Passages side by side, each (passages, longest), filled up with `end`.

    Neither prompts nor what fills up is learned.
    """
    longest = max(len(passage.tokens) for passage in passages)
    ids = torch.full((len(passages), longest), end)
    mask = torch.zeros_like(ids)
    labels = torch.full_like(ids, IGNORED)
    for row, (tokens, prompt) in enumerate(passages):
        values = torch.tensor(tokens.astype("int64"))
        ids[row, : len(values)] = values
        mask[row, : len(values)] = 1
        labels[row, prompt : len(values)] = values[prompt:]
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def _arguments(recipe: Recipe, checkpoints: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(checkpoints),
        max_steps=recipe.steps,
        learning_rate=recipe.learning_rate,
        per_device_train_batch_size=recipe.batch,
        per_device_eval_batch_size=recipe.batch,
        gradient_accumulation_steps=recipe.accumulation,
        eval_strategy="steps",
        eval_steps=recipe.eval_every,
        eval_on_start=True,
        save_strategy="steps",
        save_steps=recipe.eval_every,
        save_total_limit=1,
        logging_steps=max(1, min(10, recipe.steps // 20)),
        bf16=recipe.bf16,
        use_cpu=not torch.accelerator.is_available(),
        seed=recipe.seed,
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        prediction_loss_only=True,
        dataloader_pin_memory=torch.cuda.is_available(),
    )


class _Watcher(TrainerCallback):  # type: ignore[misc]
    """Shows how far the training is, and ends it where that is wanted."""

    def __init__(self, shown: Bar, console: Console, stop: Stop) -> None:
        self._bar, self._console, self._stop = shown, console, stop

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        self._bar.at(state.global_step)
        if self._stop.wanted:
            control.should_save = control.should_training_stop = True

    def on_log(self, _args: Any, state: Any, _control: Any, logs: Any = None, **_: Any) -> None:
        if "eval_loss" in logs:
            loss = logs["eval_loss"]
            self._console.print(f"step {state.global_step}: held-out loss {loss:.4f}")
        elif "loss" in logs:
            self._bar.note(f"loss {float(logs['loss']):.3f}")
