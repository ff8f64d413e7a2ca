"""Figure 1: the generator, drawn from the network itself."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ganlab.networks.latents import LatentGenerator
from ganlab.paper.figure import Item, Material, Outcome
from ganlab.probes.layers import CONVOLUTIONS, find_layers

HEIGHT, MARGIN, GAP = 420, 40, 60  # of the picture, in pixels
TALLEST, SMALLEST = 260, 34  # sides of the largest and the smallest maps drawn
DEEPEST, THINNEST = 150, 16  # lengths of the most and the fewest maps drawn
SLANT = 0.35  # of a side, by which its far edge is moved up and to the right
FACE, TOP, SIDE, INK = (214, 226, 240), (235, 241, 248), (186, 203, 224), (40, 52, 70)


@dataclass(frozen=True)
class Stage:
    """Feature maps between two layers, and how the next ones are made of them."""

    maps: int
    height: int
    width: int
    step: str


def stages_of(generator: LatentGenerator, *labels: Tensor) -> list[Stage]:
    """Return the stacks of feature maps from the projection to the image, in the order of computation.

    Raises:
        ValueError: the generator has no convolutions.
    """
    latents = generator.draw_latents(2, torch.Generator().manual_seed(0)).to(next(generator.parameters()).device)
    layers = find_layers(generator, latents, *labels)
    modules, stages = dict(generator.named_modules()), []
    first = modules[layers[0].name]
    if isinstance(first, CONVOLUTIONS):
        height, width = _size_before(generator, layers[0].name, latents, *labels)
        stages.append(Stage(int(first.in_channels), height, width, "project and reshape"))
    for layer in layers:
        module = modules[layer.name]
        kernel, stride = module.kernel_size, module.stride  # type: ignore[union-attr]
        step = f"{kernel[0]}x{kernel[1]}" + (f", stride {stride[0]}" if stride[0] > 1 else "")  # type: ignore[index]
        stages.append(Stage(layer.maps, layer.height, layer.width, step))
    return stages


def draw(stages: list[Stage], latent_size: int) -> Tensor:
    """Return the drawing, uint8 (3, height, width): a block for each stack of maps, its depth their number."""
    blocks = [(_scaled(s.height, stages), _scaled(s.width, stages), _depth(s.maps, stages)) for s in stages]
    widths = [depth + int(SLANT * width) for _, width, depth in blocks]
    total = 2 * MARGIN + 120 + sum(widths) + GAP * len(blocks) + 60
    picture = Image.new("RGB", (total, HEIGHT), "white")
    pen, font, small = ImageDraw.Draw(picture), ImageFont.load_default(15), ImageFont.load_default(12)
    middle, x = HEIGHT // 2, MARGIN
    pen.rectangle((x, middle - 60, x + 12, middle + 60), fill=FACE, outline=INK)
    pen.text((x - 6, middle + 68), f"{latent_size} z", fill=INK, font=font)
    x += 12 + GAP
    for stage, (height, width, depth), whole in zip(stages, blocks, widths, strict=True):
        shift = int(SLANT * width)
        top = middle - height // 2 + shift // 2
        pen.text((x - GAP + 4, middle + 92), stage.step.replace(", ", "\n"), fill=INK, font=small)
        _arrow(pen, x - GAP + 24, x - 12, middle)
        corners = ((x, top), (x + depth, top), (x + depth, top + height), (x, top + height))
        pen.polygon(corners, fill=FACE, outline=INK)
        far = [(a + shift, b - shift) for a, b in corners]
        pen.polygon((corners[0], corners[1], far[1], far[0]), fill=TOP, outline=INK)
        pen.polygon((corners[1], far[1], far[2], corners[2]), fill=SIDE, outline=INK)
        pen.text((x + depth / 2, top + height + 6), str(stage.maps), fill=INK, font=font, anchor="ma")
        pen.text((x + depth + shift + 4, top - shift + height / 2), str(stage.height), fill=INK, font=small)
        pen.text((x + depth / 2 + shift / 2, top - shift - 4), str(stage.width), fill=INK, font=small, anchor="ms")
        x += whole + GAP
    pen.text((x - GAP + 14, middle - 8), "G(z)", fill=INK, font=font)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


class GeneratorDrawing(Item):
    """The generator's layers with their shapes, as the network itself tells them."""

    title = "the generator, drawn from the network"
    needs: ClassVar = ()
    published: ClassVar = {"stacks": "5 (1024x4x4, 512x8x8, 256x16x16, 128x32x32, 3x64x64)"}

    def make(self, material: Material) -> Outcome:
        """Draw it."""
        model = material.model
        labels = () if model.label is None else (torch.zeros(2, dtype=torch.long, device=model.device),)
        stages = stages_of(model.generator, *labels)
        shapes = ", ".join(f"{s.maps}x{s.height}x{s.width}" for s in stages)
        parameters = sum(parameter.numel() for parameter in model.generator.parameters())
        return Outcome(
            {"": draw(stages, model.generator.latent_size)},
            scores={"stacks": len(stages), "parameters": parameters},
            remarks=[f"stacks of maps: {shapes}"],
        )


def _size_before(generator: LatentGenerator, name: str, *inputs: Tensor) -> tuple[int, int]:
    sizes: list[tuple[int, int]] = []
    module = dict(generator.named_modules())[name]
    hook = module.register_forward_pre_hook(lambda _, given: sizes.append(tuple(given[0].shape[2:])))
    try:
        with torch.no_grad():
            generator(*inputs)
    finally:
        hook.remove()
    return sizes[0]


def _scaled(side: int, stages: list[Stage]) -> int:
    largest = max(max(stage.height, stage.width) for stage in stages)
    return max(SMALLEST, round(TALLEST * (side / largest) ** 0.7))


def _depth(maps: int, stages: list[Stage]) -> int:
    most = max(stage.maps for stage in stages)
    return max(THINNEST, round(DEEPEST * (maps / most) ** 0.7))


def _arrow(pen: ImageDraw.ImageDraw, start: float, end: float, y: float) -> None:
    pen.line((start, y, end, y), fill=INK, width=2)
    pen.polygon(((end, y), (end - 7, y - 4), (end - 7, y + 4)), fill=INK)
