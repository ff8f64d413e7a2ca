"""STL-10: photographs of 96x96 pixels, most of them unlabelled."""

from torchvision import datasets

from ganlab.data.fetching.published import ArchiveSet, Decoded

CLASSES = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]


class STL10(ArchiveSet):
    """5,000 training, 8,000 test and 100,000 unlabelled photographs of ten classes (Coates et al. 2011).

    Splits with unlabelled pictures have no labels.
    """

    option = "stl10"
    splits = ("train", "test", "unlabeled", "train+unlabeled")
    dataset = datasets.STL10

    def __init__(self, root: str, split: str, download: bool) -> None:
        super().__init__(root, split, download)
        self.classes = None if "unlabeled" in split else CLASSES

    def decode(self) -> Decoded:
        """Read the files with torchvision; the unlabelled pictures take 2.8 GB of memory."""
        loaded = datasets.STL10(self.root, split=self.split)
        labels = None if self.classes is None else loaded.labels
        return Decoded(loaded.data.transpose(0, 2, 3, 1), labels)
