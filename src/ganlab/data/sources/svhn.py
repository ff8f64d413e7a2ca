"""SVHN: photographs of house numbers, 32x32 pixels, with the paper's protocol for 1,000 labels."""

from pathlib import Path

import numpy as np
from torchvision import datasets

from ganlab.data.fetching.download import fetch
from ganlab.data.fetching.published import Decoded, PublishedSet
from ganlab.errors import UserError

VALIDATION = 10_000  # pictures held out of the training set (DCGAN paper, sec. 5.2)
SHUFFLE_SEED = 42  # selects the held-out pictures, the same in every run; the paper names none


class SVHN(PublishedSet):
    """73,257 training, 26,032 test and 531,131 extra digits (Netzer et al. 2011)."""

    option = "svhn"
    splits = ("train", "extra", "test", "validation", "train_without_validation")
    classes = [str(digit) for digit in range(10)]

    @property
    def by_hand(self) -> str:  # type: ignore[override]
        return f"put {datasets.SVHN.split_list[self.published][0]}"

    @property
    def published(self) -> str:
        """The published split that this one is part of."""
        return self.split if self.split in datasets.SVHN.split_list else "train"

    @property
    def files(self) -> list[Path]:
        return [self.root / datasets.SVHN.split_list[self.published][1]]

    def fetch(self) -> None:
        url, _, md5 = datasets.SVHN.split_list[self.published]
        fetch(url, self.files[0], md5=md5)

    def decode(self) -> Decoded:
        loaded = datasets.SVHN(self.root, split=self.published)
        images, labels = loaded.data.transpose(0, 2, 3, 1), loaded.labels
        if self.published == self.split:
            return Decoded(images, labels)
        held_out, others = hold_out(len(labels), VALIDATION)
        chosen = held_out if self.split == "validation" else others
        return Decoded(images[chosen], labels[chosen])


def hold_out(count: int, held_out: int) -> tuple[np.ndarray, np.ndarray]:
    """Split 0 .. ``count`` - 1 with a fixed seed into ``held_out`` indices and the others, each sorted."""
    if held_out >= count:
        raise UserError(f"{held_out:,} of {count:,} pictures cannot be held out: take a smaller part")
    order = np.random.default_rng(SHUFFLE_SEED).permutation(count)
    return np.sort(order[:held_out]), np.sort(order[held_out:])
