"""Training of the classifier of ``features=classifier`` on a pack's images and labels, once per pack."""

import hashlib
import io
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from ganlab.arguments import Count, Natural, Positive, Several, checked
from ganlab.classifiers.labelled import UNSEEN, Labelled
from ganlab.classifiers.network import ImageClassifier
from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.files import atomic_write
from ganlab.locks import locked

log = logging.getLogger(__name__)

FORMAT = 1  # increase it when network or training change, so that classifiers are trained again
DIGEST = 32  # bytes of a SHA-256
HELD_OUT = 0.1  # share of the distinct images
EVALUATED = 500  # images per batch of the evaluation
WEIGHT_DECAY = 1e-2


@checked
@dataclass(frozen=True)
class Training:
    """Hyperparameters of a classifier that is trained with AdamW."""

    images: Count  # images seen in training, each equally often
    batch_size: Several
    learning_rate: Positive  # peak of a one-cycle schedule
    width: Count  # channels of the first layer
    seed: Natural  # of the weights and the order


def trained_classifier(pack: Pack, training: Training) -> bytes:
    """Return the weights of a pack's classifier (see `ganlab.metrics.extractors.classifier`), trained if missing."""
    data = Labelled.of(pack)  # ``UserError`` if the pack has no labels to learn from
    checksums = sorted((name, pack.manifest["arrays"][name]["crc32"]) for name in pack.manifest["arrays"])
    origin = repr((FORMAT, pack.images.shape, checksums, data.factors, data.channelwise, asdict(training)))
    file = pack.folder / f"classifier-{hashlib.sha256(origin.encode()).hexdigest()[:12]}.pt"
    if (known := _load(file)) is not None:  # of the same pictures, labels and training
        return known
    if not os.access(pack.folder, os.W_OK):
        log.warning("the classifier is not kept, %s cannot be written: every run trains it again", pack.folder)
        return train(data, training)
    with locked(file, f"trains {file}"):  # one process trains while others wait
        if (known := _load(file)) is None:
            known = train(data, training)
            _save(file, known)
    return known


def train(data: Labelled, training: Training) -> bytes:
    """Return network, factors and held-out accuracy as a file's bytes; ``UserError`` with too few distinct images."""
    seen, held_out = data.split(HELD_OUT)
    if not len(seen) or not len(held_out):
        raise UserError("features=classifier needs different images, to learn from and to hold out: add some")
    network, accuracy = train_and_test(training, data, seen, data, held_out)
    content = io.BytesIO()  # torch would write the name of a file into it
    known = {"shape": data.shape, "heads": data.heads, "width": training.width, "factors": data.factors}
    known |= {"channelwise": data.channelwise, "accuracy": accuracy, "held_out": len(held_out)}
    torch.save({**known, "state": network.state_dict()}, content)
    return content.getvalue()


def train_and_test(
    training: Training, data: Labelled, seen: np.ndarray, tested: Labelled, held_out: np.ndarray
) -> tuple[ImageClassifier, dict[str, float]]:
    """Train a network on the examples ``seen`` of ``data``; return it and its accuracy on those ``held_out``."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # weights follow from the seed on any number of cores
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(training.seed)
            network = ImageClassifier(data.shape, data.heads, training.width)
        fit(network, data, seen, training)
        return network, measure(network, tested, held_out)
    finally:
        torch.set_num_threads(threads)


def fit(network: ImageClassifier, data: Labelled, seen: np.ndarray, training: Training) -> None:
    """Train a network in place on the examples ``seen``, ignoring labels UNSEEN."""
    size = min(training.batch_size, len(seen))
    steps = max(training.images // size, 2)
    network.to(memory_format=torch.channels_last).train()

    def loss(examples: np.ndarray) -> Tensor:
        images, labels = data.batch(examples)
        bar.update(size)
        return classification_loss(network.logits(network(images)), labels)

    with tqdm(total=steps * size, desc="training a classifier", unit="img", disable=None) as bar:
        one_cycle(network, training.learning_rate, steps, map(loss, batches(seen, size, steps, training.seed)))
    network.eval()


def one_cycle(network: nn.Module, learning_rate: float, steps: int, losses: Iterable[Tensor]) -> None:
    """Train by AdamW with a one-cycle schedule; ``losses`` is lazy: each is computed after the step before it."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=learning_rate, total_steps=steps)
    with torch.enable_grad():
        for loss in losses:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def batches(seen: np.ndarray, size: int, steps: int, seed: int) -> Iterator[np.ndarray]:
    """Yield ``steps`` batches from successive permutations of the examples, each batch sorted."""
    rng = np.random.default_rng(seed)
    waiting = rng.permutation(seen)
    for _ in range(steps):
        if len(waiting) < size:
            waiting = np.concatenate([waiting, rng.permutation(seen)])
        yield np.sort(waiting[:size])
        waiting = waiting[size:]


def classification_loss(logits: list[Tensor], labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of known labels (N, factors), summed over factors."""
    total = torch.zeros(())
    for values, label in zip(logits, labels.unbind(dim=1), strict=True):
        known = (label != UNSEEN).sum().clamp(min=1)  # a batch may show nothing of a factor
        total = total + F.cross_entropy(values, label, ignore_index=UNSEEN, reduction="sum") / known
    return total


@torch.no_grad()
def measure(network: ImageClassifier, data: Labelled, held_out: np.ndarray) -> dict[str, float]:
    """Return the accuracy of each factor on the examples that show it; 0 if none does."""
    right, total = torch.zeros(len(data.factors)), torch.zeros(len(data.factors))
    for start in range(0, len(held_out), EVALUATED):
        examples = held_out[start : start + EVALUATED]
        images, labels = data.batch(examples)
        found = torch.stack([values.argmax(dim=1) for values in network.logits(network(images))], dim=1)
        same, known = found == labels, labels != UNSEEN
        if data.channelwise:  # the factor changes from example to example
            channel = F.one_hot(torch.from_numpy(examples) % len(right), len(right))
            same, known = same * channel, known * channel
        right += same.sum(dim=0)
        total += known.sum(dim=0)
    return dict(zip(data.factors, (right / total.clamp(min=1)).tolist(), strict=True))


def _load(file: Path) -> bytes | None:
    """Return the weights in a file, without their SHA-256, which ends it; None if it is missing or damaged."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content[:-DIGEST]).digest() == content[-DIGEST:]:
        return content[:-DIGEST]
    log.warning("%s is damaged or of an earlier version: the classifier is trained again", file)
    return None


def _save(file: Path, content: bytes) -> None:
    try:
        with atomic_write(file) as target:
            target.write(content + hashlib.sha256(content).digest())
    except OSError as reason:
        log.warning("the classifier is not kept in %s: %s", file.parent, reason.strerror)
