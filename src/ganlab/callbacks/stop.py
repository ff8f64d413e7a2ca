"""StopAtImages: ends training after a number of images."""

from typing import Any

import lightning as L

from ganlab.systems.adversarial import AdversarialSystem


class StopAtImages(L.Callback):
    """Stops the trainer at the first minibatch that reaches ``max_images`` images seen; never for None.

    A run that was killed after it reached its length only ends: it is measured, previewed and saved.
    """

    def __init__(self, max_images: int | None) -> None:
        self.max_images = max_images

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: AdversarialSystem, *_: Any) -> None:
        if self.max_images is not None and pl_module.clock.images_seen >= self.max_images:
            trainer.should_stop = True

    def on_train_start(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        self.on_train_batch_end(trainer, pl_module)
