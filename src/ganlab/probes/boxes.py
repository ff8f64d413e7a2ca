"""Bounding boxes of objects in images: drawn by hand and stored as JSON, or derived from masks."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from ganlab.errors import UserError

Boxes = Mapping[int, np.ndarray]  # index of an image -> (K, 4): x0, y0, x1, y1 in units of its sides


def read_boxes(path: Path) -> dict[int, np.ndarray]:
    """Read ``{"boxes": {"12": [[x0, y0, x1, y1], ...], ...}}``: indices of images, boxes in units of the image side.

    A missing or malformed file raises ``UserError``.
    """
    expected = 'it must hold {"boxes": {"12": [[x0, y0, x1, y1], ...]}}, numbers from 0 to 1 with x0 < x1 and y0 < y1'
    try:
        given = json.loads(path.read_text())["boxes"]
        boxes = {int(number): np.array(rows, np.float32).reshape(-1, 4) for number, rows in given.items()}
    except OSError as error:
        raise UserError(f"boxes={path} cannot be read ({error.strerror}): give a JSON file of boxes") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"boxes={path} is no file of boxes ({error}): {expected}") from error
    for number, rows in boxes.items():
        if number < 0 or not ((rows >= 0) & (rows <= 1)).all() or not (rows[:, :2] < rows[:, 2:]).all():
            raise UserError(f"boxes={path}: those of image {number} are invalid: {expected}")
    return {number: rows for number, rows in boxes.items() if len(rows)}


def boxes_in(mask: np.ndarray, least: int = 1) -> np.ndarray:
    """Return the boxes (K, 4) of the connected components of a mask (H, W) that have ``least`` pixels or more."""
    parts, _ = ndimage.label(mask)
    sizes = np.bincount(parts.ravel())
    boxes = []
    for number, place in enumerate(ndimage.find_objects(parts), start=1):
        if sizes[number] >= least:
            boxes.append([place[1].start, place[0].start, place[1].stop, place[0].stop])
    return np.array(boxes, np.float32).reshape(-1, 4) / np.array([*mask.shape[::-1]] * 2, np.float32)


def cells_inside(boxes: np.ndarray, height: int, width: int) -> Tensor:
    """Return which cells of a (height, width) feature map or image have their centres in any of the boxes (K, 4)."""
    y = (torch.arange(height) + 0.5)[:, None] / height
    x = (torch.arange(width) + 0.5)[None, :] / width
    inside = torch.zeros(height, width, dtype=torch.bool)
    for x0, y0, x1, y1 in boxes.tolist():
        inside |= (x0 <= x) & (x < x1) & (y0 <= y) & (y < y1)
    return inside


def share_inside(responses: Tensor, inside: Tensor) -> Tensor:
    """Return the share (N,) of the responses (N, C, H, W) in cells ``inside`` (N, H, W); NaN where all are zero."""
    strength = responses.abs().sum(dim=1)
    return (strength * inside).sum((1, 2)) / strength.sum((1, 2))
