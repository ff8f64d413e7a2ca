"""The fakes of one draw, shared by the players of one or several phases."""

from collections.abc import Callable

import torch

from ganlab.transfer import Batch


class Fakes:
    """Makes the fakes of a minibatch as late as possible and hands them to the players that need them.

    A generating player gets fakes with the graph that leads back to its networks. No two of them get the same graph,
    since a backward pass frees it. All other players get the fakes without a graph. With one chunk, fakes are made at
    once and shared. With several, they are made for one player at a time, since the graphs of all chunks would fill the
    memory. What a generating player was given is kept, without its graph, for players that come after its step.

    Args:
        generate: makes the fakes of a chunk.
        chunks: the parts of the minibatch, with all that was drawn for it.
        graph: whether a generating player is among those to come.
    """

    def __init__(self, generate: Callable[[Batch], Batch], chunks: list[Batch], graph: bool) -> None:
        self.generate, self.chunks = generate, chunks
        self.kept: list[Batch | None] = [None] * len(chunks)
        self.unused_graph: Batch | None = None
        if len(chunks) == 1:
            self.unused_graph = self.kept[0] = self.make(0, graph)

    def of(self, index: int, graph: bool) -> Batch:
        """Return the fakes of a chunk, with a graph of their own or without any."""
        kept = self.kept[index]
        if graph:
            made, self.unused_graph = self.unused_graph or self.make(index, True), None
            self.kept[index] = kept or detached(made)
            return made
        return detached(kept or self.make(index, False))

    def make(self, index: int, graph: bool) -> Batch:
        """Generate the fakes of a chunk, with the graph that leads back to the generators or without."""
        with torch.set_grad_enabled(graph):
            return self.generate(self.chunks[index])


def detached(batch: Batch) -> Batch:
    """Return tensors without their graph."""
    return {name: value.detach() for name, value in batch.items()}
