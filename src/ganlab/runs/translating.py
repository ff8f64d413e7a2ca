"""A folder of pictures through a trained generator of pictures: files of the same names, and a page of them."""

import sys
from dataclasses import dataclass
from pathlib import Path, PurePath
from zlib import crc32

import numpy as np
import torch
from omegaconf import DictConfig
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from ganlab.configuration.checking import check
from ganlab.data.lossless import Picture, as_image, read
from ganlab.data.packs.pictures import UnreadableImageError
from ganlab.errors import UserError
from ganlab.files import atomic_write, writing
from ganlab.metrics.measures.paired import L1, PSNR, SSIM, SSIM_LEAST
from ganlab.report.translations import Row, averages, embedded, number, write_page
from ganlab.runs.build import choose_device, load_system
from ganlab.runs.memory import require_memory
from ganlab.runs.picture_folders import Pictures, match, output_names, require_apart
from ganlab.runs.preparing import print_line
from ganlab.systems.translator import Translator

SCORES = {"L1": L1("all"), "PSNR": PSNR("all"), "SSIM": SSIM("all")}


def translate(config: DictConfig) -> None:
    """Translate the pictures of ``input`` into files of the same names in ``output``, with a page of them."""
    check(config)
    output = Path(str(config.output)).expanduser()
    if output.is_file():
        raise UserError(f"output={output} is a file: give a folder")
    if output.resolve() == Path(str(config.input)).expanduser().resolve():
        raise UserError(f"output={output} is the folder of the input: give another")
    pictures = Pictures.of("input", config.input, output.resolve())
    truths = Pictures.of("truth", config.truth) if config.truth is not None else None
    targets = output_names(pictures.names)
    require_apart(output, targets.values(), [each for each in (pictures, truths) if each])
    matches = match(pictures.names, truths.names) if truths else {}
    if truths and not matches:
        raise UserError(f"truth={config.truth} has no picture with the name of one in input=: {pictures.names[0]}, ...")
    translator = load_translator(config)
    size = (config.load_size, config.load_size) if config.load_size else None
    print_line(f"{len(pictures.names)} pictures, {translator.describe()}")
    require_memory(translator, pictures, size, choose_device(config.device))
    made = Made(translator, pictures, truths, matches, size, config.grey)
    rows, skipped = [], []
    with writing(output):
        for name in tqdm(pictures.names, unit=" pictures", disable=None):
            try:
                image, row = made.of(name, targets[name])
            except UnreadableImageError as error:
                skipped.append((name, error.reason))
                continue
            (output / targets[name]).parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(output / targets[name], sync=False) as file:
                image.save(file, format="PNG")
            rows.append(row)
        if rows:
            write_page(output / "index.html", f"Translations of {pictures.root.name}", facts(config), rows, skipped)
    for name, reason in skipped:
        print_line(f"skipped {name}: {reason}", sys.stderr)
    if not rows:
        raise UserError(f"input={config.input}: no picture could be translated, {skipped[0][0]}: {skipped[0][1]}")
    for name, reason in made.remarks:
        print_line(f"{name}: {reason}", sys.stderr)
    if means := averages(rows):
        scored = sum(bool(row.scores) for row in rows)
        print_line(f"mean of {scored}: {', '.join(f'{name} {number(value)}' for name, value in means.items())}")
    print_line(f"{len(rows)} pictures: {output}, all on one page: {output / 'index.html'}")


@dataclass
class Made:
    """Translations of pictures, with their rows of the page."""

    translator: Translator
    pictures: Pictures
    truths: Pictures | None
    matches: dict[str, str]
    size: tuple[int, int] | None
    grey: bool

    def __post_init__(self) -> None:
        self.remarks: list[tuple[str, str]] = []

    def of(self, name: str, target: str) -> tuple[Image.Image, Row]:
        """Return the translation of a picture, and its row; ``UnreadableImageError`` if it cannot be translated."""
        translator = self.translator
        picture = self.open(self.pictures, name)
        if picture.deep and translator.made_channels != 1:
            reason = "16 bits, and this network makes colour, which is written with 8: convert it to 8 bits"
            raise UnreadableImageError(name, reason)
        index = crc32(PurePath(name).name.encode(errors="surrogateescape"))  # whatever else lies in the folder
        try:
            made = translator(picture.to_network(translator.channels, translator.value_range), index)
        except RuntimeError as error:  # of a GPU, and of the CPU, which has no class of its own
            if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
                raise
            fix = "a smaller tile=" if translator.tile else "tile=512"
            raise UserError(f"{name} does not fit into the memory that is free: type {fix}") from error
        image = as_image(made, translator.value_range, picture, self.grey)
        row = Row(name, target, {"input": embedded(picture.with_alpha()), "output": embedded(image)})
        if self.truths and name in self.matches:
            self.compare(row, image, self.truths, self.matches[name])
        return image, row

    def compare(self, row: Row, image: Image.Image, truths: Pictures, name: str) -> None:
        """Add the truth and the scores to a row, or a remark why they are missing."""
        try:
            truth = self.open(truths, name)
        except UnreadableImageError as error:
            self.remarks.append((str(truths.root / name), error.reason))
            return
        row.pictures["truth"] = embedded(truth.with_alpha())
        if truth.pixels.size != image.size:
            sizes = ["x".join(map(str, each.size)) for each in (truth.pixels, image)]
            self.remarks.append((str(truths.root / name), f"no scores, it is {sizes[0]} and the output {sizes[1]}"))
            return
        channels = self.translator.made_channels
        row.scores = scores_of(eight_bits(image, channels), eight_bits(truth.pixels, channels))

    def open(self, pictures: Pictures, name: str) -> Picture:
        """Return a picture, resized where that is asked for."""
        picture = read(pictures.file(name))
        return picture.resized(self.size) if self.size else picture


def load_translator(config: DictConfig) -> Translator:
    """Return the translator of ``checkpoint`` or ``weights``."""
    if (config.checkpoint is None) == (config.weights is None):
        raise UserError("give checkpoint=FILE, of a run, or weights=FILE, a .pth file of the PyTorch repository")
    given = {key: config[key] for key in ("statistics", "dropout") if config[key] is not None}
    if config.statistics not in (None, "batch", "running"):
        raise UserError(f"statistics={config.statistics} does not exist here: choose batch or running")
    given |= {"seed": config.seed, "tile": config.tile}
    if config.checkpoint is not None:
        system, _ = load_system(Path(str(config.checkpoint)).expanduser(), config.device)
        return Translator.of_system(system, config.task or "", **given)
    if config.task is not None:
        raise UserError(f"task={config.task}: a file of weights holds one generator; leave task= out")
    path = Path(str(config.weights)).expanduser()
    return Translator.of_weights(path, device=choose_device(config.device), **given)


def scores_of(image: Tensor, truth: Tensor) -> dict[str, float]:
    """Return the scores of a picture against its truth, uint8 (1, C, H, W)."""
    region = torch.ones_like(image, dtype=torch.bool)
    small = min(image.shape[2:]) < SSIM_LEAST
    metrics = {name: metric for name, metric in SCORES.items() if not (name == "SSIM" and small)}
    return {name: metric.compare(image, truth, region).item() for name, metric in metrics.items()}


def eight_bits(image: Image.Image, channels: int) -> Tensor:
    """Return a picture of up to 16 bits as uint8 (1, channels, H, W), without transparency."""
    if image.mode.startswith("I"):
        image = Image.fromarray(np.asarray(image).astype(np.float32) / 257)
    if image.mode == "F":
        image = Image.fromarray(np.asarray(image).round().astype(np.uint8))
    pixels = np.array(image.convert("L" if channels == 1 else "RGB"))
    return torch.from_numpy(pixels).reshape(1, image.height, image.width, channels).permute(0, 3, 1, 2)


def facts(config: DictConfig) -> dict[str, str]:
    """Return what the page says about how its pictures were made."""
    keys = ("checkpoint", "weights", "task", "statistics", "dropout", "tile", "load_size", "seed")
    return {key: str(config[key]) for key in keys if config[key] is not None}
