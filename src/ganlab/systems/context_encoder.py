"""Context encoder (Pathak et al. 2016): a picture with a hole to what is missing."""

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ganlab.arguments import NonNegative, Positive, checked
from ganlab.data.inputs import HOLES
from ganlab.networks.statistics import batch_norms, sampling
from ganlab.systems.request import Request
from ganlab.systems.translation import PairedTranslation
from ganlab.systems.update import GENERATOR
from ganlab.transfer import Batch


@checked
class ContextEncoder(PairedTranslation):
    """The generator's terms are ``adversarial`` and ``l2``, the weighted mean squared difference from the truth.

    It predicts the centre of a picture or, with ``region=whole``, all of it; the discriminator sees what is predicted.
    Pictures that are made show predictions where something was missing, and the input elsewhere.

    Args:
        *parts: of `PairedTranslation`.
        inputs: what training data were made by, one of `ganlab.data.inputs.KINDS`.
        known: weight in ``l2`` of predicted pixels that the input shows: the rim of ``data.overlap``, and all around
            the hole with ``region=whole``; others weigh 1. The mean is over all predicted pixels.
        generator_rate: factor of the generator's learning rate while both terms are there (authors' code).
        **options: of `PairedTranslation`.

    Raises:
        ValueError: ``inputs`` are no pictures with the hole that the generator predicts, or ``statistics=batch`` and a
            batch norm meets one value.
    """

    learns_from = ("inputs", "targets", "masks")

    def __init__(
        self,
        *parts: Any,
        inputs: str = "centre_hole",
        known: NonNegative = 10.0,
        generator_rate: Positive = 10.0,
        **options: Any,
    ) -> None:
        super().__init__(*parts, **options)
        generator = self.networks[GENERATOR]
        self.centre, self.known = getattr(generator, "region", "whole") == "centre", known
        possible = ("centre_hole",) if self.centre else HOLES
        if inputs not in possible:
            fix = ", or architecture.region=whole" if inputs in HOLES else ""
            raise ValueError(
                f"the generator predicts {'the centre' if self.centre else 'what is missing'}, and data.inputs="
                f"{inputs} does not take that away: type data.inputs={' or '.join(possible)}{fix}"
            )
        if self.statistics == "batch" and meets_one_value(generator):
            raise ValueError("a batch norm meets one value of a picture by itself: type system.statistics=running")
        player = self.players[GENERATOR]
        if self.weight(GENERATOR, "adversarial") and self.weight(GENERATOR, "l2"):
            make: Any = player.optimizer
            rate = make([nn.Parameter(torch.zeros(1, device="cpu"))]).defaults["lr"]
            faster = partial(make, lr=generator_rate * rate)
            self.players[GENERATOR] = replace(player, optimizer=faster)

    def prepare(self, batch: Batch) -> Batch:
        """Add ``weights`` (N, 1, H, W) of the pixels in ``l2``, made of the masks and rims (N, H, W)."""
        shown = ~batch["masks"] | batch["rim"] if "rim" in batch else ~batch["masks"]
        return super().prepare(batch) | {"weights": torch.where(shown, self.known, 1.0)[:, None]}

    def predicted(self, pictures: Tensor) -> Tensor:
        """Return the predicted region of pictures (N, C, H, W)."""
        if not self.centre:
            return pictures
        height, width = pictures.shape[2:]
        top, left = height // 4, width // 4
        return pictures[:, :, top : top + height // 2, left : left + width // 2]

    def loss(self, player: str, batch: Batch, fakes: Batch) -> Batch:
        return super().loss(player, batch | {"targets": self.predicted(batch["targets"])}, fakes)

    def seen(self, batch: Batch, images: Tensor) -> Batch:
        return {"images": images}

    def reconstruction(self, batch: Batch, images: Tensor) -> Batch:
        return {"l2": (self.predicted(batch["weights"]) * (images - batch["targets"]).square()).mean()}

    def decode(self, request: Request, seed: int, task: str = "") -> Tensor:
        """Return the inputs, floats (N, C, H, W), with the predictions where the masks are above 0.

        Without masks the whole predicted region is put in.
        """
        made = super().decode(request, seed, task)
        assert request.inputs is not None
        completed = self.as_floats(request.inputs).expand(-1, made.shape[1], -1, -1).clone()
        self.predicted(completed).copy_(made)
        if request.masks is None:
            return completed
        return torch.where(request.masks.to(self.device) > 0, completed, self.as_floats(request.inputs))


def meets_one_value(network: Any) -> bool:
    """Whether batch norm cannot normalise one picture, of which a layer leaves one pixel."""
    if not batch_norms(network):
        return False
    try:
        with sampling(network, "batch"):
            network(torch.zeros(1, *network.input_shape, device=next(network.parameters()).device))
    except ValueError:  # of PyTorch: more than one value a channel is expected
        return True
    return False
