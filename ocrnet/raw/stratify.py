"""Division of groups of images into training, validation and test split, with each class in each split.

1. Groups are sorted by a hash of their name, and divided where the shares of images are reached. A new group
   moves at most one other group over each of the two borders.
2. If a share is missed by more than the median size of a group, or if a split is empty, groups are moved and
   exchanged until the shares come no nearer.
3. A class in three groups or more should be in all splits, a class in two groups in training and test, a class in a
   single group in training. If a split misses a class, a group that shows it moves there, and a group of similar size
   moves back if one can be spared.

The result depends on names, sizes, classes, shares and seed alone.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocrnet.data.manifest import SPLITS

TRAIN, VAL, TEST = (SPLITS.index(name) for name in ("train", "val", "test"))
WANTED = {1: (TRAIN,), 2: (TRAIN, TEST)}  # splits of a class by the number of its groups; else all
ROUNDS = 20  # tries for each class that a split misses

# Cost of a class that train, val or test misses; a class that cannot be learned costs most.
WEIGHTS = np.array([100.0, 1.0, 3.0])
REST = 3  # turns for which a group stays after a move
PARTNERS = 8  # groups that are tried in exchange for another

Move = tuple[tuple[int, int], ...]  # groups and the splits that they move to


@dataclass(frozen=True)
class Groups:
    """The groups to divide.

    Args:
        names: Names of the groups.
        sizes: Number of images in each group.
        shows: Whether each group shows each class.
    """

    names: Sequence[str]
    sizes: NDArray[np.int64]
    shows: NDArray[np.bool_]


def hash_place(name: str, seed: int, *purpose: str) -> float:
    """Return a number in [0, 1) that depends on the name, the seed and the purpose."""
    digest = hashlib.sha256("\0".join([str(seed), *purpose, name]).encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def divide(groups: Groups, *, val_share: float, test_share: float, seed: int) -> list[str]:
    """Return the split of each group.

    Args:
        groups: Three or more groups to divide.
        val_share: Share of the images in the validation split, above 0.
        test_share: Share of the images in the test split, above 0; both shares sum to less than 1.
        seed: Random seed; with the names it decides the order of the groups.
    """
    places = np.array([hash_place(name, seed) for name in groups.names])
    order = np.lexsort((np.array(groups.names), places))
    ends = np.cumsum(groups.sizes[order])
    centres = (ends - groups.sizes[order] / 2) / ends[-1]
    split = np.empty(len(order), dtype=np.int64)
    split[order] = np.where(
        centres < test_share, TEST, np.where(centres < test_share + val_share, VAL, TRAIN)
    )
    targets = np.zeros(len(SPLITS))
    targets[[TRAIN, VAL, TEST]] = (1 - val_share - test_share, val_share, test_share)
    division = _Division(groups, split, order, targets * ends[-1])
    division.meet_shares()
    division.spread_classes()
    return [SPLITS[index] for index in division.split]


class _Division:
    """A division in progress."""

    def __init__(
        self,
        groups: Groups,
        split: NDArray[np.int64],
        order: NDArray[np.int64],
        targets: NDArray[np.float64],
    ) -> None:
        self.groups, self.split, self.targets = groups, split, targets
        self.rank = np.argsort(order)
        self.wanted = np.zeros((len(SPLITS), groups.shows.shape[1]), dtype=bool)
        for name, count in enumerate(groups.shows.sum(axis=0).tolist()):
            if count:
                self.wanted[list(WANTED.get(count, range(len(SPLITS)))), name] = True

    def sizes(self) -> NDArray[np.float64]:
        """Return the number of images in each split."""
        counts = np.bincount(self.split, weights=self.groups.sizes, minlength=len(SPLITS))
        return counts.astype(np.float64)

    def gap(self) -> float:
        """Return the distance of the sizes from the shares; an empty split adds the most."""
        sizes = self.sizes()
        return float(np.abs(sizes - self.targets).sum() + (sizes == 0).sum() * 2 * sizes.sum())

    def missing(self) -> NDArray[np.bool_]:
        """Return which splits miss which class."""
        shows = self.groups.shows
        there = [shows[self.split == one].any(axis=0) for one in range(len(SPLITS))]
        return np.asarray(self.wanted & ~np.stack(there))

    def cost(self) -> float:
        """Return the weighted number of missing classes plus a small term for the distance from the shares."""
        misses = float((WEIGHTS[:, None] * self.missing()).sum())
        return misses + self.gap() / (10 * float(self.groups.sizes.sum()))

    def meet_shares(self) -> None:
        """Move or exchange groups as long as the shares come nearer."""
        tolerance = float(np.median(self.groups.sizes))  # rounding alone stays below this
        for _ in range(len(self.split)):
            sizes = self.sizes()
            if np.abs(sizes - self.targets).max() <= tolerance and (sizes > 0).all():
                return
            full = np.flatnonzero(np.isin(self.split, np.flatnonzero(sizes > self.targets)))
            moves = [
                move
                for group in full.tolist()
                for there in np.flatnonzero(sizes < self.targets).tolist()
                for move in self._moves(group, there)
            ]
            best = self._best(moves, self.gap)
            if best is None or self._after(best, self.gap) >= self.gap():
                return
            self._make(best)

    def spread_classes(self) -> None:
        """Move groups until every class is in all wanted splits, or the tries are used up."""
        best, least = self.split.copy(), self.cost()
        # The turn of each group's last move, so that no group moves back and forth.
        moved: dict[int, int] = {}
        for turn in range(ROUNDS * int(self.missing().sum())):
            missing = np.argwhere(self.missing()).tolist()
            if not missing:
                break
            there, name = missing[turn % len(missing)]
            holders = np.flatnonzero(self.groups.shows[:, name] & (self.split != there))
            free = [one for one in holders.tolist() if turn - moved.get(one, -REST) >= REST]
            move = self._best(
                [move for group in free for move in self._moves(group, there)], self.cost
            )
            if move is None:  # all groups that show the class have just moved
                continue
            self._make(move)
            moved.update(dict.fromkeys([group for group, _ in move], turn))
            if self.cost() < least:
                best, least = self.split.copy(), self.cost()
        self.split = best

    def _moves(self, group: int, there: int) -> list[Move]:
        """Return the moves of a group: alone, in exchange for one of similar size, or for several smaller ones."""
        here, size = int(self.split[group]), self.groups.sizes
        own = np.flatnonzero(self.split == there)
        apart = np.abs(self.rank[own] - self.rank[group])
        alone: Move = ((group, there),)
        moves = [alone]
        for other in own[np.lexsort((apart, np.abs(size[own] - size[group])))][:PARTNERS].tolist():
            moves.append((*alone, (other, here)))
        smaller = own[np.argsort(apart, kind="stable")]
        smaller = smaller[size[smaller] < size[group]]
        for count in range(2, 1 + int((np.cumsum(size[smaller]) <= size[group]).sum())):
            moves.append((*alone, *((other, here) for other in smaller[:count].tolist())))
        return moves

    def _best(self, moves: Sequence[Move], cost: Callable[[], float]) -> Move | None:
        """Return the cheapest move; of equal ones the one with fewest groups, then the one of the first group."""
        found = [
            (round(self._after(move, cost), 9), len(move), self.rank[move[0][0]], move)
            for move in moves
        ]
        return min(found)[-1] if found else None

    def _after(self, move: Move, cost: Callable[[], float]) -> float:
        before = self.split.copy()
        self._make(move)
        found = cost()
        self.split = before
        return found

    def _make(self, move: Move) -> None:
        for group, there in move:
            self.split[group] = there
