"""Figure 5: guided backpropagation of the discriminator's last features, against random filters."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ganlab.arguments import Count, Several, checked
from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.latent.pictures import image_grid, side_by_side
from ganlab.paper.figure import Claim, Figure, FigureInputs, FigureResult, Model
from ganlab.probes.features import real_averages
from ganlab.probes.layers import feature_layers
from ganlab.probes.patches import FeaturePatches, feature_patches, lift

AVERAGED = 5_000  # training images for batch norm's statistics


@checked
@dataclass
class FeatureResponses(Figure):
    """The strongest patches of the last convolution's features and their guided derivatives, trained and random."""

    features: Count  # features shown, the first of the layer (paper: 6)
    patches: Count  # per feature (paper: 5)
    images: Count  # held-out images to search
    scored: Several  # features that are scored, at least those shown
    rule: str  # see `ganlab.probes.guided_backpropagation.guided`

    title = "what the discriminator's features respond to"
    published: ClassVar = {"lift": "beds and windows (by eye)", "lift_random": "nothing in particular (by eye)"}
    differs: ClassVar = (
        "on held-out images",
        "the score: the share of the guided derivative in objects' boxes, relative to a uniform derivative",
    )
    claims: ClassVar = (Claim("trained features respond to objects more than random ones do", "lift", "lift_random"),)

    def make(self, inputs: FigureInputs) -> FigureResult:
        model, held_out = inputs.model, inputs.held_out()
        if self.patches > (count := min(self.images, len(held_out))):
            raise UserError(
                f"figure.patches={self.patches} per feature need as many images, and {count:,} are searched: type "
                f"figure.patches={count}, or raise figure.images"
            )
        random = inputs.random_discriminator()
        trained, other = (self.found(net, model, inputs.training, held_out) for net in (model.discriminator, random))
        result = FigureResult({"": side_by_side([self.picture(part[: self.features]) for part in (trained, other)])})
        result.remarks.append("left: trained filters; right: random ones; below each patch: its derivative")
        if "boxes" in held_out.arrays:
            result.scores = {"lift": lift(trained), "lift_random": lift(other)}
            result.remarks.append(f"scores over {len(trained)} features of the last convolution")
        return result

    def found(self, network: nn.Module, model: Model, training: Pack, held_out: Pack) -> list[FeaturePatches]:
        """Return the strongest patches of a discriminator's last features."""
        layer = feature_layers(network, *model.discriminator_inputs())[-1]
        boxes = held_out.arrays.get("boxes")
        return feature_patches(
            network,
            held_out.images[: self.images],
            layer,
            list(range(min(max(self.scored, self.features), layer.channels))),
            self.patches,
            boxes=None if boxes is None else boxes[: self.images],
            averages=real_averages(network, training.images[:AVERAGED], model.value_range, model.fixed_label),
            value_range=model.value_range,
            rule=self.rule,
            label=model.fixed_label,
        )

    @staticmethod
    def picture(found: list[FeaturePatches]) -> Tensor:
        """Return a row of patches for each feature above a row of their derivatives."""
        return image_grid(torch.stack([row for one in found for row in (one.pixels, one.guided)]))
