"""Figure 5: what the discriminator's last features respond to, beside random filters."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from ganlab.arguments import Count, Several
from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.latent.pictures import beside, sheet
from ganlab.paper.figure import Claim, Item, Material, Model, Outcome
from ganlab.probes.features import real_averages
from ganlab.probes.layers import feature_layers
from ganlab.probes.patches import FeaturePatches, feature_patches, lift

AVERAGED = 5_000  # training images that batch norm's statistics are averaged over


class FeatureResponses(Item):
    """The strongest patches of the last convolution's features, by guided back-propagation, trained beside random.

    Args:
        features: shown, the first of the layer (paper: 6).
        patches: of each feature (paper: 5).
        images: of the held-out set that are looked through.
        scored: features that the score is taken of; those shown where there are no more.
        rule: see `ganlab.probes.guided.guided`.
    """

    title = "what the discriminator's features respond to"
    published: ClassVar = {"lift": "beds and windows (by eye)", "lift_random": "nothing in particular (by eye)"}
    differs: ClassVar = (
        "on images that were not trained on",
        "the score: how much more of the guided derivative lies in objects' boxes than an even one would have there",
    )
    claims: ClassVar = (Claim("trained features respond to objects more than random ones do", "lift", "lift_random"),)

    def __init__(self, features: Count, patches: Count, images: Count, scored: Several, rule: str) -> None:
        self.features, self.patches, self.images = features, patches, images
        self.scored, self.rule = max(scored, features), rule

    def make(self, material: Material) -> Outcome:
        """Find and explain the patches of the trained and of random filters."""
        model, held_out = material.model, material.held_out()
        if self.patches > (count := min(self.images, len(held_out))):
            raise UserError(
                f"figure.patches={self.patches} of a feature come of as many images, and {count:,} are looked through: "
                f"type figure.patches={count}, or more of figure.images"
            )
        random = material.random_discriminator()
        trained, other = (self.found(net, model, material.training, held_out) for net in (model.discriminator, random))
        outcome = Outcome({"": beside([self.picture(part[: self.features]) for part in (trained, other)])})
        outcome.remarks.append("left: trained filters; right: random ones; below each patch its derivative")
        if "boxes" in held_out.arrays:
            outcome.scores = {"lift": lift(trained), "lift_random": lift(other)}
            outcome.remarks.append(f"scores over {len(trained)} features of the last convolution")
        return outcome

    def found(self, network: nn.Module, model: Model, training: Pack, held_out: Pack) -> list[FeaturePatches]:
        """Return the strongest patches of a discriminator's last features."""
        layer = feature_layers(network, *model.image())[-1]
        boxes = held_out.arrays.get("boxes")
        return feature_patches(
            network,
            held_out.images[: self.images],
            layer,
            list(range(min(self.scored, layer.maps))),
            self.patches,
            boxes=None if boxes is None else boxes[: self.images],
            averages=real_averages(network, training.images[:AVERAGED], model.value_range, model.label),
            value_range=model.value_range,
            rule=self.rule,
            label=model.label,
        )

    @staticmethod
    def picture(found: list[FeaturePatches]) -> Tensor:
        """Return a row of patches for each feature, and below it a row of their derivatives."""
        return sheet(torch.stack([row for one in found for row in (one.pixels, one.guided)]))
