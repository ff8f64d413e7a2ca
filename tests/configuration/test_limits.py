"""Every number and switch of the configuration has limits, and a wrong value is one line that names its key."""

import re
from functools import cache
from inspect import signature
from itertools import chain
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from ganlab.arguments import annotations, unmet
from ganlab.configuration.checking import OWNERS, check, find, flat, listed, mistakes
from ganlab.configuration.entry import CONF
from ganlab.errors import UserError

# By command and options: least sound value of keys, or the two ends; below and above lies what is refused.
LIMITS: dict[tuple[str, ...], dict[str, float | tuple[float, float]]] = {
    ("train",): {
        "seed": 0,
        "accumulate": 1,
        "max_images": 1,
        "max_epochs": 0.001,
        "ema.half_life": 0,
        **{f"every.{name}": 1 for name in ("log", "samples", "metrics", "checkpoint", "keep", "diagnostics")},
        "data.image_size": 1,
        "data.batch_size": 1,
        "data.count": 4,
        "data.num_classes": 1,
        "data.pack_size": 1,
        "data.workers": 0,
        "data.max_broken": (0, 1),
        "data.max_dropped": (0, 1),
        "data.deduplication.noise_level": 0,
        "data.deduplication.dropout": (0, 1),
        "data.deduplication.images": 1,
        "data.deduplication.learning_rate": 1e-9,
        "data.deduplication.batch_size": 1,
        "data.deduplication.seed": 0,
        "architecture.width": 1,
        "architecture.kernel": 3,
        "architecture.latent_size": 1,
        "architecture.deviation": 0,
        "architecture.eps": 1e-9,
        "architecture.standing_batches": 1,
        "architecture.generator.width": 1,
        "architecture.discriminator.kernel": 3,
        **{f"architecture.{player}.slope": 0 for player in ("generator", "discriminator")},
        **{f"architecture.{player}.hidden_layers": 0 for player in ("generator", "discriminator")},
        **{f"architecture.{player}.hidden_units": 1 for player in ("generator", "discriminator")},
        **{f"architecture.{player}.dropout": (0, 1) for player in ("generator", "discriminator")},
        "objective.targets.real": (0, 1),
        "objective.targets.fake": (0, 1),
        "objective.targets.noise": (0, 1),
        "objective.targets.flipped": (0, 1),
        "system.replay": 0,
        "optimizer.lr": 0,
        "optimizer.eps": 0,
        "optimizer.weight_decay": 0,
        "optimizer.clip_norm": 0,
        "optimizer.generator.lr": 0,
        "optimizer.discriminator.lr": 0,
        "update.d_steps": 1,
        "update.g_steps": 1,
        "trainer.num_nodes": 1,
        "diagnostics.warm_up": 0,
        "diagnostics.worse": 1,
        "diagnostics.swing": (0, 1),
        "diagnostics.diversity": (0, 1),
        "diagnostics.coverage": (0, 1),
        "diagnostics.vanished": (0, 1),
        "metrics.count": 2,
        "metrics.batch_size": 2,
        "metrics.swd.patches": 1,
        "metrics.swd.seed": 0,
        "metrics.modes.confidence": (0, 1),
        "features.batch_size": 1,
        "features.classifier.accuracy": (0, 1),
        "features.classifier.images": 1,
        "features.classifier.batch_size": 2,
        "features.classifier.learning_rate": 1e-9,
        "features.classifier.width": 1,
        "features.classifier.seed": 0,
    },
    ("train", "architecture=cyclegan"): {
        "architecture.generator.blocks": 0,
        "architecture.generator.dropout": (0, 1),
        "architecture.discriminator.layers": 0,
    },
    ("train", "experiment=pix2pix"): {
        "system.weights.adversarial": 0,
        "system.weights.l1": 0,
        "system.weights.discriminator.adversarial": 0,
        "schedule.start": 0,
        "architecture.condition_channels": 0,
    },
    ("train", "experiment=context_encoder", "data.root=."): {
        "system.weights.l2": 0,
        "system.known": 0,
        "system.generator_rate": 1e-9,
        "architecture.generator.bottleneck_units": 1,
    },
    ("train", "experiment=cyclegan"): {"system.weights.cycle": 0, "system.identity": (0, 1), "system.replay": 0},
    ("train", "update=alternating", "optimizer=rmsprop"): {"update.d_steps": 1, "optimizer.lr": 0},
    ("train", "regularizer=orthogonal"): {
        "regularizer.orthogonal.weight": 0,
        "regularizer.orthogonal.interval": 1,
    },
    ("train", "optimizer=ttur"): {"optimizer.discriminator.lr": 0},
    ("train", "optimizer=sgd"): {"optimizer.momentum": 0},
    ("train", "penalty=[dragan,lecam,r1,weight_clip]"): {
        "penalty.dragan.weight": 0,
        "penalty.dragan.interval": 1,
        "penalty.dragan.target": 0,
        "penalty.dragan.spread": 0,
        "penalty.lecam.weight": 0,
        "penalty.lecam.interval": 1,
        "penalty.lecam.decay": (0, 1),
        "penalty.r1.weight": 0,
        "penalty.r1.interval": 1,
        "penalty.weight_clip.limit": 0,
    },
    ("train", "penalty=[r2,gradient_penalty]"): {
        "penalty.r2.weight": 0,
        "penalty.r2.interval": 1,
        "penalty.gradient_penalty.weight": 0,
        "penalty.gradient_penalty.interval": 1,
        "penalty.gradient_penalty.target": 0,
    },
    ("train", "augment=[diffaugment,adaptive,instance_noise]"): {
        "augment.colour.brightness": 0,
        "augment.colour.saturation": (0, 1),
        "augment.colour.contrast": (0, 1),
        "augment.translation.share": (0, 1),
        "augment.cutout.share": (0, 1),
        "augment.adaptive.start": (0, 1),
        "augment.adaptive.limit": (0, 1),
        "augment.adaptive.target": (-1, 1),
        "augment.adaptive.speed": 1,
        "augment.adaptive.interval": 1,
        "augment.instance_noise.deviation": 0,
        "augment.instance_noise.until": 1,
    },
    ("train", "schedule=cosine", "schedule.until=9"): {
        "schedule.until": 1,
        "schedule.start": 0,
        "schedule.floor": (0, 1),
    },
    ("train", "schedule=exponential", "schedule.half_life=9"): {
        "schedule.half_life": 1e-9,
        "schedule.floor": (0, 1),
    },
    ("train", "metrics=[kid,is,ms_ssim,parzen,path_length,sifid,cas,precision,recall,density,coverage]"): {
        "metrics.kid.subset_size": 2,
        "metrics.kid.subsets": 1,
        "metrics.kid.seed": 0,
        "metrics.is.splits": 1,
        "metrics.is.seed": 0,
        "metrics.ms_ssim.pairs": 1,
        "metrics.parzen.deviations": 1,
        "metrics.parzen.validation": 1,
        "metrics.path_length.samples": 1,
        "metrics.path_length.epsilon": 1e-9,
        "metrics.sifid.samples": 1,
        "metrics.cas.images": 1,
        "metrics.cas.batch_size": 2,
        "metrics.cas.learning_rate": 1e-9,
        "metrics.cas.width": 1,
        "metrics.cas.seed": 0,
        **{f"metrics.{name}.neighbours": 1 for name in ("precision", "recall", "density", "coverage")},
    },
    ("train", "architecture=mlp"): {
        "architecture.width": 1,
        "architecture.maxout_units": 1,
        "architecture.generator.bound": 0,
        "architecture.generator.output_bound": 0,
        "architecture.discriminator.pieces": 1,
        "architecture.discriminator.bound": 0,
        "architecture.discriminator.dropout": (0, 1),
        "architecture.discriminator.input_dropout": (0, 1),
    },
    **{
        ("train", f"architecture={name}"): {
            "architecture.width": 1,
            "architecture.latent_size": 1,
            "architecture.standing_batches": 1,
            "architecture.eps": 1e-9,
            "architecture.discriminator.image_size": 1,
            "architecture.generator.channels": 1,
        }
        for name in ("dcgan_conditional", "dcgan_imagenet32", "mlp_conditional", "resnet_conditional", "sndcgan")
    },
    ("train", "data=faces", "data.root=."): {
        "data.margin": 0,
        "data.minimum": 1,
        "data.scale_factor": (1.01, 4),
        "data.neighbours": 1,
    },
    ("train", "data=portraits"): {"data.image_size": 8, "data.seed": 0},
    ("train", "data=stacked_mnist"): {"data.seed": 0},
    ("evaluate", "metrics=[kid]"): {
        "count": 2,
        "batch_size": 2,
        "seed": 0,
        "repeats": 1,
        "metrics.kid.subsets": 1,
    },
    ("sample", "checkpoint=c"): {"count": 1, "seed": 0, "label": 0},
    ("translate", "weights=w", "input=i", "output=o"): {"seed": 0, "tile": 1, "load_size": 1},
    ("reproduce", "figure='2'"): {
        "seed": 0,
        "seeds": 1,
        "label": 0,
        "classifier.images": 1,
        "classifier.batch_size": 2,
        "classifier.learning_rate": 1e-9,
        "classifier.width": 1,
        "classifier.seed": 0,
        "figure.rows": 1,
        "figure.columns": 1,
    },
    ("reproduce", "figure='4'"): {"figure.rows": 1, "figure.columns": 1},
    ("reproduce", "figure='5'"): {"figure.features": 1, "figure.patches": 1, "figure.images": 1, "figure.scored": 2},
    ("reproduce", "figure='6'"): {
        "figure.samples": 2,
        "figure.columns": 1,
        "figure.scored": 2,
        "figure.draws": 1,
        "figure.layer": 1,
        "figure.strongest": 1,
        "figure.segmenter": 1,
    },
    ("reproduce", "figure='7'"): {
        "figure.exemplars": 1,
        "figure.trials": 0,
        "figure.pool": 1,
        "figure.least": (0, 1),
    },
    ("reproduce", "figure='8'"): {
        "figure.exemplars": 1,
        "figure.among": 2,
        "figure.reach": 0,
        "figure.scored": 2,
        "figure.reader.images": 1,
        "figure.reader.batch_size": 2,
        "figure.reader.learning_rate": 1e-9,
        "figure.reader.width": 1,
        "figure.reader.seed": 0,
    },
    ("reproduce", "figure='9'"): {"figure.rows": 1, "figure.columns": 1},
    ("reproduce", "figure='11'"): {"figure.rows": 1, "figure.columns": 1},
    ("reproduce", "table='1'"): {
        "table.held_out": (0, 1),
        "table.per_class": 1,
        "table.draws": 1,
        "table.images": 2,
    },
    ("reproduce", "table='2'"): {
        "table.per_class": 1,
        "table.choosing": 1,
        "table.testing": 1,
        "table.trials": 0,
        "table.held_out": 1,
    },
    ("reproduce", "table='3'"): {"table.reals": 1, "table.test": 1},
}
CASES = [(options, key, ends) for options, keys in LIMITS.items() for key, ends in keys.items()]
TARGETS = sorted({target for _, target in listed() if target.startswith("ganlab.")})
# What is no value of ours: Lightning's and Hydra's own, which figure is made, tables of the data.
FREE = re.compile(r"^number$|^trainer\.devices$|\._partial_$|\.classes_of\.|^features\.torchscript\.")


@cache
def composed(command: str, *overrides: str) -> DictConfig:
    """The configuration of a command."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(command, list(overrides))


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANLAB_RUN", "run")


def changed(options: tuple[str, ...], values: dict[str, Any]) -> DictConfig:
    """The configuration with other values."""
    config = composed(*options).copy()
    for key, value in values.items():
        OmegaConf.update(config, key, value)
    return config


def named_in_mistakes(config: DictConfig) -> set[str]:
    """The keys of all mistakes."""
    plain, raw = (OmegaConf.to_container(config, resolve=resolve) for resolve in (True, False))
    return {line.partition("=")[0] for line in mistakes(plain, flat(raw))}


def test_as_many_limits_are_tried_as_there_are_numbers() -> None:
    assert len({key for _, key, _ in CASES}) >= 157


@pytest.mark.parametrize(("options", "key", "ends"), CASES, ids=[f"{'-'.join(case[0])}-{case[1]}" for case in CASES])
def test_a_value_below_its_limit_is_one_line_that_names_the_key(
    options: tuple[str, ...], key: str, ends: float | tuple[float, float]
) -> None:
    least = ends[0] if isinstance(ends, tuple) else ends
    with pytest.raises(UserError) as error:
        check(changed(options, {key: least - 1}))
    assert re.fullmatch(rf"{re.escape(key)}={least - 1} must be a (whole )?number .*", str(error.value))


@pytest.mark.parametrize("options", LIMITS, ids=map("-".join, LIMITS))
def test_what_is_no_number_or_beyond_its_limits_is_refused(options: tuple[str, ...]) -> None:
    keys = LIMITS[options]
    for value in (float("nan"), float("inf"), True, "many", [3]):
        assert named_in_mistakes(changed(options, dict.fromkeys(keys, value))) >= keys.keys(), value
    ranges = {key: ends for key, ends in keys.items() if isinstance(ends, tuple)}
    assert named_in_mistakes(changed(options, {key: ends[1] + 0.5 for key, ends in ranges.items()})) >= ranges.keys()
    above = {key: 0.0 for key, ends in keys.items() if ends == 1e-9}
    assert named_in_mistakes(changed(options, above)) >= above.keys()


@pytest.mark.parametrize("options", LIMITS, ids=map("-".join, LIMITS))
def test_the_ends_of_the_limits_are_taken(options: tuple[str, ...]) -> None:
    for end in (0, -1):
        values = {key: ends[end] if isinstance(ends, tuple) else ends for key, ends in LIMITS[options].items()}
        assert not named_in_mistakes(changed(options, values))


@pytest.mark.parametrize("options", LIMITS, ids=map("-".join, LIMITS))
def test_no_number_and_no_switch_is_without_a_kind(options: tuple[str, ...]) -> None:
    values = flat(OmegaConf.to_container(composed(*options), resolve=False))
    numbers = {key for key, value in values.items() if isinstance(value, (int, float)) and not FREE.search(key)}
    assert named_in_mistakes(changed(options, dict.fromkeys(numbers, "nonsense"))) >= numbers


def leaves(kind: Any) -> list[Any]:
    """The types that an annotation consists of; limits and choices stay as they are."""
    members = get_args(kind)
    return [kind] if not members or get_origin(kind) in (Annotated, Literal) else [*chain(*map(leaves, members))]


@pytest.mark.parametrize("target", sorted({*TARGETS, *(target for _, target in OWNERS)}))
def test_every_argument_has_a_type_every_number_a_limit_and_every_constructor_checks_them(target: str) -> None:
    owner = find(target)
    if target.startswith("ganlab.systems.gan."):  # made of objects; the keys above limit the rest
        return
    names = [
        name
        for name, one in signature(owner).parameters.items()
        if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
    ]
    kinds = {name: leaves(annotations(owner)[name]) for name in names}
    assert not [name for name, found in kinds.items() if {int, float} & set(found) or found == [Any]]
    plain = [name for name, found in kinds.items() if any(unmet(kind, object()) for kind in found)]
    if plain and not target.startswith("ganlab.paper."):
        assert hasattr(owner.__init__ if isinstance(owner, type) else owner, "__wrapped__"), plain


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["+metrics.fid.cout=3"], "metrics.fid.cout is unknown to ganlab.metrics.measures.fid.FID"),
        (["~metrics.swd.patches"], "metrics.swd.patches is missing: type metrics.swd.patches=..."),
        (
            ["objective._target_=ganlab.nothing.Hinge"],
            "_target_=ganlab.nothing.Hinge is refused: no file in conf/objective",
        ),
        (["architecture.width=0"], "architecture.width=0 must be a whole number of at least 1"),
        (["architecture=mlp", "architecture.width=0"], "architecture.width=0 must be a whole number of at least 1"),
        (["architecture=mlp", "architecture.generator.units=[8,0]"], "units=[8, 0] must be a list, each a whole"),
        (["architecture.generator.channels=null"], "architecture.generator.channels=null must be a whole number"),
        (["architecture.discriminator.input_bias=1"], "discriminator.input_bias=1 must be true or false"),
        (["machine.compile=always"], "machine.compile=always must be auto or none or default or reduce-overhead"),
    ],
)
def test_other_mistakes(overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        check(composed("train", *overrides))
