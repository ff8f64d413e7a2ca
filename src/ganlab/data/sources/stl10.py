"""STL-10: photographs of 96x96, most of them without a label."""

from pathlib import Path

from torchvision import datasets

from ganlab.data.fetching.download import fetch_archive
from ganlab.data.fetching.published import Decoded, PublishedSet

CLASSES = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]


class STL10(PublishedSet):
    """5,000 training, 8,000 test and 100,000 unlabelled photographs of ten classes (Coates et al. 2011).

    Splits with unlabelled pictures carry no labels at all.
    """

    option = "stl10"
    splits = ("train", "test", "unlabeled", "train+unlabeled")
    mend = f"unpack {datasets.STL10.url}"

    def __init__(self, root: str, split: str, download: bool) -> None:
        super().__init__(root, split, download)
        self.classes = None if "unlabeled" in split else CLASSES

    @property
    def folder(self) -> Path:
        """Where the binary files lie, as torchvision wants it."""
        return self.root / datasets.STL10.base_folder

    @property
    def files(self) -> list[Path]:
        """All binary files: torchvision asks for those of every split."""
        return [self.folder / name for name, _ in [*datasets.STL10.train_list, *datasets.STL10.test_list]]

    def fetch(self) -> None:
        """Fetch and unpack the archive, unless the folder exists."""
        fetch_archive(datasets.STL10.url, self.root, expected=self.folder, md5=datasets.STL10.tgz_md5)

    def decode(self) -> Decoded:
        """Read the files by torchvision, which checks them first; 2.8 GB of memory for the unlabelled pictures."""
        loaded = datasets.STL10(self.root, split=self.split)
        labels = None if self.classes is None else loaded.labels
        return Decoded(loaded.data.transpose(0, 2, 3, 1), labels)
