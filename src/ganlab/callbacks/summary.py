"""Summary: scores and alarms of a finished run, as a file."""

import json
from pathlib import Path
from typing import Any

import lightning as L

from ganlab.callbacks.diagnostics import Diagnostics
from ganlab.callbacks.evaluations import Evaluations
from ganlab.files import write_text_atomically
from ganlab.systems.adversarial import AdversarialSystem


class Summary(L.Callback):
    """Writes ``summary.json`` when training ends, not when it is stopped: the file marks a finished run."""

    def __init__(self, path: Path, evaluations: Evaluations | None, diagnostics: Diagnostics | None) -> None:
        self.path, self.evaluations, self.diagnostics = path, evaluations, diagnostics

    def on_train_end(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        if not trainer.is_global_zero:
            return
        summary: dict[str, Any] = {"status": "finished", "images_seen": pl_module.clock.images_seen}
        summary |= {"score": None, "metrics": {}}
        if self.evaluations:
            summary |= {"score": self.evaluations.best, "metrics": self.evaluations.latest}
            summary["protocol"] = self.evaluations.evaluator.protocol(pl_module)
        summary["alarms"] = self.diagnostics.tripped if self.diagnostics else []
        write_text_atomically(self.path, json.dumps(summary, indent=2))
