"""The right words for keys, options and flags of other projects, and for mistyped ones."""

import re
import shlex
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

# What to type, and by which words others call it. The first command whose keys all exist is suggested.
KEYS = {
    "optimizer.lr={}": "lr learning_rate optimizer.learning_rate base_lr",
    "optimizer.generator.lr={}": "g_lr lr_g lr_generator",
    "optimizer.discriminator.lr={}": "d_lr lr_d lr_discriminator",
    "optimizer.betas=[{},0.999]": "beta1 b1 optimizer.beta1",
    "max_epochs={}": "epochs epoch num_epochs n_epochs nepochs niter",
    "max_images=IMAGES, steps times the batch size": "steps max_steps num_steps iterations iters n_iters train_steps",
    "data.batch_size={}": "batch_size bs batch batchsize train_batch_size batch_size_per_gpu b",
    "data.image_size={}": "image_size img_size imagesize imsize resolution size",
    "data.channels={}": "channels nc image_channels",
    "data=folder data.root={}": "root dataroot data_root data_dir datadir data_path dataset_path path train_dir",
    "data={}": "dataset dataset_name data_name",
    "data.workers={}": "workers num_workers n_workers n_cpu data.num_workers j",
    "data.flip={}": "flip hflip mirror",
    "trainer.devices={}": "gpus gpu num_gpus n_gpus ngpu ngpus devices trainer.gpus nproc",
    "trainer.accelerator={}": "device accelerator",
    "trainer.precision={}": "precision dtype",
    "architecture={}": "model network networks net arch backbone gan",
    "architecture.width={}": "width ngf ndf nf base_channels",
    "architecture.latent_size={}": "latent_dim latent nz z_dim zdim",
    "objective={}": "loss gan_loss criterion gan_mode adversarial_loss",
    "optimizer={}": "optim opt",
    "outputs={}": "output_dir outdir outputdir out out_dir save_dir log_dir logdir results_dir output outf",
    "output={}": "output_dir outdir out out_dir save_dir results_dir outf o",
    "run={}": "run_name exp exp_name experiment_name run_id resume resume_from continue",
    "checkpoint={}": "ckpt ckpt_path checkpoint_path model weights load load_from pretrained resume netg pth",
    "checkpoint=outputs/{}/checkpoints/best.ckpt": "run run_name exp exp_name",
    "count={}": "num n num_samples n_samples nsamples samples num_images n_images number max_images",
    "seed={}": "random_seed manual_seed manualseed rng_seed",
    "experiment={}": "recipe preset config cfg config_name",
    "logger={}": "log loggers tracker",
    "ema.half_life=IMAGES": "ema ema_decay ema_beta",
    "every.log={}": "log_interval log_every print_freq print_every",
    "every.samples={}": "sample_interval sample_every sample_freq",
    "every.checkpoint={}": "save_interval save_every save_freq checkpoint_interval ckpt_every",
    "generated={}": "fake fakes gen samples_dir",
    "real={}": "reals real_dir ref reference",
    "logger=wandb": "wandb use_wandb",
    "logger=wandb, with WANDB_MODE={} in front of the command": "wandb=offline wandb=online wandb=disabled",
    "logger=none": "wandb=false use_wandb=false no_wandb=true tensorboard=false",
    "logger=tensorboard": "tensorboard=true tb=true",
    "debug=smoke": "debug=true test=true dry_run=true smoke=true fast_dev_run=true",
    "trainer.precision=bf16-mixed": "fp16=true amp=true bf16=true mixed_precision=true half=true",
    "trainer.precision=32-true": "fp16=false amp=false bf16=false mixed_precision=false fp32=true",
    "trainer.accelerator=cpu": "cpu=true no_cuda=true no_gpu=true gpu=false cuda=false use_cuda=false use_gpu=false",
    "trainer.accelerator=gpu": "cuda=true gpu=true use_gpu=true use_cuda=true device=gpu device=cuda",
    "device=cpu": "cpu=true no_cuda=true no_gpu=true gpu=false cuda=false",
    "device=cuda": "cuda=true gpu=true use_gpu=true",
    "run=NAME, that of the run to continue": "resume=true resume=last resume=latest resume=auto continue=true",
}
OPTIONS = {
    "wasserstein": "wgan w wdist",
    "wasserstein penalty=gradient_penalty": "wgangp",
    "least_squares": "lsgan ls mse l2 leastsquare",
    "non_saturating": "bce nsgan ns dcgan nonsaturatinggan logistic softplus",
    "minimax": "vanilla gan original saturating",
    "relativistic_pairing": "rgan rsgan rpgan relativistic r3gan",
    "relativistic_average": "ragan rasgan",
    "gradient_penalty": "gp wgangp",
    "cifar10": "cifar",
    "fashion_mnist": "fashion fmnist",
    "imagenet": "imagenet1k ilsvrc ilsvrc2012",
    "celeba": "celebahq faces64",
    "lsun": "bedroom bedrooms lsunbedroom lsunbedrooms",
    "folder": "imagefolder custom images pictures dir directory",
    "adam": "adamw",
    "diffaugment": "diffaug",
    "adaptive": "ada",
    "inception": "inceptionv3",
    "tensorboard": "tb",
    "is": "inceptionscore",
    "precision": "pr",
    "none": "false off no null disabled 0",
}
# Other names of what stands in a table above, by name.
WORDS, CHOICES = (
    [(word, meant) for meant, words in table.items() for word in words.split()] for table in (KEYS, OPTIONS)
)


def options(group: Path) -> list[str]:
    """Return the names of a group's options."""
    return sorted(path.stem for path in group.glob("*.yaml"))


def option(group: str, value: str, conf: Path) -> str:
    """Return what to say of an option that a group does not have."""
    names = options(conf / group)
    if group == "data" and value and ("/" in value or Path(value).expanduser().is_dir()):
        return f"{group}={value} is no data set: type {shlex.join(['data=folder', f'data.root={value}'])}"
    meant = [name for word, name in CHOICES if word == _letters(value) and name.split()[0] in names]
    meant += [name for name in names if _letters(name) == _letters(value)]
    meant += get_close_matches(value.lower(), names, n=1, cutoff=0.6) if not value.isdecimal() else []
    hint = f"type {group}={meant[0]}; " if meant else ""
    return f"{group}={value} does not exist: {hint}choose one of {', '.join(names)}"


def unknown_key(key: str, value: str, conf: Path, name: str) -> str:
    """Return what to say of a key that a command does not have with the options chosen."""
    known = known_keys(conf, name)
    if known.get(key) and key == "data.root":  # of many options
        return f"there is no key data.root with the data chosen: type {shlex.join(['data=folder', f'{key}={value}'])}"
    if known.get(key):
        return f"there is no key {key} with the options chosen: it belongs to {known[key]}"
    if words := translated(key, value, conf, name):
        return f"there is no key {key}: type {words}"
    if re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", key):
        return f"{key} is a variable of the environment: type {shlex.quote(f'{key}={value}')} in front of the command"
    if others := [file.stem for file in sorted(conf.glob("*.yaml")) if key in own_keys(conf, file.stem)]:
        having = " and ".join(f"src/{other}.py" for other in others)
        return f"src/{name}.py has no {key}=: its --help lists the groups that it has; {key}= belongs to {having}"
    normal = key.lower().replace("-", "_")
    found = [other for other in known if other == normal] or [other for other in known if other.endswith(f".{normal}")]
    found = found or get_close_matches(normal, known, n=3, cutoff=0.6)
    found = found or [other for other in sorted(known) if other.split(".")[-1] == normal.split(".")[-1]]
    hint = f"did you mean {' or '.join(found[:3])}?" if found else "see --help for the groups, --cfg job for the keys"
    return f"there is no key {key}: {hint}"


def translated(key: str, value: str, conf: Path, name: str) -> str:
    """Return what to type for a key of another project; empty if it is not known."""
    word, known = key.lower().replace("-", "_"), known_keys(conf, name)
    meaning = {"": "true", "1": "true", "yes": "true", "on": "true", "0": "false", "no": "false", "off": "false"}
    if word == "device" and "trainer" in known and (number := re.fullmatch(r"(?:\w+:)?(\d+)", value)):
        return f"trainer.accelerator=gpu 'trainer.devices=[{number[1]}]'"
    if word.startswith("resume") and "run" in known and "/" in value:
        folder = Path(value).parents[1] if value.endswith(".ckpt") else Path(value)
        return shlex.join([f"outputs={folder.parent}", f"run={folder.name}"])
    for typed in (f"{word}={meaning.get(value.lower(), value.lower())}", word):
        for other, meant in WORDS:
            keys = [part.partition("=")[0] for part in meant.partition(",")[0].split()]
            if other == typed and all(each in known for each in keys):
                return re.sub(r"\S*\{\}\S*", lambda found: shlex.quote(found[0].format(value or "VALUE")), meant)
    return ""


@cache
def own_keys(conf: Path, name: str) -> list[str]:
    """Return the groups of a command and the keys of its file."""
    config: Any = OmegaConf.to_container(OmegaConf.load(conf / f"{name}.yaml"))
    files = [config, *(yaml.safe_load(file.read_text()) for file in conf.glob("experiment/*.yaml") if name == "train")]
    entries = [entry for each in files for entry in each.pop("defaults") if isinstance(entry, dict)]
    groups = dict.fromkeys(group.removeprefix("override ").lstrip("/") for entry in entries for group in entry)
    return [*(group for group in groups if not group.startswith("hydra")), *_keys(config, "")]


@cache
def known_keys(conf: Path, name: str) -> Mapping[str, str]:
    """Return the keys of a command, each with an option that it belongs to, empty for those that are always there."""
    known = {key: "" for key in own_keys(conf, name) if not key.startswith("hydra")}
    groups = {key for key in known if (conf / key).is_dir()}
    files = [file for file in sorted(conf.glob("*/**/*.yaml")) if file.relative_to(conf).parts[0] in groups]
    presets = [file for file in files if "@package _global_" in file.read_text()]
    for file in [*(file for file in files if file not in presets), *presets]:
        group = file.parent.relative_to(conf).as_posix().removesuffix("/base")
        prefix = "" if file in presets else group.replace("/", ".")
        for key in _keys(OmegaConf.to_container(OmegaConf.load(file)), prefix):
            if not key.startswith(("hydra", "defaults")) and not key.endswith(".defaults"):
                known.setdefault(key, f"{group}={file.stem}")
    return known


def _keys(node: object, prefix: str) -> list[str]:
    """Return the dotted names of a node and of all values below it."""
    items = node.items() if isinstance(node, dict) else ()
    below = (_keys(value, f"{prefix}.{name}" if prefix else str(name)) for name, value in items)
    return [*([prefix] if prefix else []), *chain.from_iterable(below)]


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text.lower())
