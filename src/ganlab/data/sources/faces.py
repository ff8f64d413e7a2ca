"""Faces detected in photographs by OpenCV, as for the paper's face models (Radford et al. 2016, sec. 4.2)."""

from functools import cache
from typing import Annotated, Any, Literal

import numpy as np

from ganlab.arguments import Count, NonNegative, Within, checked
from ganlab.data.packs.pictures import decode
from ganlab.data.packs.source import RecordRows
from ganlab.data.sources.folder import Folder
from ganlab.errors import UserError

CASCADE = "haarcascade_frontalface_alt2.xml"  # Viola and Jones 2001; Lienhart and Maydt 2002
INSTALL = "pip install 'opencv-python-headless<5'"
Found = Literal["all", "one"]
Step = Annotated[float, Within(1, 4, above=True)]  # ratio of the sizes searched; with larger ones OpenCV may never end
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels


@checked
class Faces(Folder):
    """The faces in all photographs under ``root``; see `ganlab.data.sources.folder.Folder` for classes."""

    def __init__(
        self, *, root: str, margin: NonNegative, minimum: Count, faces: Found, scale_factor: Step, neighbours: Count
    ) -> None:
        super().__init__(root)
        self.name = self.name.replace("folder-", "faces-", 1)
        self.margin, self.minimum, self.largest_only = margin, minimum, faces == "one"
        self.scale_factor, self.neighbours = scale_factor, neighbours  # overlapping detections that make a face

    def fingerprint(self) -> dict[str, Any]:
        wanted = [self.margin, self.minimum, self.largest_only]
        return super().fingerprint() | {"cascade": [CASCADE, self.scale_factor, self.neighbours], "wanted": wanted}

    def read_rows(self, index: int) -> RecordRows:
        """Return the faces of one photograph, and why others were rejected: none found, too small, cut off."""
        record = self.read(index)
        photograph = decode(record["images"])
        found = self.detect(np.asarray(photograph.convert("L")))
        if not found:
            return RecordRows([], ["no face found"])
        boxes: list[Box] = []
        rejected: list[str] = []
        for box in sorted(found, key=lambda box: (box[0] - box[2], box)):
            if reason := self.reject(box, photograph.size):
                rejected.append(reason)
            elif boxes and self.largest_only:
                rejected.append("not the largest face")
            else:
                boxes.append(box)
        return RecordRows([{**record, "images": photograph.crop(box)} for box in boxes], rejected)

    def detect(self, grey: np.ndarray) -> list[Box]:
        """Return square boxes, with their margin, of the faces in a grey photograph, uint8 (H, W)."""
        side = round(self.minimum / (1 + 2 * self.margin) * 2 / 3)  # smaller, so that rejected small faces are counted
        found = open_cascade().detectMultiScale(
            grey, scaleFactor=self.scale_factor, minNeighbors=self.neighbours, minSize=(side, side)
        )
        return [square_box(*(int(n) for n in box), margin=self.margin) for box in found]

    def reject(self, box: Box, size: tuple[int, int]) -> str | None:
        """Return why a box in a photograph of ``size`` (width, height) is rejected; None if it is kept."""
        left, top, right, bottom = box
        if right - left < self.minimum:  # in pixels of the photograph; the paper names no number
            return f"face of less than {self.minimum} pixels"
        return "face cut by the border" if min(left, top) < 0 or right > size[0] or bottom > size[1] else None


def square_box(left: int, top: int, width: int, height: int, *, margin: float) -> Box:
    """Return the square around a detection, with ``margin`` times its longer side on each side."""
    side = round(max(width, height) * (1 + 2 * margin))
    left, top = left + (width - side) // 2, top + (height - side) // 2
    return left, top, left + side, top + side


@cache
def open_cascade() -> Any:
    """Open the detector once per process, on one core; ``UserError`` without OpenCV or, from version 5, cascades."""
    try:
        import cv2
        import cv2.data

        cv2.setNumThreads(1)
        return cv2.CascadeClassifier(cv2.data.haarcascades + CASCADE)
    except (ImportError, AttributeError) as error:
        raise UserError(f"faces are found by OpenCV below 5, which is not installed: type {INSTALL}") from error
