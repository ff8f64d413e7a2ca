"""Figure 1: a diagram of the generator, drawn from the network itself."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ganlab.networks.latents import LatentGenerator
from ganlab.paper.figure import Figure, FigureInputs, FigureResult
from ganlab.probes.layers import find_layers

HEIGHT, MARGIN, GAP = 420, 40, 60  # of the picture, in pixels
TALLEST, SMALLEST = 260, 34  # drawn sides of the largest and the smallest feature maps
DEEPEST, THINNEST = 150, 16  # drawn depths of the most and the fewest channels
SLANT = 0.35  # shift of the far edge up and to the right, relative to a side
FACE, TOP, SIDE, INK = (214, 226, 240), (235, 241, 248), (186, 203, 224), (40, 52, 70)


@dataclass(frozen=True)
class Stack:
    """The feature maps between two layers, and the operation that outputs them."""

    channels: int
    height: int
    width: int
    step: str


def stacks_of(generator: LatentGenerator, *labels: Tensor) -> list[Stack]:
    """Return the stacks from the projection to the image; ``ValueError`` for a generator without convolutions."""
    latents = generator.draw_latents(2, torch.Generator().manual_seed(0)).to(next(generator.parameters()).device)
    layers = find_layers(generator, latents, *labels)
    modules: dict[str, Any] = dict(generator.named_modules())  # the layers' are convolutions
    size = _size_before(generator, layers[0].name, latents, *labels)
    stacks = [Stack(modules[layers[0].name].in_channels, *size, "project and reshape")]
    for layer in layers:
        kernel, stride = modules[layer.name].kernel_size, modules[layer.name].stride
        step = f"{kernel[0]}x{kernel[1]}" + (f", stride {stride[0]}" if stride[0] > 1 else "")
        stacks.append(Stack(layer.channels, layer.height, layer.width, step))
    return stacks


def draw(stacks: list[Stack], latent_size: int) -> Tensor:
    """Return the diagram, uint8 (3, height, width): one block per stack, whose depth grows with the channels."""
    longest, most = max(max(s.height, s.width) for s in stacks), max(s.channels for s in stacks)
    sides = [[_drawn(side / longest, TALLEST, SMALLEST) for side in (s.height, s.width)] for s in stacks]
    blocks = [(*pair, _drawn(s.channels / most, DEEPEST, THINNEST)) for pair, s in zip(sides, stacks, strict=True)]
    widths = [depth + int(SLANT * width) for _, width, depth in blocks]
    total = 2 * MARGIN + 120 + sum(widths) + GAP * len(blocks) + 60
    picture = Image.new("RGB", (total, HEIGHT), "white")
    pen, font, small = ImageDraw.Draw(picture), ImageFont.load_default(15), ImageFont.load_default(12)
    middle, x = HEIGHT // 2, MARGIN
    pen.rectangle((x, middle - 60, x + 12, middle + 60), fill=FACE, outline=INK)
    pen.text((x - 6, middle + 68), f"{latent_size} z", fill=INK, font=font)
    x += 12 + GAP
    for stack, (height, width, depth), total_width in zip(stacks, blocks, widths, strict=True):
        shift = int(SLANT * width)
        top = middle - height // 2 + shift // 2
        pen.text((x - GAP + 4, middle + 92), stack.step.replace(", ", "\n"), fill=INK, font=small)
        _arrow(pen, x - GAP + 24, x - 12, middle)
        corners = ((x, top), (x + depth, top), (x + depth, top + height), (x, top + height))
        pen.polygon(corners, fill=FACE, outline=INK)
        far = [(a + shift, b - shift) for a, b in corners]
        pen.polygon((corners[0], corners[1], far[1], far[0]), fill=TOP, outline=INK)
        pen.polygon((corners[1], far[1], far[2], corners[2]), fill=SIDE, outline=INK)
        pen.text((x + depth / 2, top + height + 6), str(stack.channels), fill=INK, font=font, anchor="ma")
        pen.text((x + depth + shift + 4, top - shift + height / 2), str(stack.height), fill=INK, font=small)
        pen.text((x + depth / 2 + shift / 2, top - shift - 4), str(stack.width), fill=INK, font=small, anchor="ms")
        x += total_width + GAP
    pen.text((x - GAP + 14, middle - 8), "G(z)", fill=INK, font=font)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


class GeneratorDiagram(Figure):
    """The generator's layers with their shapes, read from the network."""

    title = "the generator, drawn from the network"
    needs: ClassVar = ()
    published: ClassVar = {"stacks": "5 (1024x4x4, 512x8x8, 256x16x16, 128x32x32, 3x64x64)"}

    def make(self, inputs: FigureInputs) -> FigureResult:
        model = inputs.model
        labels = () if model.fixed_label is None else (torch.zeros(2, dtype=torch.long, device=model.device),)
        stacks = stacks_of(model.generator, *labels)
        shapes = ", ".join(f"{s.channels}x{s.height}x{s.width}" for s in stacks)
        parameters = sum(parameter.numel() for parameter in model.generator.parameters())
        return FigureResult(
            {"": draw(stacks, model.generator.latent_size)},
            scores={"stacks": len(stacks), "parameters": parameters},
            remarks=[f"feature maps: {shapes}"],
        )


def _size_before(generator: LatentGenerator, name: str, *inputs: Tensor) -> tuple[int, int]:
    sizes: list[tuple[int, int]] = []
    module = dict(generator.named_modules())[name]
    with module.register_forward_pre_hook(lambda _, given: sizes.append(tuple(given[0].shape[2:]))), torch.no_grad():
        generator(*inputs)
    return sizes[0]


def _drawn(share: float, largest: int, smallest: int) -> int:
    return max(smallest, round(largest * share**0.7))


def _arrow(pen: ImageDraw.ImageDraw, start: float, end: float, y: float) -> None:
    pen.line((start, y, end, y), fill=INK, width=2)
    pen.polygon(((end, y), (end - 7, y - 4), (end - 7, y + 4)), fill=INK)
