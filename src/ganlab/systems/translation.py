"""Pictures into pictures: what paired and unpaired families of translation share."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ganlab.arguments import checked
from ganlab.errors import UserError
from ganlab.images import to_floats
from ganlab.networks.statistics import batch_norms, sampling
from ganlab.objectives.regularizers import Regularizer
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.adversary import Adversary, Moment
from ganlab.systems.clock import seed_of
from ganlab.systems.request import Request
from ganlab.systems.update import DISCRIMINATOR, GENERATOR, Player, UpdateRule
from ganlab.transfer import Batch

Statistics = Literal["batch", "running"]


@checked
class Translation(AdversarialSystem):
    """A family whose generators take pictures.

    Args:
        networks: by name; the generators have ``input_shape`` and ``value_range``, the same for all.
        players: see `AdversarialSystem`.
        update: see `ganlab.systems.update`.
        adversaries: by the name of their discriminator.
        regularizers: by name, of each generator; terms added to its loss.
        statistics: batch norm's statistics when pictures are made: those of each picture by itself, or running ones.
        dropout: whether values are dropped then as well, drawn from (seed, index).
        **loop: ``weights``, ``stages``, ``seed``, ``accumulate``, ``half_life``, ``clip_norm``, ``schedule`` and
            ``channels_last`` of `AdversarialSystem`.

    Raises:
        ValueError: a generator takes no pictures, or a discriminator takes labels.
    """

    adversaries: Any  # nn.ModuleDict's values have no type
    regularizers: Any

    def __init__(
        self,
        networks: Mapping[str, Any],
        players: Mapping[str, Player],
        update: UpdateRule,
        adversaries: Mapping[str, Adversary],
        regularizers: Mapping[str, Mapping[str, Regularizer]] | None = None,
        *,
        statistics: Statistics = "batch",
        dropout: bool = True,
        **loop: Any,
    ) -> None:
        generators = [network for name, network in networks.items() if name not in adversaries]
        if any(hasattr(generator, "draw_latents") for generator in generators):
            raise ValueError(
                "this system makes pictures from pictures, and its generator takes latents: type "
                "architecture=pix2pix, cyclegan or context_encoder, or system=gan"
            )
        if any(getattr(networks[name], "classes", 0) for name in adversaries):
            raise ValueError(
                "this system gives its discriminator pictures alone, and it takes labels: type "
                "architecture/discriminator=pix2pix, or another one without classes"
            )
        super().__init__(networks, players, update, **loop)
        self.adversaries = nn.ModuleDict(adversaries)
        self.regularizers = nn.ModuleDict({name: nn.ModuleDict(each) for name, each in (regularizers or {}).items()})
        self.statistics, self.dropout = statistics, dropout
        self.value_range = generators[0].value_range
        for adversary in adversaries.values():
            adversary.set_value_range(self.value_range)

    def differentiated_twice(self) -> list[str]:
        """Name the penalties that differentiate a discriminator twice, which torch.compile cannot."""
        names: list[str] = next(iter(self.adversaries.values())).differentiated_twice
        return names

    # Training

    def draw(self, batch: Batch, rng: torch.Generator) -> Batch:
        """Add nothing: dropout is the only noise."""
        return batch

    def fool(self, name: str, discriminator: str, real: Batch, fake: Batch) -> Batch:
        """Return the adversarial term of a generator's loss, unless it is switched off, and its regularisers."""
        terms, player = Batch(), self.player_of(name)
        if self.weight(player, "adversarial"):
            adversary = self.adversaries[discriminator]
            terms |= adversary.generator_loss(self.compiled_or_raw(discriminator), real, fake, name)
            self.scalars |= adversary.scalars
        for term, regularizer in self.regularizers[name].items() if name in self.regularizers else ():
            if regularizer.due(self.clock.steps[player]):
                terms[term] = regularizer(self.networks[name])
        return terms

    def tell_apart(self, name: str, generator: str, real: Batch, fake: Batch) -> Batch:
        """Return the terms of a discriminator's loss; none where ``generator`` does not train against it."""
        if not self.weight(self.player_of(generator), "adversarial"):
            return {}
        adversary, steps = self.adversaries[name], self.clock.steps[self.player_of(name)]
        moment = Moment(self.seed, self.clock.images_seen, steps, self.trainer.world_size)
        terms: Batch = adversary.discriminator_loss(self.compiled_or_raw(name), self.networks[name], real, fake, moment)
        self.scalars |= adversary.scalars
        return terms

    def player_of(self, network: str) -> str:
        """Return the player that trains a network."""
        return next(name for name, player in self.players.items() if network in player.networks)

    def after_step(self, player: str) -> None:
        """Put the penalties' bounds on the discriminators after each of their steps."""
        for name in self.players[player].networks:
            if name in self.adversaries:
                self.adversaries[name].bound(self.networks[name])

    # Pictures

    def translator(self, task: str) -> Any:
        """Return the network that a task's pictures are made with, the average where there is one."""
        return self.ema_or_raw(GENERATOR)

    def decode(self, request: Request, seed: int, task: str = "") -> Tensor:
        """Return the translations of the inputs, floats (N, C, H, W); n at a time are what each is by itself.

        Raises ``UserError`` without inputs.
        """
        if request.inputs is None:
            raise UserError(
                "this system makes pictures from pictures, not from latents: type python src/translate.py "
                "checkpoint=FILE input=FOLDER output=FOLDER"
            )
        inputs = self.as_floats(request.inputs)
        seeds = [seed_of(seed, index) for index in request.indices.tolist()]
        dropout = self.dropout if request.dropout is None else request.dropout
        return translated(self.translator(task), inputs, request.statistics or self.statistics, dropout, seeds)

    def as_floats(self, pictures: Tensor) -> Tensor:
        """Return pictures (N, C, H, W), bytes or floats already, as the networks take them."""
        pictures = pictures.to(self.device)
        return to_floats(pictures.permute(0, 2, 3, 1), self.value_range) if pictures.dtype == torch.uint8 else pictures

    def sampling_protocol(self) -> dict[str, Any]:
        """Return which statistics batch norm uses, whether values are dropped, and whether weights are averages."""
        network = self.translator(self.tasks()[0])
        of = {"batch": "each picture", "running": "running"}[self.statistics] if batch_norms(network) else "none"
        return {"batch_norm": of, "dropout": self.dropout and drops(network), "ema": len(self.averages) > 0}


class PairedTranslation(Translation):
    """Two players, ``generator`` and ``discriminator``, of aligned inputs and targets.

    A family says what the discriminator sees (`seen`) and what draws the generator to the target (`reconstruction`).

    Args:
        generator: pictures to pictures.
        discriminator: of what `seen` returns.
        optimizers: by role; each makes an optimiser from parameters.
        adversary: of the discriminator.
        update: see `ganlab.systems.update`.
        regularizers: by name; terms added to the generator's loss.
        **options: of `Translation`.
    """

    learns_from: ClassVar[tuple[str, ...]] = ("inputs", "targets")

    def __init__(
        self,
        generator: Any,
        discriminator: nn.Module,
        optimizers: Mapping[str, Callable],
        adversary: Adversary,
        update: UpdateRule,
        regularizers: Mapping[str, Regularizer] | None = None,
        **options: Any,
    ) -> None:
        networks = {DISCRIMINATOR: discriminator, GENERATOR: generator}
        players = {name: Player((name,), optimizers[name], role=name) for name in networks}
        owned = {GENERATOR: regularizers or {}}
        super().__init__(networks, players, update, {DISCRIMINATOR: adversary}, owned, **options)

    def prepare(self, batch: Batch) -> Batch:
        """Convert uint8 (N, H, W, C) inputs and targets to floats (N, C, H, W) in the generator's range."""
        return batch | {name: to_floats(batch[name], self.value_range) for name in ("inputs", "targets")}

    def generate(self, batch: Batch) -> Batch:
        """Map inputs to images."""
        return {"images": self.compiled_or_raw(GENERATOR)(batch["inputs"])}

    def loss(self, player: str, batch: Batch, fakes: Batch) -> Batch:
        """Return the adversarial term and, of the generator, the terms of `reconstruction`."""
        real, fake = self.seen(batch, batch["targets"]), self.seen(batch, fakes["images"])
        if player == DISCRIMINATOR:
            return self.tell_apart(DISCRIMINATOR, GENERATOR, real, fake)
        return self.fool(GENERATOR, DISCRIMINATOR, real, fake) | self.reconstruction(batch, fakes["images"])

    def seen(self, batch: Batch, images: Tensor) -> Batch:
        """Return what the discriminator sees of images, true or made: them, and perhaps their inputs."""
        raise NotImplementedError

    def reconstruction(self, batch: Batch, images: Tensor) -> Batch:
        """Return the named terms that draw the generator's images to the targets."""
        raise NotImplementedError


def translated(
    network: nn.Module, inputs: Tensor, statistics: str = "batch", dropout: bool = True, seeds: Sequence[int] = ()
) -> Tensor:
    """Pass pictures (N, C, H, W) through a network so that n at a time are what each is by itself.

    Args:
        network: pictures to pictures.
        inputs: in its range.
        statistics: of batch norm, see `ganlab.networks.statistics.sampling`; those of the batch are each picture's.
        dropout: whether values are dropped, as in training.
        seeds: of each picture's dropout.
    """
    noisy = dropout and drops(network)
    by_itself = noisy or (statistics == "batch" and batch_norms(network))
    devices = [inputs.device] if inputs.device.type == "cuda" else []
    outputs = []
    drawn = torch.random.fork_rng(devices) if noisy else nullcontext()
    with sampling(network, statistics, gradients=True, dropout=dropout), drawn:
        for index, part in enumerate(inputs.split(1) if by_itself else [inputs]):
            if noisy:
                torch.manual_seed(seeds[index])
            outputs.append(network(part))
    return torch.cat(outputs)


def drops(network: nn.Module) -> bool:
    """Whether a network has dropout."""
    return any(isinstance(module, nn.Dropout) for module in network.modules())
