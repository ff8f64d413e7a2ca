"""MNIST and data sets in its format: grey, 28x28 pixels, IDX files."""

from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torchvision import datasets

from ganlab.arguments import Count, Natural, checked
from ganlab.data.fetching.archives import gunzip
from ganlab.data.fetching.download import explain_errors, fetch, fetch_archive
from ganlab.data.fetching.published import Decoded, PublishedSet
from ganlab.data.packs.source import Record, Source
from ganlab.errors import UserError
from ganlab.locks import locked


class MNIST(PublishedSet):
    """60,000 + 10,000 handwritten digits (LeCun et al. 1998)."""

    option = "mnist"
    dataset: ClassVar[type[datasets.MNIST]] = datasets.MNIST
    classes = [str(digit) for digit in range(10)]
    content: str | None = "digits"

    @property
    def raw(self) -> Path:
        return self.root / self.dataset.__name__ / "raw"

    @property
    def files(self) -> list[Path]:
        """Pictures and labels of both splits; torchvision needs all four."""
        return [self.raw / name.removesuffix(".gz") for name, _ in self.dataset.resources]

    @property
    def by_hand(self) -> str:  # type: ignore[override]
        return f"unpack the four files of {self.dataset.mirrors[0]} as {self.dataset.__name__}/raw/*-ubyte"

    def fetch(self) -> None:
        for name, md5 in self.dataset.resources:
            path = self.raw / name.removesuffix(".gz")
            with explain_errors(self.dataset.mirrors[0] + name, path), locked(path, f"fetches {name}"):
                if not path.is_file():
                    self._fetch_from_mirrors(name, md5)
                    gunzip(self.raw / name, path)
                    (self.raw / name).unlink()

    def _fetch_from_mirrors(self, name: str, md5: str) -> None:
        failures = []
        for mirror in self.dataset.mirrors:
            try:
                return fetch(mirror + name, self.raw / name, md5=md5)
            except UserError as error:
                failures.append(error)
        raise failures[0]

    def decode(self) -> Decoded:
        loaded = self.dataset(self.root, train=self.split == "train")
        return Decoded(np.asarray(loaded.data), np.asarray(loaded.targets))


class FashionMNIST(MNIST):
    """60,000 + 10,000 pictures of clothing (Xiao et al. 2017)."""

    option = "fashion_mnist"
    dataset = datasets.FashionMNIST
    classes = list(datasets.FashionMNIST.classes)
    content: str | None = None


class EMNIST(PublishedSet):
    """Handwritten letters and digits (Cohen et al. 2017) in six ``part``s, upright."""

    option = "emnist"
    own = ("part",)
    by_hand = f"unpack the files of {datasets.EMNIST.url} as EMNIST/raw/*-ubyte"

    def __init__(self, root: str, part: str, split: str, download: bool) -> None:
        if part not in datasets.EMNIST.splits:
            raise UserError(f"data.part={part} is not in EMNIST: take one of {', '.join(datasets.EMNIST.splits)}")
        self.part = part
        self.classes = [name for name in datasets.EMNIST.classes_split_dict[part] if name != "N/A"]
        self.content = "digits" if len(self.classes) == 10 else None
        super().__init__(root, split, download)
        self.name = f"emnist-{part}-{split}"

    @property
    def files(self) -> list[Path]:
        stem = self.root / "EMNIST" / "raw" / f"emnist-{self.part}-{self.split}"
        return [stem.with_name(stem.name + ending) for ending in ("-images-idx3-ubyte", "-labels-idx1-ubyte")]

    def fetch(self) -> None:
        place = self.root / "EMNIST"
        fetch_archive(datasets.EMNIST.url, place, expected=place / "gzip", md5=datasets.EMNIST.md5)
        with explain_errors(datasets.EMNIST.url, place), locked(place / "raw", "unpacks EMNIST"):
            (place / "raw").mkdir(exist_ok=True)
            for path in self.missing():
                gunzip(place / "gzip" / f"{path.name}.gz", path)

    def decode(self) -> Decoded:
        loaded = datasets.EMNIST(self.root, split=self.part, train=self.split == "train")
        labels = np.asarray(loaded.targets) - (self.part == "letters")  # whose published classes start at 1
        return Decoded(np.asarray(loaded.data).transpose(0, 2, 1), labels)  # published transposed


@checked
class StackedMNIST(Source):
    """``count`` pictures of random MNIST digits as red, green, blue: 1,000 modes (Metz et al. 2016, Unrolled GAN)."""

    in_memory = True
    classes = [f"{mode:03d}" for mode in range(1000)]

    def __init__(self, root: str, split: str, count: Count, seed: Natural, download: bool) -> None:
        self.digits = MNIST(root, split, download)
        self.count, self.seed = count, seed  # 128,000 pictures are usual (Lin et al. 2018, PacGAN)
        self.name = f"stacked_mnist-{split}"

    def notes(self) -> dict[str, Any]:
        return {"channels": {channel: MNIST.classes for channel in ("red", "green", "blue")}}

    def __len__(self) -> int:
        return self.count

    def fingerprint(self) -> dict[str, Any]:
        return {"of": self.digits.fingerprint(), "count": self.count, "seed": self.seed}

    def read(self, index: int) -> Record:
        images, labels = self.digits.decoded
        assert labels is not None
        chosen = self._stacks[index]
        return {"images": np.stack(images[chosen], axis=-1), "labels": int(labels[chosen] @ (100, 10, 1))}

    @cached_property
    def _stacks(self) -> np.ndarray:
        return np.random.default_rng(self.seed).integers(0, len(self.digits), (self.count, 3))
