"""The training loop of every GAN here: networks, players, phases, and one clock.

A family of GANs is a subclass that holds networks, names its players, and implements `ganlab.systems.family.Family`.
The loop itself is `AdversarialSystem.training_step`, read top-down:

    a minibatch of reals -> an iteration of the update rule -> for each of its phases: fakes, losses, gradients, steps
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ganlab.systems.averaging import Average
from ganlab.systems.checkpoint import apply_configuration
from ganlab.systems.clock import Clock, generator_of, seed_step
from ganlab.systems.data_parallel import PlayerParallel
from ganlab.systems.fakes import Fakes
from ganlab.systems.family import Family
from ganlab.systems.schedules import Schedule
from ganlab.systems.stages import Stages, Unstaged
from ganlab.systems.update import GENERATOR, Iteration, Phase, Player, UpdateRule, resolve_roles
from ganlab.transfer import Batch, send


class AdversarialSystem(Family):
    """Trains any number of networks against each other by manual optimisation.

    Args:
        networks: by name.
        players: by name, in the order of their optimisers; each trains some of the networks.
        update: which players step on which minibatch, see `ganlab.systems.update`.
        stages: what changes with the images seen, see `ganlab.systems.stages`.
        weights: factors of losses' terms by name, or by player or role and then name; 1 by default, 0 switches off.
        seed: of everything that training draws.
        accumulate: parts of a minibatch that pass through the networks in turn; their gradients are summed.
        half_life: of the moving average of the generating networks, in images; 0 for none.
        clip_norm: largest norm of a player's gradient; None for no limit.
        schedule: factor of the learning rates by images seen; None for constant ones.
        channels_last: whether weights and images have their channels last in memory.

    Raises ``ValueError`` as `ganlab.systems.update.resolve_roles` does.
    """

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        players: Mapping[str, Player],
        update: UpdateRule,
        *,
        stages: Stages | None = None,
        weights: Mapping[str, Any] | None = None,
        seed: int = 0,
        accumulate: int = 1,
        half_life: float = 0.0,
        clip_norm: float | None = None,
        schedule: Schedule | None = None,
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.players, self.update, self.seed = dict(players), resolve_roles(update, players, networks), seed
        self.stages, self.weights = stages or Unstaged(), dict(weights or {})
        self.accumulate, self.clip_norm, self.schedule = accumulate, clip_norm, schedule
        self.clock = Clock(list(players))
        self.stage = self.stages(0)
        self.scalars: Batch = {}
        self.networks = nn.ModuleDict(networks)
        self.channels_last = channels_last
        if channels_last:
            self.networks.to(memory_format=torch.channels_last)
        self.compile_mode, self.compiled = "none", dict[str, Callable[..., Tensor]]()
        generating = [name for player in players.values() if player.role == GENERATOR for name in player.networks]
        averages = {name: Average(self.networks[name], half_life) for name in generating if half_life > 0}
        self.averages = nn.ModuleDict(averages)

    # The loop

    def training_step(self, batch: Batch, _: int) -> Batch:
        """Run one iteration of the update rule on one minibatch; returns losses, their terms and scalars."""
        seed_step(self.seed, self.global_rank, self.clock.images_seen)
        if self.compiled:
            torch.compiler.cudagraph_mark_step_begin()  # the last minibatch's tensors may be overwritten
        iteration = self.update[self.clock.minibatches % len(self.update)]
        images = self.trainer.world_size * len(next(iter(batch.values())))
        batch, logged = self.to_memory_format(self.prepare(batch)), Batch()
        for index, phase in enumerate(iteration):
            if phase.fresh:
                drawn = self.draw(batch, generator_of(self.seed, self.clock.images_seen, index))
                graph = self.needs_generator_graph(iteration, index)
                fakes = Fakes(self.generate, self.split_minibatch(drawn), graph)
            logged |= self.step_phase(phase, fakes)
        self.clock.tick(images)
        for name, average in self.averages.items():
            average.update(self.networks[name], images, self.clock.images_seen)  # type: ignore[operator]
        self.follow_stages()
        return logged

    def step_phase(self, phase: Phase, fakes: Fakes) -> Batch:
        """Take one step of each player of a phase, after the gradients of all of them."""
        optimizers = dict(zip(self.players, self.optimizers(use_pl_optimizer=True), strict=True))
        logged: Batch = {}
        for name in phase.players:
            logged |= self.take_gradients(name, fakes)
        for name in phase.players:
            if f"loss/{name}" not in logged:  # all terms are switched off
                continue
            if self.clip_norm is not None:  # Lightning's own refuses fused optimisers, whatever the precision
                nn.utils.clip_grad_norm_(self.parameters_of(name), self.clip_norm)
            if self.schedule or not isinstance(self.stages, Unstaged):
                logged[f"lr/{name}"] = self.set_rate(optimizers[name].optimizer)
            optimizers[name].step()
            optimizers[name].zero_grad()
            self.clock.steps[name] += 1
            self.after_step(name)
        return logged

    def take_gradients(self, name: str, fakes: Fakes) -> Batch:
        """Add up the gradients of a player's loss over the chunks; returns the loss, its terms and scalars."""
        logged: Batch = {}
        for index, chunk in enumerate(fakes.chunks):
            fake = fakes.of(index, graph=self.players[name].role == GENERATOR)
            with self.freeze_others(name):
                self.scalars = {}
                terms = self.weighted(name, self.loss(name, chunk, fake))
                if not terms:
                    return {}
                loss = torch.stack(list(terms.values())).sum() / len(fakes.chunks)
                self.manual_backward(loss)
            named = {f"{name}/{term}": value for term, value in terms.items() if len(terms) > 1} | self.scalars
            parts = {key: value / len(fakes.chunks) for key, value in named.items()}
            for key, value in {f"loss/{name}": loss, **parts}.items():
                logged[key] = logged[key] + value.detach() if key in logged else value.detach()
        self.share_gradients(name)
        return logged

    def configure_optimizers(self) -> list[Optimizer]:
        """Make one optimiser a player, in the players' order."""
        return [player.optimizer(iter(self.parameters_of(name))) for name, player in self.players.items()]

    def on_fit_start(self) -> None:
        """Take up the stage of the clock; a run that begins enters its first one before any preview."""
        self.stage = self.stages(self.clock.images_seen)
        if self.clock.images_seen == 0:
            self.enter_stage(self.stage)

    def on_train_start(self) -> None:
        """Let the configuration prevail over what a checkpoint's optimisers carry."""
        for optimizer in self.trainer.optimizers:
            apply_configuration(optimizer)

    # Its parts

    def needs_generator_graph(self, iteration: Iteration, index: int) -> bool:
        """Whether a generating player uses the fakes that are drawn at phase ``index``."""
        sharing = [iteration[index]]
        for phase in iteration[index + 1 :]:
            if phase.fresh:
                break
            sharing.append(phase)
        return any(self.players[name].role == GENERATOR for phase in sharing for name in phase.players)

    def split_minibatch(self, batch: Batch) -> list[Batch]:
        """Split a minibatch into ``accumulate`` parts of equal size."""
        parts = {name: value.chunk(self.accumulate) for name, value in batch.items()}
        return [{name: chunks[index] for name, chunks in parts.items()} for index in range(self.accumulate)]

    def weighted(self, player: str, terms: Batch) -> Batch:
        """Return the terms of a loss times their weights, without those that are switched off."""
        return {name: factor * term for name, term in terms.items() if (factor := self.weight(player, name))}

    def weight(self, player: str, term: str) -> float:
        """Return the weight of a term of a player's loss; of ``term/part`` it is that of ``term``."""
        held = (self.weights.get(player, {}), self.weights.get(self.players[player].role, {}), self.weights)
        return next((each[name] for each in held if (name := term.partition("/")[0]) in each), 1.0)

    @contextmanager
    def freeze_others(self, name: str) -> Iterator[None]:
        """Freeze what does not step, for the block: other players' networks, and those that this stage leaves alone."""
        training = self.networks if self.stage.networks is None else self.stage.networks
        stepping = set(self.players[name].networks) & set(training)
        others = [weight for other, each in self.weights_of.items() if other not in stepping for weight in each]
        frozen = [weight for weight in others if weight.requires_grad]
        try:
            for weight in frozen:
                weight.requires_grad = False
            yield
        finally:
            for weight in frozen:
                weight.requires_grad = True

    @cached_property
    def weights_of(self) -> dict[str, list[nn.Parameter]]:
        """The weights of each network, listed once: a walk through the modules at every step takes a millisecond."""
        return {name: list(network.parameters()) for name, network in self.networks.items()}

    def parameters_of(self, name: str) -> list[nn.Parameter]:
        """Return the weights that a player trains."""
        return list(chain.from_iterable(self.weights_of[network] for network in self.players[name].networks))

    def share_gradients(self, name: str) -> None:
        """Average a player's gradients over the ranks, where there are several."""
        if isinstance(strategy := self.trainer.strategy, PlayerParallel):
            strategy.average_gradients(self.parameters_of(name))

    def set_rate(self, optimizer: Optimizer) -> Tensor:
        """Set an optimiser's learning rate to that of this moment, and return it."""
        factor = self.schedule(self.clock.images_seen) if self.schedule else 1.0
        rate = optimizer.defaults["lr"] * factor * self.stage.rate
        for group in optimizer.param_groups:
            group["lr"] = rate
        return torch.full((), rate, device=self.device)

    def follow_stages(self) -> None:
        """Enter the stage that the clock has reached, and drop the optimisers' moments where that is due."""
        before, self.stage = self.stage, self.stages(self.clock.images_seen)
        if self.stage.index != before.index:
            self.enter_stage(self.stage)
            self.compile_networks(self.compile_mode)
        if self.stage.resets != before.resets:
            for optimizer in self.trainer.optimizers:
                optimizer.state.clear()

    def compile_networks(self, mode: str) -> None:
        """Compile the networks for training's minibatches by a mode of torch.compile, or ``none``; samples pass raw."""
        self.compile_mode, networks = mode, self.networks.items() if mode != "none" else ()
        self.compiled = {name: torch.compile(network, mode=mode, dynamic=False) for name, network in networks}

    def compiled_or_raw(self, name: str) -> Any:
        """Return a network as training calls it: compiled, where it is."""
        return self.compiled.get(name, self.networks[name])

    def to_memory_format(self, batch: Batch) -> Batch:
        """Return a batch in the networks' memory format; as data modules hold images, their channels lie last."""
        return batch if self.channels_last else {name: values.contiguous() for name, values in batch.items()}

    def local(self, values: Tensor) -> Tensor:
        """Keep this rank's slice of what was drawn on the CPU for the global minibatch, on this rank's device."""
        return send(values.chunk(self.trainer.world_size)[self.global_rank], self.device)
