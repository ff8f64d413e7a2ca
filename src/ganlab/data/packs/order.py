"""The order in which training images are drawn."""

import numpy as np


class EndlessOrder:
    """Endless permutations of 0 .. ``count`` - 1 that follow from (seed, count, position): a run continues anywhere."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed = count, seed
        self._epoch = -1
        self._permutation = np.empty(0, np.int64)

    def indices(self, start: int, n: int) -> np.ndarray:
        """Return the indices at positions ``start`` .. ``start + n`` - 1, int64 (n,)."""
        parts = [np.empty(0, np.int64)]
        while n > 0:
            epoch, offset = divmod(start, self.count)
            part = self._epoch_permutation(epoch)[offset : offset + n]
            parts.append(part)
            start, n = start + len(part), n - len(part)
        return np.concatenate(parts)

    def _epoch_permutation(self, epoch: int) -> np.ndarray:
        if epoch != self._epoch:
            generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((self.seed, epoch))))
            self._permutation, self._epoch = generator.permutation(self.count), epoch
        return self._permutation
