"""Unpaired domains: pictures of A and pictures of B, with nothing that says which belong together."""

from ganlab.data.sources.folder import Folder
from ganlab.data.sources.translation_sets import name_of, place_of, two_folders
from ganlab.errors import UserError


class Domain(Folder):
    """One of two domains, all pictures of ``root``/trainA (or A/train, or train/A), without labels.

    Args:
        root: the folder of both domains, or where known sets lie.
        split: ``train`` in the names above, or ``test``.
        set: a set of the CycleGAN authors (Zhu et al. 2017) by its name, in ``root``/cyclegan; None: a folder of one's
            own.
        side: ``A`` or ``B``.
        download: whether a known set may be fetched.

    Raises:
        UserError: a folder is missing or holds no picture.
    """

    labelled = False

    def __init__(self, *, root: str, split: str, set: str | None, side: str, download: bool) -> None:
        place = place_of(root, set, "domains", download)
        folders = two_folders(place, split)
        folder = place / f"{split}{side}" if folders is None else folders["AB".index(side)]
        if not folder.is_dir():
            raise UserError(f"{folder} is missing: domains lie in {split}A and {split}B; set data.root or data.split")
        super().__init__(str(folder))
        self.name = f"domain-{name_of(place)}-{split}{side}"
