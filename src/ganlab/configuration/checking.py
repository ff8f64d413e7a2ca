"""A composed configuration, checked before anything is built or written."""

from collections.abc import Mapping
from math import inf
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ganlab.errors import UserError

# Keys that hold a number, and the least that it may be; a star stands for any name.
LEAST: dict[str, tuple[type, float]] = {
    "data.image_size": (int, 1),
    "data.channels": (int, 1),
    "data.batch_size": (int, 1),
    "data.max_broken": (float, 0),
    "data.workers": (int, 0),
    "data.count": (int, 4),
    "data.seed": (int, 0),
    "data.max_dropped": (float, 0),
    "data.deduplication.noise_level": (float, 0),
    "data.deduplication.dropout": (float, 0),
    "data.deduplication.images": (int, 1),
    "data.deduplication.learning_rate": (float, 0),
    "data.deduplication.batch_size": (int, 1),
    "data.deduplication.seed": (int, 0),
    "data.num_classes": (int, 1),
    "data.pack_size": (int, 1),
    "data.margin": (float, 0),
    "data.minimum": (int, 1),
    "data.scale_factor": (float, 1.01),
    "data.neighbours": (int, 1),
    "architecture.width": (int, 1),
    "architecture.kernel": (int, 3),
    "architecture.latent_size": (int, 1),
    "architecture.classes": (int, 1),
    "architecture.hidden_units": (int, 1),
    "architecture.maxout_units": (int, 1),
    "architecture.deviation": (float, 0),
    "architecture.eps": (float, 0),
    "architecture.standing_batches": (int, 1),
    "architecture.*.slope": (float, 0),
    "architecture.*.hidden_layers": (int, 0),
    "architecture.*.hidden_units": (int, 1),
    "architecture.*.dropout": (float, 0),
    "architecture.*.bound": (float, 0),
    "architecture.generator.output_bound": (float, 0),
    "architecture.discriminator.input_dropout": (float, 0),
    "architecture.discriminator.pieces": (int, 1),
    "optimizer.lr": (float, 0),
    "accumulate": (int, 1),
    "ema.half_life": (float, 0),
    "seed": (int, 0),
    "max_images": (int, 1),
    "max_epochs": (float, 0.001),
    "every.log": (int, 1),
    "every.samples": (int, 1),
    "every.metrics": (int, 1),
    "every.checkpoint": (int, 1),
    "every.keep": (int, 1),
    "every.diagnostics": (int, 1),
    "diagnostics.warm_up": (int, 0),
    "diagnostics.worse": (float, 1),
    "diagnostics.swing": (float, 0),
    "diagnostics.diversity": (float, 0),
    "diagnostics.coverage": (float, 0),
    "diagnostics.vanished": (float, 0),
    "metrics.count": (int, 2),
    "metrics.batch_size": (int, 2),
    "metrics.swd.patches": (int, 1),
    "metrics.modes.confidence": (float, 0),
    "features.classifier.accuracy": (float, 0),
    "features.classifier.images": (int, 1),
    "features.classifier.batch_size": (int, 2),
    "features.classifier.learning_rate": (float, 0),
    "features.classifier.width": (int, 1),
    "features.classifier.seed": (int, 0),
    "features.batch_size": (int, 1),
    "repeats": (int, 1),
    "kid.subset_size": (int, 2),
    "metrics.kid.subset_size": (int, 2),
    "metrics.kid.subsets": (int, 1),
    "metrics.*.seed": (int, 0),
    "metrics.*.neighbours": (int, 1),
    "metrics.is.splits": (int, 1),
    "metrics.ms_ssim.pairs": (int, 1),
    "metrics.parzen.deviations": (int, 1),
    "metrics.parzen.validation": (int, 1),
    "metrics.path_length.samples": (int, 1),
    "metrics.path_length.epsilon": (float, 0),
    "metrics.sifid.samples": (int, 1),
    "metrics.cas.images": (int, 1),
    "metrics.cas.batch_size": (int, 2),
    "metrics.cas.learning_rate": (float, 0),
    "metrics.cas.width": (int, 1),
    "optimizer.eps": (float, 0),
    "optimizer.weight_decay": (float, 0),
    "optimizer.clip_norm": (float, 0),
    "optimizer.*.lr": (float, 0),
    "update.d_steps": (int, 1),
    "update.g_steps": (int, 1),
    "penalty.*.weight": (float, 0),
    "penalty.*.interval": (int, 1),
    "penalty.*.target": (float, 0),
    "penalty.*.spread": (float, 0),
    "penalty.*.decay": (float, 0),
    "penalty.*.limit": (float, 0),
    "objective.targets.real": (float, 0),
    "objective.targets.fake": (float, 0),
    "objective.targets.noise": (float, 0),
    "objective.targets.flipped": (float, 0),
    "system.replay": (int, 0),
    "schedule.until": (int, 1),
    "schedule.start": (int, 0),
    "schedule.floor": (float, 0),
    "schedule.half_life": (float, 1),
    "augment.colour.brightness": (float, 0),
    "augment.colour.saturation": (float, 0),
    "augment.colour.contrast": (float, 0),
    "augment.*.share": (float, 0),
    "augment.adaptive.start": (float, 0),
    "augment.adaptive.limit": (float, 0),
    "augment.adaptive.target": (float, -1),
    "augment.adaptive.speed": (int, 1),
    "augment.adaptive.interval": (int, 1),
    "augment.instance_noise.deviation": (float, 0),
    "augment.instance_noise.until": (int, 1),
    "trainer.num_nodes": (int, 1),
    "count": (int, 1),
    "label": (int, 0),
    "seeds": (int, 1),
    "classifier.images": (int, 1),
    "classifier.batch_size": (int, 2),
    "classifier.learning_rate": (float, 0),
    "classifier.width": (int, 1),
    "classifier.seed": (int, 0),
    "figure.rows": (int, 1),
    "figure.columns": (int, 1),
    "figure.batch_size": (int, 2),
    "figure.features": (int, 1),
    "figure.patches": (int, 1),
    "figure.images": (int, 1),
    "figure.scored": (int, 2),
    "figure.samples": (int, 2),
    "figure.draws": (int, 1),
    "figure.layer": (int, 1),
    "figure.strongest": (int, 1),
    "figure.segmenter": (int, 1),
    "figure.exemplars": (int, 1),
    "figure.trials": (int, 0),
    "figure.pool": (int, 1),
    "figure.least": (float, 0),
    "figure.among": (int, 2),
    "figure.reach": (float, 0),
    "figure.reader.images": (int, 1),
    "figure.reader.batch_size": (int, 2),
    "figure.reader.learning_rate": (float, 0),
    "figure.reader.width": (int, 1),
    "figure.reader.seed": (int, 0),
    "table.held_out": (float, 0),
    "table.per_class": (int, 1),
    "table.draws": (int, 1),
    "table.images": (int, 2),
    "table.choosing": (int, 1),
    "table.testing": (int, 1),
    "table.trials": (int, 0),
    "table.reals": (int, 1),
    "table.test": (int, 1),
    "batch_size": (int, 2),
}
NULLABLE = (
    "data.count",
    "data.workers",
    "data.pack_size",
    "data.num_classes",
    "architecture.classes",
    "kid.subset_size",
    "metrics.kid.subset_size",
    "max_images",
    "max_epochs",
    "label",
    "figure.strongest",
    "table.images",
    "table.test",
)
SHARES = (
    "data.max_broken",
    "data.max_dropped",
    "augment.translation.share",
    "augment.cutout.share",
    "augment.colour.saturation",
    "augment.colour.contrast",
    "augment.adaptive.start",
    "augment.adaptive.limit",
    "augment.adaptive.target",
    "metrics.modes.confidence",
    "features.classifier.accuracy",
    "figure.least",
    "penalty.lecam.decay",
    "objective.targets.real",
    "objective.targets.fake",
    "objective.targets.noise",
    "objective.targets.flipped",
    "schedule.floor",
)
BOOLEANS = (
    "grid",
    "system.joint",
    "data.deduplicate",
    "data.flip",
    "data.labels",
    "data.download",
    "augment.adaptive.blit",
    "augment.adaptive.geometry",
    "augment.adaptive.colour",
    "trainer.sync_batchnorm",
    "trainer.detect_anomaly",
    "trainer.deterministic",
)
PRECISIONS = {  # as it may be typed: as Lightning names it
    "auto": "auto",
    "32": "32-true",
    "32-true": "32-true",
    "bf16": "bf16-mixed",
    "bf16-mixed": "bf16-mixed",
}
COMPILE = ("auto", "none", "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
AUTOMATIC = (  # or true or false
    "machine.channels_last",
    "machine.fused",
    "machine.tf32",
    "machine.data_on_device",
    "trainer.benchmark",
)
TRUSTED = ("ganlab.", "torch.optim.", "lightning.")


def check(config: DictConfig) -> dict[str, Any]:
    """Return the configuration resolved, as plain containers.

    Raises:
        UserError: a value is missing, or is not of the kind that its key needs.
    """
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        raise UserError(f"{missing[0]} is missing: type {missing[0]}=...")
    if isinstance(root := OmegaConf.select(config, "data.root"), int):  # a folder named by a number
        OmegaConf.update(config, "data.root", str(root))
    plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    values: dict[str, Any] = flat(plain)
    for key, value in values.items():
        limit = LEAST.get(key) or LEAST.get(starred(key))
        nullable = key in NULLABLE or key.startswith("every.") or key.endswith("clip_norm")
        if limit is None or (value is None and nullable):
            continue
        kind, least = limit
        number = isinstance(value, (int, kind)) and not isinstance(value, bool)
        if not number or not least <= value < inf:
            what = "a whole number" if kind is int else "a number"
            raise UserError(f"{key}={value} must be {what} of at least {least}")
    for key in SHARES:
        if values.get(key, 0) > 1:
            raise UserError(f"{key}={values[key]} is no share: type a number from 0 to 1")
    for key in BOOLEANS:
        if not isinstance(values.get(key, False), (bool, type(None)) if key.startswith("trainer.") else bool):
            raise UserError(f"{key}={values[key]} must be true or false")
    for key in ("packs", "outputs", "data.root"):
        if not isinstance(values.get(key, "."), str) or not values.get(key, "."):
            raise UserError(f"{key}={values[key]} is no folder: type {key}=FOLDER")
    for key in ("source", "deduplication"):
        if not isinstance(plain.get("data", {}).get(key, {}), Mapping):
            raise UserError(f"data.{key}={plain['data'][key]} is not to be replaced: type the keys below it")
    for key in ("run", "name"):
        if key in values and (str(values[key]) in ("", ".", "..") or "/" in str(values[key])):
            raise UserError(f"{key}={values[key]} is not a name: type one without slashes, and the place as outputs=")
    if "trainer.precision" in values:
        if (precision := str(values["trainer.precision"])) not in PRECISIONS:
            raise UserError(f"trainer.precision={precision} is not supported: choose 32-true or bf16-mixed, or auto")
        plain["trainer"]["precision"] = PRECISIONS[precision]
    if (mode := values.get("machine.compile", "none")) not in COMPILE:
        raise UserError(f"machine.compile={mode} is not known: choose one of {', '.join(COMPILE)}")
    for key in AUTOMATIC:
        value = values.get(key, "auto")
        if value != "auto" and not isinstance(value, bool) and (value is not None or key != "trainer.benchmark"):
            raise UserError(f"{key}={'null' if value is None else value} must be auto, true or false")
    check_targets(plain)
    return plain


def starred(key: str) -> str:
    """Return a key of three names or more with a star in the place of the second."""
    first, _, rest = key.partition(".")
    return f"{first}.*.{rest.partition('.')[2]}"


def check_targets(config: Any, key: str = "") -> None:
    """Refuse a configuration that would call code from elsewhere; one that a checkpoint brings may come from anyone."""
    items = config.items() if isinstance(config, Mapping) else enumerate(config) if isinstance(config, list) else ()
    for name, value in items:
        if name == "_target_" and not str(value).startswith(TRUSTED):
            raise UserError(f"{key}_target_={value} is refused: targets lie under {', '.join(TRUSTED)}")
        check_targets(value, f"{key}{name}.")


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings to dotted keys; lists stay whole."""
    values: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            values |= flat(value, f"{prefix}{name}.")
        else:
            values[f"{prefix}{name}"] = value
    return values


def differences(before: Mapping[str, Any], now: Mapping[str, Any], free: tuple[str, ...] = ()) -> list[str]:
    """List the keys whose values differ, as ``key=before (now: value)``; those below a ``free`` key may differ."""
    old, new = flat(before), flat(now)
    return [
        f"{key}={old.get(key)} (now {new.get(key)})"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not any(key == name or key.startswith(f"{name}.") for name in free)
    ]
