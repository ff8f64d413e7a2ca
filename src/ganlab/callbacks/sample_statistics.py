"""Statistics of generated images against real ones and their inputs: diversity, class shares, the mean, correlation."""

from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from ganlab.metrics.diversity import dissimilarity
from ganlab.metrics.extractors.digits import DigitsFeatures
from ganlab.systems.family import Family
from ganlab.systems.request import Request

LEAST_SIDE = 8  # pixels; MS-SSIM needs more than smaller images have
CONFIDENT = 0.9  # least probability at which the classifier's answer counts


class SampleStatistics:
    """Compares the images of one request with real images.

    ``reals`` are uint8 (N, C, H, W), of the task's target domain. If the request has labels, those of the reals, images
    of a class become neighbours, since diversity compares neighbours. ``mean`` is the mean image at the last
    measurement, flat, divided by the mean distance of a real image from their mean.
    """

    def __init__(self, reals: Tensor, request: Request, task: str = "") -> None:
        if request.labels is not None:
            order = request.labels.argsort(stable=True)
            reals, request = reals[order], replace(request, labels=request.labels[order])
        self.reals, self.request, self.task = reals, request, task
        self.mean: Tensor | None = None
        self.real_shares: dict[str, float] | None = None

    def measure(self, system: Family, classifier: DigitsFeatures | None) -> dict[str, float]:
        """Return ``diversity`` and, by a classifier, ``classes/<number>`` and ``coverage``; empty for tiny images.

        ``diversity`` is the mean dissimilarity of two images over that of two real ones; ``coverage`` is the share of
        the real images' classes that occur. ``correlation`` with its input, of the same shape, is the mean over images.
        """
        images = system.respond(self.request, system.seed, self.task)
        if min(images.shape[2:]) < LEAST_SIDE:
            return {}
        self.reals = self.reals.to(images.device)
        self.mean = (images.float().mean(0).flatten() / self.real_deviation).cpu()
        values = {"diversity": dissimilarity(images) / max(self.real_dissimilarity, 1e-6)}
        if (inputs := self.request.inputs) is not None and inputs.shape == images.shape:
            values["correlation"] = correlation(inputs.to(images.device), images)
        if classifier is not None and (shares := class_shares(images, classifier)):
            if self.real_shares is None:
                self.real_shares = class_shares(self.reals, classifier)
            if present := [name for name, share in self.real_shares.items() if share > 0]:
                values |= shares | {"coverage": sum(shares[name] > 0 for name in present) / len(present)}
        return values

    @cached_property
    def real_dissimilarity(self) -> float:
        return dissimilarity(self.reals)

    @cached_property
    def real_deviation(self) -> Tensor:
        """Mean distance of a real image from their mean, in grey levels."""
        reals = self.reals.float()
        return reals.sub(reals.mean(0)).flatten(1).norm(dim=1).mean().clamp_min(1.0)


def correlation(images: Tensor, others: Tensor) -> float:
    """Return the correlation of the values of two images (N, C, H, W), the mean over N; 0 where one is constant."""
    first, second = (one.float().flatten(1) - one.float().flatten(1).mean(1, keepdim=True) for one in (images, others))
    return torch.cosine_similarity(first, second).mean().item()


def class_shares(images: Tensor, classifier: DigitsFeatures) -> dict[str, float]:
    """Return the share of each class among confidently classified images; empty if these are less than a quarter."""
    probabilities = classifier.classify(images.to(next(classifier.parameters()).device))
    confidence, classes = probabilities.max(dim=1)
    confident = classes[confidence > CONFIDENT]
    if len(confident) < len(images) / 4:
        return {}
    counts = torch.bincount(confident, minlength=probabilities.shape[1]).tolist()
    return {f"classes/{number}": count / len(confident) for number, count in enumerate(counts)}
