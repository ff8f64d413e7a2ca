"""Trains the classifier of ``features=digits`` in minutes on a CPU core: ``python -m ganlab.classifiers.digits``."""

import argparse
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from tqdm import trange

from ganlab.classifiers.training import one_cycle
from ganlab.data.batches import channels_first
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.data.sources.digits import Digits
from ganlab.files import atomic_write

DIGITS_WEIGHTS = Path(__file__).with_name("digits.pt")
NUM_FEATURES, NUM_DIGITS = 64, 10


def digits_network() -> nn.Sequential:
    """Build the untrained classifier: (N, 1, 32, 32) in [-1, 1] to logits (N, 10), features before its last layer."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 16), (16, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    layers += [nn.Flatten(), nn.Linear(64 * 2 * 2, NUM_FEATURES), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(NUM_FEATURES, NUM_DIGITS))


def digits() -> tuple[Tensor, Tensor]:
    """Return the 1,797 digits prepared as by ``data=digits``, uint8 (N, 1, 32, 32), and their labels (N,)."""
    source, protocol = Digits(), PictureProtocol(image_size=32, channels=1, resize="bicubic")
    records = [source.read(index) for index in range(len(source))]
    images = np.stack([protocol.prepare(record["images"]) for record in records])
    labels = torch.tensor([int(record["labels"]) for record in records])
    return channels_first(images), labels


def split(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return indices of the training four fifths and the held-out fifth, stratified by digit."""
    train, held_out = train_test_split(np.arange(len(labels)), test_size=0.2, stratify=labels, random_state=0)
    return torch.from_numpy(train), torch.from_numpy(held_out)


def augment(pixels: Tensor) -> Tensor:
    """Shift, rotate, shear, scale and sharpen pixels (N, 1, 32, 32) in [-1, 1]; blur some, add noise to some."""
    n = len(pixels)  # ranges cover MNIST's digits: smaller in the frame, slanted, thin or bold, almost black and white
    angle, slant = torch.empty(n).uniform_(-0.2, 0.2), torch.empty(n).uniform_(-0.3, 0.3)  # radians; shear
    height = torch.empty(n).uniform_(0.9, 1.6)  # of the frame, in heights of the digit
    width = height * torch.empty(n).uniform_(0.85, 1.3)
    shift = torch.empty(n, 2).uniform_(-0.12, 0.12)  # of half the frame
    cosine, sine = angle.cos(), angle.sin()
    across = torch.stack([cosine * width, (slant - sine) * width, shift[:, 0]], dim=1)
    down = torch.stack([sine * height, cosine * height, shift[:, 1]], dim=1)
    grid = F.affine_grid(torch.stack([across, down], dim=1), list(pixels.shape), align_corners=False)
    moved = F.grid_sample(pixels + 1, grid, align_corners=False) - 1  # black outside
    blurred = F.avg_pool2d(F.pad(moved, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    moved = torch.where(torch.rand(n, 1, 1, 1) < 0.2, blurred, moved)
    hard = moved * torch.empty(n, 1, 1, 1).uniform_(1, 4) + torch.empty(n, 1, 1, 1).uniform_(-1, 1.5)
    moved = torch.where(torch.rand(n, 1, 1, 1) < 0.5, hard, moved).clamp(-1, 1)
    noise = torch.randn_like(moved) * torch.empty(n, 1, 1, 1).uniform_(0, 0.2) * (torch.rand(n, 1, 1, 1) < 0.5)
    return (moved + noise).clamp(-1, 1)


def no_digits(pixels: Tensor) -> Tensor:
    """Return as many pictures without a digit: noise at several scales, and digits with exchanged quarters."""
    n = len(pixels)
    noise = [F.interpolate(torch.randn(n // 8, 1, size, size), (32, 32), mode="bicubic") for size in (2, 4, 8, 16, 32)]
    brightness = torch.empty(5 * (n // 8), 1, 1, 1).uniform_(-1.2, 1.2)
    noise_pixels = torch.cat(noise) * torch.rand(len(brightness), 1, 1, 1) + brightness
    cut_up = pixels[: n - len(brightness)].clone()
    quarters = (slice(None, 16), slice(16, None))
    for i, j in ((0, 0), (0, 1), (1, 0)):
        cut_up[..., quarters[i], quarters[j]] = cut_up[torch.randperm(len(cut_up))][..., quarters[i], quarters[j]]
    return torch.cat([noise_pixels, cut_up]).clamp(-1, 1)


def train(images: Tensor, labels: Tensor, epochs: int, batch_size: int = 64) -> dict[str, Tensor]:
    """Return the state dict of a classifier trained from seed 0 on uint8 images (N, 1, 32, 32) and labels (N,)."""
    torch.manual_seed(0)
    network, pixels, batches = digits_network(), images.float() / 127.5 - 1, len(images) // batch_size

    def losses() -> Iterator[Tensor]:
        for _ in trange(epochs, desc="digits", disable=None):
            for batch in torch.randperm(len(images))[: batches * batch_size].view(batches, batch_size):
                shown = augment(pixels[batch])
                logits, undecided = network(torch.cat([shown, no_digits(shown)])).split(batch_size)
                # Uniform without a digit (outlier exposure, Hendrycks et al. 2019): else noise looks like a digit too.
                yield F.cross_entropy(logits, labels[batch]) - undecided.log_softmax(dim=1).mean()

    one_cycle(network, 3e-3, epochs * batches, losses())
    return network.state_dict()


def main() -> None:
    """Train, write the weights, and print the held-out accuracy."""
    parser = argparse.ArgumentParser(description="Train the digit classifier of features=digits.")
    parser.add_argument("--output", type=Path, default=DIGITS_WEIGHTS, help="where the weights go")
    parser.add_argument("--epochs", type=int, default=80)
    arguments = parser.parse_args()

    torch.set_num_threads(1)  # the same sums on any number of cores
    images, labels = digits()
    seen, held_out = split(labels)
    weights, content = train(images[seen], labels[seen], arguments.epochs), io.BytesIO()
    network = digits_network().eval()
    network.load_state_dict(weights)
    torch.save(weights, content)  # torch would write the name of a file into it
    with atomic_write(arguments.output) as file:
        file.write(content.getvalue())
    with torch.no_grad():
        found = network(images[held_out].float() / 127.5 - 1).argmax(dim=1)
    share = (found == labels[held_out]).double().mean().item()
    print(f"held-out accuracy {share:.2%} of {len(held_out)} digits; {arguments.output}")


if __name__ == "__main__":
    main()
