"""CIFAR-10 and CIFAR-100: colour photographs of 32x32 pixels."""

import pickle
from pathlib import Path
from typing import Literal

import numpy as np
from torchvision import datasets

from ganlab.arguments import checked
from ganlab.data.fetching.published import ArchiveSet, Decoded

FINE = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard
    lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear
    pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark
    shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone
    television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""
COARSE = """
    aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices
    household_furniture insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes
    large_omnivores_and_herbivores medium_mammals non-insect_invertebrates people reptiles small_mammals trees
    vehicles_1 vehicles_2
"""


class CIFAR10(ArchiveSet):
    """50,000 + 10,000 photographs of ten classes (Krizhevsky 2009)."""

    option = "cifar10"
    dataset = datasets.CIFAR10
    by_hand = f"unpack {dataset.url}"
    classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]

    @property
    def files(self) -> list[Path]:
        return [*super().files, self.folder / self.dataset.meta["filename"]]

    def decode(self) -> Decoded:
        loaded = self.dataset(self.root, train=self.split == "train")
        return Decoded(loaded.data, np.asarray(loaded.targets))


@checked
class CIFAR100(CIFAR10):
    """50,000 + 10,000 photographs of 100 classes (``kind`` fine) in 20 groups (coarse), Krizhevsky 2009."""

    option = "cifar100"
    own = ("kind",)
    dataset = datasets.CIFAR100
    by_hand = f"unpack {dataset.url}"

    def __init__(self, root: str, split: str, kind: Literal["fine", "coarse"], download: bool) -> None:
        self.kind = kind
        self.classes = (FINE if kind == "fine" else COARSE).split()
        super().__init__(root, split, download)
        self.name = f"cifar100-{kind}-{split}"

    def decode(self) -> Decoded:
        decoded = super().decode()
        if self.kind == "fine":
            return decoded
        with (self.folder / self.split).open("rb") as file:
            return decoded._replace(labels=np.asarray(pickle.load(file, encoding="latin1")["coarse_labels"]))
