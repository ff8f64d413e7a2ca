"""An HTML page on which a person picks exemplars or draws boxes, and saves them as a JSON file."""

import base64
import html
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from torchvision.transforms.functional import to_pil_image

from ganlab.files import write_text_atomically

COLOURS = ("#c0392b", "#2471a3", "#1e8449", "#b9770e", "#76448a", "#117a65")
LEAST_SIDE = 96  # pixels; smaller samples are enlarged

PAGE = Path(__file__).with_suffix(".html")


def save_picker(
    images: Tensor,
    path: Path,
    title: str,
    task: str,
    columns: int,
    concepts: tuple[str, ...] = (),
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Write a self-contained page that shows samples, uint8 (N, C, H, W), and saves the picks as JSON of the same stem.

    With concepts, a click assigns a sample to the selected one, and the page saves rows and columns for
    `ganlab.latent.exemplars.read_exemplars`, of latents in an .npz of the page's name. Without concepts, boxes are
    drawn in samples, for `ganlab.probes.boxes.read_boxes`. ``origin`` identifies the samples and is copied into the
    JSON file.
    """
    height, width = images.shape[2:]
    scale = max(1, -(-LEAST_SIDE // width))
    data = {
        "images": [source_of(image) for image in images],
        "columns": columns,
        "width": width * scale,
        "height": height * scale,
        "concepts": list(concepts),
        "origin": dict(origin or {}),
        "colours": COLOURS,
        "latents": path.with_suffix(".npz").name,
        "file": path.with_suffix(".json").name,
    }
    page = PAGE.read_text()
    for mark, value in (("__TITLE__", title), ("__HELP__", task), ("__FILE__", str(data["file"]))):
        page = page.replace(mark, html.escape(value))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, page.replace("__DATA__", json.dumps(data).replace("</", "<\\/")))


def source_of(image: Tensor) -> str:
    """Return an image uint8 (C, H, W) as a data URL."""
    file = io.BytesIO()
    to_pil_image(image.cpu()).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
