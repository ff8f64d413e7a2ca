"""pix2pix (Isola et al. 2017): a picture to its aligned counterpart."""

from typing import Any

from torch import Tensor

from ganlab.systems.translation import PairedTranslation
from ganlab.systems.update import DISCRIMINATOR, GENERATOR
from ganlab.transfer import Batch


class Pix2Pix(PairedTranslation):
    """The generator's terms are ``adversarial`` and ``l1``, the mean absolute difference from the target.

    A discriminator with ``condition_channels`` sees the input in front of the image (cGAN); one without sees the image
    alone (GAN). Arguments are those of `PairedTranslation`.

    Raises:
        ValueError: the discriminator takes other inputs than the generator, or the generator predicts a part alone.
    """

    def __init__(self, *parts: Any, **options: Any) -> None:
        super().__init__(*parts, **options)
        generator: Any = self.networks[GENERATOR]
        discriminator = self.networks[DISCRIMINATOR]
        self.conditions, inputs = getattr(discriminator, "condition_channels", 0), generator.input_shape[0]
        if self.conditions not in (0, inputs):
            raise ValueError(
                f"the discriminator is given inputs of {self.conditions} channels and the generator {inputs}: type "
                f"architecture.condition_channels={inputs}, or 0 for a discriminator that sees the output alone"
            )
        if getattr(generator, "region", "whole") != "whole":
            raise ValueError("pix2pix makes whole pictures: type architecture.region=whole, or system=context_encoder")

    def seen(self, batch: Batch, images: Tensor) -> Batch:
        return {"images": images, "inputs": batch["inputs"]} if self.conditions else {"images": images}

    def reconstruction(self, batch: Batch, images: Tensor) -> Batch:
        return {"l1": (images - batch["targets"]).abs().mean()}
