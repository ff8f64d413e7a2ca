"""A whole script as tutorials write it: a DCGAN on a folder of pictures, for train_speed.py to compare with.

    python benchmarks/tutorial.py --root FOLDER_OF_FOLDERS --size 64 --width 64 --batch 64 --epochs 1 --output FOLDER

The networks are this project's, so that the work is the same; everything else is what PyTorch's DCGAN tutorial does:
torchvision's ImageFolder behind a DataLoader with two workers, float32, contiguous, a line every 50 minibatches, a grid
of samples every 500 and at the end.
"""

import argparse
import sys
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.utils import make_grid, save_image

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from ganlab.networks.dcgan import Discriminator, Generator  # noqa: E402


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("size", "width", "batch", "epochs"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("root", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    steps = [transforms.Resize(options.size), transforms.CenterCrop(options.size), transforms.ToTensor()]
    change = transforms.Compose([*steps, transforms.Normalize([0.5] * 3, [0.5] * 3)])
    loader = DataLoader(
        ImageFolder(str(options.root), change), options.batch, shuffle=True, num_workers=2, drop_last=True
    )
    generator = Generator(options.size, width=options.width).to(device)
    discriminator = Discriminator(options.size, width=options.width).to(device)
    criterion = nn.BCEWithLogitsLoss()
    fixed = torch.rand(64, generator.latent_size, device=device) * 2 - 1
    d_adam = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    g_adam = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    ones, zeros = torch.ones(options.batch, device=device), torch.zeros(options.batch, device=device)
    iteration = 0
    for epoch in range(options.epochs):
        for reals, _ in loader:
            discriminator.zero_grad()
            d_real = criterion(discriminator(reals.to(device)), ones)
            d_real.backward()
            fakes = generator(torch.rand(options.batch, generator.latent_size, device=device) * 2 - 1)
            d_fake = criterion(discriminator(fakes.detach()), zeros)
            d_fake.backward()
            d_adam.step()
            generator.zero_grad()
            g_loss = criterion(discriminator(fakes), ones)
            g_loss.backward()
            g_adam.step()
            if iteration % 50 == 0:
                print(epoch, iteration, d_real.item() + d_fake.item(), g_loss.item(), flush=True)
            if iteration % 500 == 0:
                sample(generator, fixed, options.output / "tutorial.png")
            iteration += 1
    sample(generator, fixed, options.output / "tutorial.png")


@torch.no_grad()
def sample(generator: nn.Module, latents: torch.Tensor, path: Path) -> None:
    """Write a grid of samples."""
    save_image(make_grid(generator(latents).cpu(), normalize=True), path)


if __name__ == "__main__":
    main()
