"""Classifiers of torchvision as feature networks."""

import io
import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models

from ganlab.errors import UserError
from ganlab.metrics.extractors.features import ColourFeatures
from ganlab.metrics.extractors.resizing import DESCRIPTIONS, clean_bicubic
from ganlab.metrics.extractors.weights import first_line, published_weights, read_weights

# What torchvision sets by itself where it loads the weights, which it would unpickle freely.
AS_PUBLISHED: dict[str, dict[str, Any]] = {
    "inception_v3": {"transform_input": True, "init_weights": False},
    "googlenet": {"transform_input": True, "init_weights": False},
}


class BackboneFeatures(ColourFeatures):
    """What an ImageNet classifier of torchvision gives to its last linear layer; that tells 1000 classes.

    Images are resized whole, without a crop, to the side that the classifier was tested at, as clean-fid does, and
    normalised as in its training.

    Args:
        name: torchvision's, such as ``resnet50``.
        weights: a state dict. None takes the weights that torchvision lists first, from torch hub's cache or fetched.

    Raises:
        UserError: the weights cannot be had or do not fit, or the classifier has no linear layer.
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
        with torch.device("meta"):  # no time is spent on values that the file replaces
            network = models.get_model(name, weights=None, **AS_PUBLISHED.get(name, {}))
        heads = [path for path, layer in network.named_modules() if isinstance(layer, nn.Linear)]
        if not heads:
            raise UserError(f"features={name} ends in no linear layer to stop before; set features=resnet50")
        published = next(iter(models.get_model_weights(name)))
        file = weights or published_weights(published.url)
        content = read_weights(file)
        super().__init__(content)
        try:
            state = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
            network.load_state_dict({_renamed(key): value for key, value in state.items()}, assign=True)
        except (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, AttributeError) as reason:
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
        """Return what the last layer would be given (N, num_features)."""
        return self.network((clean_bicubic(images, self.size) - self.mean) / self.deviation)

    def probabilities(self, features: Tensor) -> Tensor:
        """Return probabilities (N, 1000) of ImageNet's classes for features (N, num_features)."""
        return self.head(features).softmax(dim=1)


def _renamed(key: str) -> str:
    """Return a weight's name of today; DenseNet's files have those of before 2019."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2", key)
