"""InceptionV3, the feature network of the FID paper."""

import io
from pathlib import Path

import torch
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from ganlab.errors import UserError
from ganlab.metrics.extractors.features import ColourFeatures
from ganlab.metrics.extractors.resizing import DESCRIPTIONS, RESIZES
from ganlab.metrics.extractors.weights import UNUSABLE, first_line, published_weights, read_weights


class InceptionFeatures(ColourFeatures):
    """The 2048 pooled features of TensorFlow's InceptionV3 of 2015, the network of the FID paper (Heusel et al., 2017).

    Its 1008 classes are those of the Inception score; as in the score's code (Salimans et al., 2016) and in
    torch-fidelity, the last layer has no bias. ``weights`` are a state dict in torch-fidelity's layout, by default the
    standard file, cached or downloaded. ``resize``, to 299x299, is ``torch_fidelity`` (bilinear without antialiasing,
    as TensorFlow 1 in the FID paper's code) or ``clean`` (bicubic, as clean-fid).
    """

    name = "inception"
    num_features = 2048
    num_classes = 1008
    size = (299, 299)

    def __init__(self, weights: Path | None = None, resize: str = "torch_fidelity") -> None:
        if resize not in RESIZES:
            raise UserError(f"features.resize={resize} does not exist; choose {' or '.join(RESIZES)}")
        file = weights or standard_inception_weights()
        content = read_weights(file)
        super().__init__(content)
        self.resized, self.resize = RESIZES[resize], f"{DESCRIPTIONS[resize]}, to 299x299"
        try:
            # The extractor unpickles without restriction: it gets the bytes that the safe loader accepted.
            torch.load(io.BytesIO(content), weights_only=True)
            self.network = FeatureExtractorInceptionV3(
                "inception-v3-compat", ["2048"], feature_extractor_weights_path=io.BytesIO(content)
            )
        except UNUSABLE as reason:
            raise UserError(
                f"{file} does not hold InceptionV3 weights in torch-fidelity's layout ({first_line(reason)}); "
                f"take the standard file: {URL_INCEPTION_V3}"
            ) from reason
        self.network.to(memory_format=torch.channels_last)  # a third faster on the CPU

    def extract(self, images: Tensor) -> Tensor:
        values = (self.resized(images, self.size) - 128) / 128
        for name, layer in self.network.named_children():  # as its own forward, which has a single resize
            if name != "fc":
                values = layer(values)
        return values.flatten(1)

    def probabilities(self, features: Tensor) -> Tensor:
        return (features @ self.network.fc.weight.T).softmax(dim=1)


def standard_inception_weights() -> Path:
    """Return the standard InceptionV3 weights in torch hub's cache, downloaded (96 MB) if absent or damaged."""
    return published_weights(URL_INCEPTION_V3)
