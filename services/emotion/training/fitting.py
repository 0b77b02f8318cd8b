"""The training itself: Trainer of transformers, which stops well and goes on from where it was."""

import json
import math
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from sklearn.metrics import accuracy_score, f1_score, recall_score
from tensorboardX import SummaryWriter
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from services.emotion.corpora import Recording
from services.emotion.training.errors import Interrupted, TrainingError
from services.emotion.training.events import Events
from services.emotion.training.examples import Collator, Crops
from services.emotion.training.recipe import Recipe
from services.runtime.training.progress import Bar, bar
from services.runtime.training.stopping import Stop, stoppable

#: What a line of Trainer's log is called in ours.
_NAMES = {
    "loss": "train_loss",
    "learning_rate": "learning_rate",
    "eval_loss": "valid_loss",
    "eval_accuracy": "accuracy",
    "eval_uar": "uar",
    "eval_f1": "f1",
}

#: Less than any two accuracies differ by.
_TIE = 1e-7


def fit(
    network: Any,
    recipe: Recipe,
    parts: tuple[Crops, Crops],
    collate: Collator,
    weights: Sequence[float],
    work: Path,
    events: Events,
    console: Console,
) -> list[dict[str, Any]]:
    """Trains `network` in place on the first of `parts`, and leaves it as it was best on the other.

    `weights` say how much a clip of each label counts. It goes on from the last checkpoint below
    `work`, where there is one; `work/logs` is for TensorBoard. Gives Trainer's log. SIGINT and
    SIGTERM end the step, leave a checkpoint and raise `Interrupted`. Raises `TrainingError` for
    what the hardware cannot do, and for a loss that is no number any more.
    """
    checkpoints = work / "checkpoints"
    last = last_checkpoint(checkpoints)
    try:
        arguments = _arguments(recipe, checkpoints)
    except ValueError as error:
        raise TrainingError(f"This machine cannot train so: {error}") from error
    total = _steps(recipe, len(parts[0]))
    with bar(console, "Training", total, counted=True) as shown, stoppable() as stop:
        watcher = _Watcher(shown, console, stop, events, work / "logs", parts[0])
        trainer = Trainer(
            model=network,
            args=arguments,
            train_dataset=parts[0],
            eval_dataset=parts[1],
            data_collator=collate,
            compute_loss_func=_Loss(weights),
            compute_metrics=lambda answers: _judged(
                answers.predictions, answers.label_ids, recipe.metric
            ),
            callbacks=[watcher],
        )
        trainer.remove_callback(PrinterCallback)
        try:
            trainer.train(resume_from_checkpoint=str(last) if last else None)
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                "The memory of the GPU does not suffice. Take a smaller --batch, and as much more "
                "--accumulation, or shorter --seconds."
            ) from error
    if watcher.diverged:
        raise TrainingError(
            f"After step {trainer.state.global_step} the loss is no number any more. Choose a "
            "smaller --learning-rate."
        )
    if trainer.state.global_step < trainer.state.max_steps:
        raise Interrupted(trainer.state.global_step)
    log: list[dict[str, Any]] = trainer.state.log_history
    return log


def measured(logits: Any, truth: Any) -> dict[str, float]:
    """Accuracy, unweighted average recall and macro F1 of answers, over labels that occur.

    `logits` has shape `(clips, labels)`, `truth` `(clips,)`.
    """
    answers, truth = np.asarray(logits).argmax(axis=-1), np.asarray(truth)
    occurring = np.unique(truth)
    kind = {"labels": occurring, "average": "macro", "zero_division": 0.0}
    return {
        "accuracy": float(accuracy_score(truth, answers)),
        "uar": float(recall_score(truth, answers, **kind)),
        "f1": float(f1_score(truth, answers, **kind)),
    }


def _judged(logits: Any, truth: Any, metric: str) -> dict[str, float]:
    """What is measured, and `best`, which chooses: the metric, and of two alike the lower loss."""
    found = measured(logits, truth)
    loss = float(torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(truth)))
    return found | {"best": found[metric] - _TIE * loss}


def class_weights(recordings: Sequence[Recording], labels: Sequence[str]) -> list[float]:
    """How much a clip of each label counts, so that all labels count as much; 1 on average."""
    counts = Counter(recording.label for recording in recordings)
    return [len(recordings) / (len(labels) * counts[label]) for label in labels]


def last_checkpoint(checkpoints: Path) -> Path | None:
    """The newest whole one. Who was killed while it wrote one has left half of it: that is removed.

    Trainer writes its state last.
    """
    whole: list[tuple[int, Path]] = []
    for folder in checkpoints.glob("checkpoint-*"):
        try:
            json.loads((folder / "trainer_state.json").read_text("utf-8"))
            whole.append((int(folder.name.removeprefix("checkpoint-")), folder))
        except (OSError, ValueError):
            shutil.rmtree(folder)
    return max(whole)[1] if whole else None


def _steps(recipe: Recipe, clips: int) -> int:
    batches = math.ceil(clips / recipe.batch)
    return math.ceil(recipe.epochs * math.ceil(batches / recipe.accumulation))


def _arguments(recipe: Recipe, checkpoints: Path) -> TrainingArguments:
    gpu = torch.cuda.is_available()
    every = "steps" if recipe.checkpoint_every else "epoch"
    return TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        per_device_train_batch_size=recipe.batch,
        per_device_eval_batch_size=recipe.batch,
        gradient_accumulation_steps=recipe.accumulation,
        warmup_steps=recipe.warmup,
        weight_decay=recipe.weight_decay,
        eval_strategy=every,
        save_strategy=every,
        eval_steps=recipe.checkpoint_every or None,
        save_steps=recipe.checkpoint_every or 500,
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="eval_best",
        greater_is_better=True,
        logging_steps=1,
        logging_nan_inf_filter=False,
        fp16=recipe.fp16 and gpu,
        use_cpu=not torch.accelerator.is_available(),
        seed=recipe.seed,
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        # Decoding and augmenting take longer than a GPU does.
        dataloader_num_workers=4 if gpu else 0,
        dataloader_pin_memory=gpu,
    )


class _Loss:
    """Cross entropy in which the clips of some labels count more."""

    def __init__(self, weights: Sequence[float]) -> None:
        self._weights = torch.tensor(weights, dtype=torch.float32)

    def __call__(self, outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        logits = outputs["logits"].float()
        weights = self._weights.to(logits.device)
        losses = torch.nn.functional.cross_entropy(logits, labels, weights, reduction="none")
        # Over all batches of the step, which are of one size but for the last.
        return losses.mean() if num_items_in_batch is None else losses.sum() / num_items_in_batch


class _Watcher(TrainerCallback):  # type: ignore[misc]
    """Tells how far the training is, and ends it where that is wanted."""

    def __init__(
        self, shown: Bar, console: Console, stop: Stop, events: Events, logs: Path, crops: Crops
    ) -> None:
        self._bar, self._console, self._stop = shown, console, stop
        self._events, self._logs, self._crops = events, logs, crops
        self._board: SummaryWriter | None = None
        self._last: dict[str, float] = {}
        self.diverged = False

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        # What was logged after the checkpoint that we go on from is logged again.
        step = state.global_step
        self._board = SummaryWriter(str(self._logs), purge_step=step + 1 if step else None)
        self._bar.at(step)

    def on_epoch_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        self._crops.epoch = int((state.epoch or 0.0) + 1e-6)

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        self._bar.at(state.global_step)
        if self._stop.wanted:
            control.should_save = control.should_training_stop = True

    def on_log(self, _args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        known = {ours: float(logs[theirs]) for theirs, ours in _NAMES.items() if theirs in logs}
        if not all(map(math.isfinite, known.values())):
            self.diverged = control.should_training_stop = True
            return
        if not known:
            return
        if self._board is not None:
            for name, value in known.items():
                self._board.add_scalar(name, value, state.global_step)
        where = {
            "step": state.global_step, "total_steps": state.max_steps, "epoch": float(state.epoch),
        }  # fmt: skip
        self._events.metrics(_said(state.global_step, known), where | known)
        if "valid_loss" in known:
            self._last = known
            self._console.print(_said(state.global_step, known))
        elif "train_loss" in known:
            self._bar.note(f"loss {known['train_loss']:.3f}")

    def on_save(self, args: Any, state: Any, _control: Any, **_: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        self._events.checkpoint(state.global_step, folder, self._last)

    def on_train_end(self, *_: Any, **__: Any) -> None:
        if self._board is not None:
            self._board.close()


def _said(step: int, numbers: Mapping[str, float]) -> str:
    shown = (f"{name.replace('_', ' ')} {value:.4g}" for name, value in numbers.items())
    return f"step {step}: {', '.join(shown)}"
