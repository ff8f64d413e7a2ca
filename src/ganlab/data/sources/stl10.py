"""STL-10: photographs of 96x96 pixels, most of them unlabelled."""

from torchvision import datasets

from ganlab.data.fetching.published import ArchiveSet, Decoded

CLASSES = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]


class STL10(ArchiveSet):
    """5,000 training, 8,000 test and 100,000 unlabelled photographs of ten classes (Coates et al. 2011)."""

    option = "stl10"
    splits = ("train", "test", "unlabeled", "train+unlabeled")  # the latter two take 2.8 GB of memory
    dataset = datasets.STL10
    by_hand = f"unpack {dataset.url}"

    def __init__(self, root: str, split: str, download: bool) -> None:
        super().__init__(root, split, download)
        self.classes = None if "unlabeled" in split else CLASSES  # also for train+unlabeled

    def decode(self) -> Decoded:
        loaded = datasets.STL10(self.root, split=self.split)
        return Decoded(loaded.data.transpose(0, 2, 3, 1), None if self.classes is None else loaded.labels)
