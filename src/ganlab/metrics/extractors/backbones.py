"""Classifiers of torchvision as feature networks."""

import io
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models

from ganlab.errors import UserError
from ganlab.metrics.extractors.features import ColourFeatures
from ganlab.metrics.extractors.resizing import DESCRIPTIONS, clean_bicubic
from ganlab.metrics.extractors.weights import UNUSABLE, first_line, published_weights, read_weights

# What torchvision sets when it loads the weights itself, which it would unpickle without restriction.
AS_PUBLISHED: dict[str, Any] = dict.fromkeys(
    ("inception_v3", "googlenet"), {"transform_input": True, "init_weights": False}
)


class BackboneFeatures(ColourFeatures):
    """Input of the last linear layer of an ImageNet classifier of torchvision, which predicts 1000 classes.

    Images are resized as by clean-fid, without a crop, to the side at which the classifier was tested, and normalised
    as in its training. ``weights`` are a state dict; by default those that torchvision lists first, cached or
    downloaded. ``UserError`` if they are not available or do not fit, or the classifier has no linear layer.
    """

    size: tuple[int, int]
    mean: Tensor
    deviation: Tensor

    def __init__(self, name: str, weights: Path | None = None) -> None:
        if name not in models.list_models(module=models):
            raise UserError(
                f"features={name} does not exist; choose auto, inception, digits, classifier, torchscript, "
                "or a classifier of torchvision such as resnet50 (features=torchvision features.name=resnet50)"
            )
        with torch.device("meta"):  # the file replaces all values
            network = models.get_model(name, weights=None, **AS_PUBLISHED.get(name, {}))
        heads = [path for path, layer in network.named_modules() if isinstance(layer, nn.Linear)]
        if not heads:
            raise UserError(f"features={name} has no last linear layer; set features=resnet50")
        published = next(iter(models.get_model_weights(name)))
        file = weights or published_weights(published.url)
        content = read_weights(file)
        super().__init__(content)
        try:
            state = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
            network.load_state_dict({_renamed(key): value for key, value in state.items()}, assign=True)
        except UNUSABLE as reason:
            raise UserError(
                f"{file} does not hold weights of torchvision's {name} ({first_line(reason)}); "
                f"take the standard file: {published.url}"
            ) from reason
        preset: Any = published.transforms()
        side = preset.crop_size[0]
        self.name, self.size = name, (side, side)
        self.resize = f"{DESCRIPTIONS['clean']}, to {side}x{side}"
        self.register_buffer("mean", 255 * torch.tensor(preset.mean).view(3, 1, 1))
        self.register_buffer("deviation", 255 * torch.tensor(preset.std).view(3, 1, 1))
        head = network.get_submodule(heads[-1])
        assert isinstance(head, nn.Linear)
        self.head, self.num_features, self.num_classes = head, head.in_features, head.out_features
        network.set_submodule(heads[-1], nn.Identity())
        self.network = network.float()
        self.requires_grad_(False).eval().to(memory_format=torch.channels_last)

    def extract(self, images: Tensor) -> Tensor:
        return self.network((clean_bicubic(images, self.size) - self.mean) / self.deviation)

    def probabilities(self, features: Tensor) -> Tensor:
        return self.head(features).softmax(dim=1)


def _renamed(key: str) -> str:
    """Return the current name of a weight; DenseNet's files have the names of 2018."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2", key)
