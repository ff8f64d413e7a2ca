"""The training loop of every GAN here: players, phases, and one clock.

A family of GANs is a subclass that names its players and says how fakes are drawn and generated, what each player's
loss is, and what there is to look at. The loop itself is `AdversarialSystem.training_step`, read top-down:

    one minibatch of reals -> one turn of the update rule -> for each of its phases: fakes, losses, gradients, steps
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ganlab.systems.averaging import Average
from ganlab.systems.clock import Clock, generator_of, seed_step
from ganlab.systems.data_parallel import PlayerParallel
from ganlab.systems.schedules import Schedule
from ganlab.systems.update import Phase, Turn, UpdateRule
from ganlab.transfer import send

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Player:
    """One side of the game.

    Attributes:
        network: what it trains.
        optimizer: makes its optimiser from the network's parameters.
        generates: whether its gradients come through the fakes; such a network is averaged.
    """

    network: nn.Module
    optimizer: Callable[[Iterator[nn.Parameter]], Optimizer]
    generates: bool


class AdversarialSystem(L.LightningModule):
    """Trains any number of networks against each other by manual optimisation.

    Args:
        players: by name, in the order of their optimisers.
        update: which players step on which minibatch, see `ganlab.systems.update`.
        seed: of everything that training draws.
        accumulate: parts in which a minibatch goes through the networks, their gradients summed; equal to the whole
            minibatch for networks without batch statistics.
        half_life: of the moving average of the generating networks, in images; 0 for none.
        clip_norm: largest norm of a player's gradient; None for no limit.
        schedule: factor of the learning rates by images seen; None for constant ones.
        channels_last: whether weights and images lie in memory with the channels last, instead of first.

    Attributes:
        learns_from: pictures that it needs in a batch: ``images``, or ``inputs``, ``targets`` and ``masks``, or the
            domains ``a`` and ``b``.
        classes: of a conditional family; 0 for none.
    """

    learns_from: ClassVar[tuple[str, ...]] = ("images",)
    classes: int = 0

    def __init__(
        self,
        players: Mapping[str, Player],
        update: UpdateRule,
        *,
        seed: int = 0,
        accumulate: int = 1,
        half_life: float = 0.0,
        clip_norm: float | None = None,
        schedule: Schedule | None = None,
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.players, self.update, self.seed = dict(players), update, seed
        self.accumulate, self.clip_norm, self.schedule = accumulate, clip_norm, schedule
        self.clock = Clock(list(players))
        self.observed: Batch = {}  # what a family notes beside a loss: detached scalars, logged by these names
        self.networks = nn.ModuleDict({name: player.network for name, player in players.items()})
        self.channels_last = channels_last
        if channels_last:
            self.networks.to(memory_format=torch.channels_last)
        self.compiled: dict[str, Callable[..., Tensor]] = {}
        averaged = [name for name, player in players.items() if player.generates and half_life > 0]
        self.averages = nn.ModuleDict({name: Average(self.networks[name], half_life) for name in averaged})

    # What a family says of itself

    @abstractmethod
    def prepare(self, batch: Batch) -> Batch:
        """Convert a minibatch as the data holds it to what the networks see."""

    @abstractmethod
    def draw(self, batch: Batch, rng: torch.Generator) -> Batch:
        """Add what fresh fakes are made from, drawn for the global minibatch, this rank's slice kept (`local`)."""

    @abstractmethod
    def generate(self, batch: Batch) -> Batch:
        """Make the fakes of a minibatch, once per fresh draw."""

    @abstractmethod
    def loss(self, player: str, batch: Batch, fakes: Batch) -> Batch:
        """Return the named terms of a player's loss, scalars; their sum is minimised."""

    @abstractmethod
    def generation_batch(self, index: int, size: int, seed: int, labels: Tensor | None = None) -> Tensor:
        """Return batch ``index`` of the endless samples of a seed, of given classes (size,): uint8 (size, C, H, W)."""

    @abstractmethod
    def exhibit(self) -> Batch:
        """Return the pictures that a person wants to see, by name: uint8 (N, C, H, W), the same latents every time."""

    @abstractmethod
    def sampling_protocol(self) -> dict[str, Any]:
        """Return how samples are made: what a metric has to state with its value."""

    def generation_labels(self, index: int, size: int, seed: int) -> Tensor | None:
        """Return the labels (size,) that ``generation_batch`` draws for the same batch; None where there are none."""
        return None

    def differentiated_twice(self) -> list[str]:
        """Name what differentiates a network twice, which goes through the uncompiled network."""
        return []

    def stepped(self, player: str) -> None:  # noqa: B027 - most families do nothing
        """Follow a player's step."""

    def check_labels(self, labels: Any) -> None:  # noqa: B027 - most families take none
        """Raise ``UserError`` where a family cannot be trained with the data's labels, an array of all or None."""

    # The loop

    def training_step(self, batch: Batch, _: int) -> Batch:
        """Play one turn of the update rule on one minibatch; returns losses, their terms and what was noted."""
        seed_step(self.seed, self.global_rank, self.clock.images_seen)
        if self.compiled:
            torch.compiler.cudagraph_mark_step_begin()  # the last minibatch's tensors may be overwritten
        turn = self.update[self.clock.minibatches % len(self.update)]
        images = self.trainer.world_size * len(next(iter(batch.values())))
        batch, terms = self.laid_out(self.prepare(batch)), Batch()
        for index, phase in enumerate(turn):
            if phase.fresh:
                rng = generator_of(self.seed, self.clock.images_seen, index)
                chunks = self.split(self.draw(batch, rng))
                fakes = [self.make_fakes(chunks[0], self.wanted(turn, index))] if self.accumulate == 1 else None
            terms |= self.play(phase, chunks, fakes)
        self.clock.tick(images)
        for name, average in self.averages.items():
            average.update(self.networks[name], images, self.clock.images_seen)  # type: ignore[operator]
        return terms

    def play(self, phase: Phase, chunks: list[Batch], fakes: list[Batch] | None) -> Batch:
        """Take one step of each player of a phase, after the gradients of all of them."""
        optimizers = dict(zip(self.players, self.optimizers(use_pl_optimizer=True), strict=True))
        logged: Batch = {}
        for name in phase.players:
            generates = self.players[name].generates
            for index, chunk in enumerate(chunks):
                fake = fakes[index] if fakes else self.make_fakes(chunk, generates)
                fake = fake if generates else {key: value.detach() for key, value in fake.items()}
                with self.only(name):
                    self.observed = {}
                    terms = self.loss(name, chunk, fake)
                    loss = torch.stack(list(terms.values())).sum() / len(chunks)
                    self.manual_backward(loss)
                named = {f"{name}/{term}": value / len(chunks) for term, value in terms.items() if len(terms) > 1}
                noted = {key: value / len(chunks) for key, value in self.observed.items()}
                for key, value in {f"loss/{name}": loss, **named, **noted}.items():
                    logged[key] = logged[key] + value.detach() if key in logged else value.detach()
            self.share_gradients(name)
        for name in phase.players:
            if self.clip_norm is not None:  # Lightning's own refuses fused optimisers, whatever the precision
                nn.utils.clip_grad_norm_(self.networks[name].parameters(), self.clip_norm)
            if self.schedule:
                logged[f"lr/{name}"] = self.scheduled(optimizers[name].optimizer)
            optimizers[name].step()
            optimizers[name].zero_grad()
            self.clock.steps[name] += 1
            self.stepped(name)
        return logged

    def configure_optimizers(self) -> list[Optimizer]:
        """Make one optimiser a player, in the players' order."""
        return [player.optimizer(player.network.parameters()) for player in self.players.values()]

    def on_train_start(self) -> None:
        """Let the configuration prevail over what a checkpoint's optimisers carry: hyper-parameters, memory format."""
        for optimizer in self.trainer.optimizers:
            for group in optimizer.param_groups:
                group.update(optimizer.defaults)
                for parameter in group["params"]:  # a fused kernel counts its steps on the device, others on the CPU
                    state = optimizer.state.get(parameter, {})
                    if isinstance(step := state.get("step"), Tensor):
                        state["step"] = step.to(parameter.device if group.get("fused") else "cpu")
                    for name, value in state.items():  # a fused kernel takes them to lie as their weights do
                        if isinstance(value, Tensor) and lies_otherwise(value, parameter):
                            state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)

    # Its parts

    def compile_networks(self, mode: str) -> None:
        """Pass training's minibatches through compiled networks; samples, of other batch sizes, never go there.

        Args:
            mode: of torch.compile, such as ``default``.
        """
        self.compiled = {name: torch.compile(net, mode=mode, dynamic=False) for name, net in self.networks.items()}

    def trained(self, name: str) -> Any:
        """Return a player's network as training calls it: compiled, where it is."""
        return self.compiled.get(name, self.networks[name])

    def laid_out(self, batch: Batch) -> Batch:
        """Return a batch in the networks' memory format; as data modules hold images, their channels lie last."""
        return batch if self.channels_last else {name: values.contiguous() for name, values in batch.items()}

    def scheduled(self, optimizer: Optimizer) -> Tensor:
        """Set an optimiser's learning rate to the schedule's at this moment, and return it."""
        assert self.schedule is not None
        rate = optimizer.defaults["lr"] * self.schedule(self.clock.images_seen)
        for group in optimizer.param_groups:
            group["lr"] = rate
        return torch.full((), rate, device=self.device)

    def wanted(self, turn: Turn, index: int) -> bool:
        """Whether a generating player needs the graph of the fakes drawn at phase ``index``."""
        sharing = [turn[index]]
        for phase in turn[index + 1 :]:
            if phase.fresh:
                break
            sharing.append(phase)
        return any(self.players[name].generates for phase in sharing for name in phase.players)

    def make_fakes(self, chunk: Batch, gradient: bool) -> Batch:
        """Generate the fakes of a chunk, with the graph that leads back to the generators or without."""
        with torch.set_grad_enabled(gradient):
            return self.generate(chunk)

    def split(self, batch: Batch) -> list[Batch]:
        """Split a minibatch into ``accumulate`` parts of equal size."""
        parts = {name: value.chunk(self.accumulate) for name, value in batch.items()}
        return [{name: chunks[index] for name, chunks in parts.items()} for index in range(self.accumulate)]

    def local(self, values: Tensor) -> Tensor:
        """Keep this rank's slice of what was drawn on the CPU for the global minibatch, on this rank's device."""
        return send(values.chunk(self.trainer.world_size)[self.global_rank], self.device)

    @cached_property
    def weights(self) -> dict[str, list[nn.Parameter]]:
        """The weights of each network, listed once: a walk through the modules at every step takes a millisecond."""
        return {name: list(network.parameters()) for name, network in self.networks.items()}

    @contextmanager
    def only(self, name: str) -> Iterator[None]:
        """Freeze every other network for the block: no gradient is computed for weights that will not step."""
        others = [weight for other, weights in self.weights.items() if other != name for weight in weights]
        try:
            for weight in others:
                weight.requires_grad = False
            yield
        finally:
            for weight in others:
                weight.requires_grad = True

    def share_gradients(self, name: str) -> None:
        """Average a player's gradients over the ranks, where there are several."""
        if isinstance(strategy := self.trainer.strategy, PlayerParallel):
            strategy.average_gradients(self.networks[name])

    def broken(self) -> list[str]:
        """Name the players whose weights are no longer finite."""
        flags = [torch.stack([p.isfinite().all() for p in net.parameters()]).all() for net in self.networks.values()]
        whole = torch.stack(flags).tolist()  # one wait for the device
        return [name for name, finite in zip(self.networks, whole, strict=True) if not finite]

    # What metrics, grids and exports call

    def sampler(self, name: str) -> Any:
        """Return the network of a player that samples are made with: its average where there is one."""
        return self.averages[name].network if name in self.averages else self.networks[name]

    def sample(self, count: int, seed: int = 0, batch_size: int = 100) -> Tensor:
        """Return the first ``count`` samples of a seed, uint8 (count, C, H, W), made in whole batches.

        With batch statistics a sample depends on its batch mates: equal seed and batch size give equal samples.
        """
        batches = [self.generation_batch(i, batch_size, seed).cpu() for i in range(-(-count // batch_size))]
        return torch.cat(batches)[:count]


def lies_otherwise(value: Tensor, parameter: Tensor) -> bool:
    """Whether a value of each weight has them in another memory format."""
    return value.shape == parameter.shape and value.stride() != parameter.stride()
