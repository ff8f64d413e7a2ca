"""Unpaired domains: pictures of A and pictures of B."""

from ganlab.data.sources.folder import Folder
from ganlab.data.sources.translation_sets import name_of, place_of, two_folders
from ganlab.errors import UserError


class Domain(Folder):
    """One of two domains: all pictures of ``root``/trainA (or A/train, or train/A), without labels."""

    def __init__(self, *, root: str, split: str, set: str | None, side: str, download: bool) -> None:
        place = place_of(root, set, "domains", download)  # of a set of CycleGAN (Zhu et al. 2017); None: your own
        folders = two_folders(place, split)
        folder = place / f"{split}{side}" if folders is None else folders["AB".index(side)]
        if not folder.is_dir():
            raise UserError(f"{folder} is missing: domains lie in {split}A and {split}B; set data.root or data.split")
        super().__init__(str(folder), labelled=False)
        self.name = f"domain-{name_of(place)}-{split}{side}"
