"""Figure 6: dropping the generator's filters that draw windows."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from ganlab.arguments import Count, Several, checked
from ganlab.data.batches import channels_first
from ganlab.errors import UserError
from ganlab.latent.pictures import image_grid
from ganlab.paper.figure import STANDING, Candidates, Claim, Figure, FigureInputs, FigureResult
from ganlab.probes.boxes import read_boxes
from ganlab.probes.features import with_label
from ganlab.probes.filter_dropping import DropScore, against_random, compare, dropping, layer_from_top, regress
from ganlab.probes.layers import recorded
from ganlab.probes.segmenter import boxes_from_masks, intersection_over_union, mask_values
from ganlab.systems.request import BLOCK

BOXED, SHOWN, SCORED = range(3)  # random streams of a seed
CHECKED = 500  # held-out images on which the segmenter is evaluated


@checked
@dataclass
class FilterDropping(Figure):
    """Samples with and without the channels that a logistic regression finds in boxes around windows."""

    thing: str  # object to drop, a kind of the data's masks
    samples: Several  # samples with boxes (paper: 150)
    columns: Count  # samples shown (paper: 10)
    scored: Several  # samples scored
    draws: Count  # of equally many random channels, the baseline
    segmenter: Count  # training images of the network that finds the object in samples
    layer: Count = 2  # whose channels are dropped, counted from the one below the image (paper: 2)
    strongest: Count | None = None  # channels to drop, of the largest weights; None: of positive weight (paper)

    title = "forgetting to draw windows"
    published: ClassVar = {
        "gone": "nearly all (by eye)",
        "others": "the scene stays, windows become doors or mirrors (by eye)",
        "channels_dropped": "200",
    }
    differs: ClassVar = (STANDING,)
    claims: ClassVar = (
        Claim("more windows are gone than by dropping as many random channels", "gone", "gone_random"),
        Claim("the same of the windows' pixels", "pixels_gone", "pixels_gone_random"),
        Claim("other things change less than by dropping as many random channels", "others_random", "others"),
    )

    def make(self, inputs: FigureInputs) -> FigureResult:
        pack, sampler, result = inputs.training, inputs.model.sampler(), FigureResult()
        masked = "masks" in pack.arrays
        latents = sampler.draw(self.samples, inputs.seed, BOXED)
        given = with_label(latents[:2].to(inputs.model.device), inputs.model.fixed_label)
        layer = layer_from_top(sampler.network, self.layer, *given)
        with recorded(sampler.network, [layer]) as outputs:
            parts = [(sampler(part), outputs[layer.name].cpu()) for part in latents.split(BLOCK)]
        images, features = (torch.cat(column) for column in zip(*parts, strict=True))
        boxes = None if inputs.boxes is None else read_boxes(inputs.boxes)
        if boxes and max(boxes) >= self.samples:
            raise UserError(f"{inputs.boxes} names sample {max(boxes)}: the samples are 0 to {self.samples - 1}")
        if boxes is None and not masked:
            raise UserError(
                f"{pack.manifest['source']} has no masks to find a {self.thing} by: draw boxes in samples, boxes=FILE "
                "(python src/reproduce.py figure=6 checkpoint=... pick=PAGE.html makes one by clicks)"
            )
        if masked:
            classes = mask_values(pack, self.thing)
            segmenter = inputs.classifiers.segmenter(pack, self.segmenter, inputs.seed)
            result.differs.append("a network trained on the data's masks finds what is gone; the paper judges by eye")
        if boxes is None:
            boxes = boxes_from_masks(segmenter.masks(images), classes)
            result.differs.append("the same network finds the boxes; the paper's 52 in 150 samples are drawn by hand")
        else:
            result.remarks.append(f"boxes: {inputs.boxes}")
        found = regress(features, boxes, inputs.seed)
        chosen = found.positive if self.strongest is None else found.strongest(self.strongest)
        shown = sampler.draw(self.columns, inputs.seed, SHOWN)
        with dropping(sampler.network, layer, chosen):
            without = sampler(shown)
        result.pictures[""] = image_grid(torch.stack([sampler(shown), without]))
        result.scores = {
            "channels": layer.channels,
            "channels_dropped": len(chosen),
            "accuracy": found.accuracy,
            "boxes": sum(len(rows) for rows in boxes.values()),
            "samples_with_boxes": len(boxes),
        }
        if masked:
            held_out = inputs.held_out()
            truth = held_out.arrays["masks"][:CHECKED]
            predicted = segmenter.masks(channels_first(held_out.images[:CHECKED]))
            result.scores["segmenter_iou"] = intersection_over_union(predicted, truth, classes)
            many = sampler.draw(self.scored, inputs.seed, SCORED)
            before = segmenter.masks(sampler(many))

            def score(dropped: list[int]) -> DropScore:
                with dropping(sampler.network, layer, dropped):
                    return compare(before, segmenter.masks(sampler(many)), classes)

            ours, random = against_random(score, layer.channels, chosen, self.draws, inputs.seed)
            for name, part in (("gone", "gone"), ("pixels_gone", "area"), ("others", "others")):
                result.scores[name] = getattr(ours, part)
                result.scores[f"{name}_random"] = float(np.mean([getattr(one, part) for one in random]))
            result.remarks.append(
                f"of {ours.showing} samples that show a {self.thing}; random: mean of {self.draws} draws of channels"
            )
        result.remarks.append(f"layer {layer.name}: {layer.channels} channels of {layer.height}x{layer.width}")
        return result

    def candidates(self, inputs: FigureInputs) -> Candidates:
        sampler = inputs.model.sampler()
        latents = sampler.draw(self.samples, inputs.seed, BOXED)
        task = f"Draw a box around each {self.thing} with the mouse, in many samples. Click a box to remove it."
        return Candidates(latents, sampler(latents), (), task)
