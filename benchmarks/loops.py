"""The same training step, three ways: through the Trainer, without it, and as tutorials write it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ganlab.callbacks.checkpoints import Checkpoints, Signals
from ganlab.callbacks.length import Length
from ganlab.callbacks.meter import Meter
from ganlab.callbacks.writer import Writer
from ganlab.data.module import ImageDataModule
from ganlab.runs.assembly import build_trainer
from ganlab.runs.loggers import MetricsFile
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.update import DISCRIMINATOR, GENERATOR
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

    def judge(images: torch.Tensor) -> torch.Tensor:
        return system.trained(DISCRIMINATOR)(images).float()

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=low, cache_enabled=False):
            latents = generator.draw_latents(batch, random).to(device)
            fakes = system.trained(GENERATOR)(latents)
            generator.requires_grad_(False)
            objective.discriminator(judge(reals), judge(fakes.detach())).backward()
            adam[DISCRIMINATOR].step()
            adam[DISCRIMINATOR].zero_grad()
            generator.requires_grad_(True)
            discriminator.requires_grad_(False)
            objective.generator(None, judge(fakes)).backward()
            adam[GENERATOR].step()
            adam[GENERATOR].zero_grad()
            discriminator.requires_grad_(True)

    return step


def project_loop(
    system: AdversarialSystem, config: dict[str, Any], data: ImageDataModule, images: int, folder: Path
) -> float:
    """Train ``images`` images more through the Trainer; return the seconds from the first batch to the last."""
    times: list[float] = []

    class Stopwatch(Length):
        def on_train_start(self, *_: Any) -> None:
            times.append(time.perf_counter())

        def on_train_end(self, *_: Any) -> None:
            finish(system.device)
            times.append(time.perf_counter())

    writer = Writer()
    watch = Stopwatch(system.clock.images_seen + images)
    callbacks = [Meter(config["every"]["log"]), watch, writer, Checkpoints(folder, config, None, None, Signals())]
    trainer = build_trainer(config, callbacks, [MetricsFile(folder / "metrics.csv", writer)])
    trainer.fit(system, datamodule=data)
    return times[1] - times[0]
