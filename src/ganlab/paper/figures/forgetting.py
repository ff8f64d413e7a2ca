"""Figure 6: a generator forgets to draw windows."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ganlab.arguments import Count, Several
from ganlab.data.batches import channels_first
from ganlab.errors import UserError
from ganlab.latent.pictures import sheet
from ganlab.paper.figure import Choices, Claim, Item, Material, Outcome
from ganlab.probes.boxes import Boxes, read_boxes
from ganlab.probes.features import with_label
from ganlab.probes.filters import Forgetting, against_random, compare, counted_down, dropping, regress
from ganlab.probes.layers import Layer, recorded
from ganlab.probes.windows import boxes_of, intersection_over_union, numbers_of

BOXED, SHOWN, SCORED = range(3)  # streams of a seed


class WindowForgetting(Item):
    """Feature maps that a logistic regression finds in boxes around windows are dropped: samples with and without.

    Args:
        thing: what is to be forgotten, a kind of the data's masks.
        samples: that boxes are drawn in (paper: 150).
        columns: samples shown (paper: 10).
        scored: samples that the score is taken of.
        draws: of as many random maps.
        segmenter: images that the network is trained on which finds the thing in samples.
        layer: whose maps are dropped, counted from the one below the image (paper: 2).
        strongest: how many maps are dropped, those of the largest weights; None for all of positive weight (paper).
    """

    title = "forgetting to draw windows"
    published: ClassVar = {
        "gone": "nearly all (by eye)",
        "others": "the scene stays, windows become doors or mirrors (by eye)",
        "maps_dropped": "200",
    }
    differs: ClassVar = ("standing batch statistics (the authors: of the batch)",)
    claims: ClassVar = (
        Claim("more windows are gone than by dropping as many random maps", "gone", "gone_random"),
        Claim("the same of the windows' pixels", "pixels_gone", "pixels_gone_random"),
        Claim("other things change less than by dropping as many random maps", "others_random", "others"),
    )

    def __init__(
        self,
        thing: str,
        samples: Several,
        columns: Count,
        scored: Several,
        draws: Count,
        segmenter: Count,
        layer: Count = 2,
        strongest: Count | None = None,
    ) -> None:
        self.thing, self.samples, self.columns = thing, samples, columns
        self.scored, self.draws, self.segmenter = scored, draws, segmenter
        self.number, self.strongest = layer, strongest

    def make(self, material: Material) -> Outcome:
        """Find the maps, drop them, and count what is gone."""
        model, pack = material.model, material.training
        sampler, masked = model.sampler(), "masks" in pack.arrays
        latents = sampler.draw(self.samples, material.seed, BOXED)
        layer = self.layer(material, latents)
        with recorded(sampler.network, [layer]) as maps:
            parts = [(sampler(part), maps[layer.name].cpu()) for part in latents.split(sampler.batch_size)]
        images, features = (torch.cat(column) for column in zip(*parts, strict=True))
        outcome = Outcome()
        boxes = None if material.boxes is None else self.drawn(material.boxes)
        if boxes is None and not masked:
            raise UserError(
                f"{pack.manifest['source']} has no masks to find a {self.thing} by: draw boxes in samples, boxes=FILE "
                "(python src/reproduce.py figure=6 checkpoint=... pick=PAGE.html makes one by clicks)"
            )
        if masked:
            kinds = numbers_of(pack, self.thing)
            finder = material.judges.segmenter(pack, self.segmenter, material.seed)
            outcome.differs.append(
                "what is gone is told by a network trained on the data's masks; the paper looks at the picture"
            )
        if boxes is None:
            boxes = boxes_of(finder.masks(images), kinds)
            outcome.differs.append(
                "boxes are found by the same network; the paper's 52 in 150 samples were drawn by hand"
            )
        else:
            outcome.remarks.append(f"boxes: {material.boxes}")
        found = regress(features, boxes, material.seed)
        chosen = found.positive if self.strongest is None else found.strongest(self.strongest)
        shown = sampler.draw(self.columns, material.seed, SHOWN)
        with dropping(sampler.network, layer, chosen):
            without = sampler(shown)
        outcome.pictures[""] = sheet(torch.stack([sampler(shown), without]))
        outcome.scores = {
            "maps": layer.maps,
            "maps_dropped": len(chosen),
            "accuracy": found.accuracy,
            "boxes": sum(len(rows) for rows in boxes.values()),
            "samples_with_boxes": len(boxes),
        }
        if masked:
            held_out = material.held_out()
            truth = held_out.arrays["masks"][:500]
            pixels = channels_first(held_out.images[:500])
            outcome.scores["finder_iou"] = intersection_over_union(finder.masks(pixels), truth, kinds)
            many = sampler.draw(self.scored, material.seed, SCORED)
            before = finder.masks(sampler(many))

            def score(dropped: list[int]) -> Forgetting:
                with dropping(sampler.network, layer, dropped):
                    return compare(before, finder.masks(sampler(many)), kinds)

            ours, random = against_random(score, layer.maps, chosen, self.draws, material.seed)
            outcome.scores |= {
                "gone": ours.gone,
                "gone_random": float(np.mean([one.gone for one in random])),
                "pixels_gone": ours.area,
                "pixels_gone_random": float(np.mean([one.area for one in random])),
                "others": ours.others,
                "others_random": float(np.mean([one.others for one in random])),
            }
            outcome.remarks.append(
                f"of {ours.showing} samples that show a {self.thing}; random: mean of {self.draws} draws of maps"
            )
        outcome.remarks.append(f"layer {layer.name}: {layer.maps} maps of {layer.height}x{layer.width}")
        return outcome

    def drawn(self, file: Path) -> Boxes:
        """Return the boxes of a file by sample; ``UserError`` where it names one that there is not."""
        boxes = read_boxes(file)
        if boxes and max(boxes) >= self.samples:
            raise UserError(f"{file} names sample {max(boxes)}, and there are {self.samples}: 0 and on")
        return boxes

    def choices(self, material: Material) -> Choices:
        """The samples that boxes are looked for in."""
        sampler = material.model.sampler()
        latents = sampler.draw(self.samples, material.seed, BOXED)
        task = f"Draw a box around each {self.thing} with the mouse, in many samples; a click on a box takes it away."
        return Choices(latents, sampler(latents), (), task)

    def layer(self, material: Material, latents: Tensor) -> Layer:
        """Return the layer of the generator; ``ValueError`` where it has none."""
        model = material.model
        return counted_down(model.generator, self.number, *with_label(latents[:2].to(model.device), model.label))
