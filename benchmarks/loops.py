"""The same training step, three ways: through the Trainer, without it, and as tutorials write it."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import nn

from ganlab.data.module import ImageDataModule
from ganlab.runs.build import build_trainer
from ganlab.runs.callbacks import watch
from ganlab.runs.folder import RunFolder
from ganlab.runs.loggers import MetricsLog
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.update import DISCRIMINATOR, GENERATOR
from ganlab.transfer import send
from limits import finish


def tutorial_loop(
    generator: Any, discriminator: nn.Module, data: ImageDataModule, batch: int, device: torch.device
) -> Iterator[None]:
    """Train as a tutorial does, one step of D and of G at each ``next``."""
    d_adam = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    g_adam = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    criterion = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(batch, device=device), torch.zeros(batch, device=device)
    while True:
        for start in range(0, len(data.pack) - batch + 1, batch):
            reals = torch.from_numpy(np.array(data.pack.images[start : start + batch])).permute(0, 3, 1, 2)
            reals = (reals.float() / 127.5 - 1).contiguous().to(device)
            discriminator.zero_grad()
            criterion(discriminator(reals), ones).backward()
            fakes = generator(torch.rand(batch, generator.latent_size, device=device) * 2 - 1)
            criterion(discriminator(fakes.detach()), zeros).backward()
            d_adam.step()
            generator.zero_grad()
            criterion(discriminator(fakes), ones).backward()
            g_adam.step()
            yield


def own_step(
    system: AdversarialSystem, config: dict[str, Any], batch: int, size: int, device: torch.device
) -> Callable[[], None]:
    """Return this project's sequential step of D and G, of a system on its device, without the Trainer."""
    objective: Any = system.objective
    generator, discriminator = system.networks[GENERATOR], system.networks[DISCRIMINATOR]
    adam = dict(zip(system.players, system.configure_optimizers(), strict=True))
    reals = torch.rand(batch, 3, size, size, device=device).to(memory_format=torch.channels_last)
    low = config["trainer"]["precision"].startswith("bf16")
    random = torch.Generator().manual_seed(0)

    def discriminate(images: torch.Tensor) -> torch.Tensor:
        return system.compiled_or_raw(DISCRIMINATOR)(images).float()

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=low, cache_enabled=False):
            latents = send(generator.draw_latents(batch, random), device)
            fakes = system.compiled_or_raw(GENERATOR)(latents)
            generator.requires_grad_(False)
            objective.discriminator(discriminate(reals), discriminate(fakes.detach())).backward()
            adam[DISCRIMINATOR].step()
            adam[DISCRIMINATOR].zero_grad()
            generator.requires_grad_(True)
            discriminator.requires_grad_(False)
            objective.generator(None, discriminate(fakes)).backward()
            adam[GENERATOR].step()
            adam[GENERATOR].zero_grad()
            discriminator.requires_grad_(True)

    return step


class Stopwatch(L.Callback):
    """Takes the time from the first batch to the last, without what the other callbacks do before and after."""

    def __init__(self, until: int) -> None:
        self.until, self.began, self.ended = until, 0.0, 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        """Begin: the callbacks before have looked at the network."""
        finish(pl_module.device)
        self.began = time.perf_counter()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: AdversarialSystem, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """End with the last batch."""
        if pl_module.clock.images_seen >= self.until:
            finish(pl_module.device)
            self.ended = time.perf_counter()


def project_loop(
    system: AdversarialSystem, config: dict[str, Any], data: ImageDataModule, images: int, folder: RunFolder
) -> float:
    """Train ``images`` images more as ``src/train.py`` does; return the seconds from the first batch to the last."""
    until = system.clock.images_seen + images
    watched, stopwatch = watch(folder, config, data.pack, until, bool(system.classes)), Stopwatch(until)
    logger = MetricsLog(folder.metrics, watched.writer)
    trainer = build_trainer(config, [*watched.callbacks, stopwatch], [logger], watched.writer)
    trainer.fit(system, datamodule=data)
    return stopwatch.ended - stopwatch.began
