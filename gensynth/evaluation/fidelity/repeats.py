"""Rows that repeat others: training rows, as they are, a little changed or mirrored, and rows of their own set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from gensynth.data.kinds import modality_of
from gensynth.data.modality import flat
from gensynth.evaluation.fidelity.exchange import ALL, Named, more_often
from gensynth.evaluation.privacy.copies import MOST_ROWS, Copies
from gensynth.intervals import holm
from gensynth.rng import numpy_generator
from gensynth.types import SYNTHETIC, LabelledData

NEARER, COPIER = 0.65, 0.9  # share nearer to train rows than to new ones
COPIES, REPEATS = 0.05, 0.2  # by how much a share exceeds that of real rows
LEAST_COLUMNS = 4  # of a table in which rows are compared in all columns but one


@dataclass(frozen=True)
class Counted:
    """How many rows of every class do something: synthetic ones and real ones, each (K,)."""

    does: str
    hits: np.ndarray
    rows: np.ndarray
    real_hits: np.ndarray
    real_rows: np.ndarray

    def possible(self) -> np.ndarray:
        """Which of the classes, and of all together, have synthetic rows and any row that is so, bool (K + 1,)."""
        each = (self.rows > 0) & (self.hits + self.real_hits > 0)
        return np.append(each, each.any())

    def extra(self) -> tuple[np.ndarray, np.ndarray]:
        """(share of synthetic rows, share of real rows) (K + 1,), the last of all classes as the synthetic rows have
        them."""
        own = self.hits / np.maximum(self.rows, 1)
        usual = self.real_hits / np.maximum(self.real_rows, 1)
        n = max(self.rows.sum(), 1)
        return np.append(own, self.hits.sum() / n), np.append(usual, (usual * self.rows).sum() / n)


def counted(does: str, flags: np.ndarray, y: np.ndarray, real_flags: np.ndarray, real_y: np.ndarray, k: int) -> Counted:
    """Of flags (M,) of synthetic rows of classes y and of real ones; classes without real rows are left out."""
    n, real_n = np.bincount(y, minlength=k), np.bincount(real_y, minlength=k)
    hits, real_hits = (np.bincount(a, b, minlength=k).astype(int) for a, b in ((y, flags), (real_y, real_flags)))
    use = real_n > 0
    return Counted(does, hits * use, n * use, real_hits, real_n)


def significant(kinds: list[Counted], least: float, alpha: float) -> Iterator[tuple[int, str]]:
    """(class or ALL, text) of what synthetic rows do more often than real ones, all classes together first;
    corrected over kinds and classes after Holm. What no row does could not be significant and does not count (Tarone,
    "A modified Bonferroni method for discrete data", 1990)."""
    p = [more_often(one.hits, one.rows, one.real_hits, one.real_rows) for one in kinds]
    corrected = np.ones((len(kinds), len(p[0]) if kinds else 1))
    counts = [one.possible() for one in kinds]
    if kinds and np.any(counts):
        corrected[np.array(counts)] = holm(np.stack(p)[np.array(counts)])
    for one, mine in zip(kinds, corrected, strict=True):
        share, usual = one.extra()
        found = np.flatnonzero((mine < alpha) & (share - usual >= least))
        of_all = len(mine) - 1
        # Of few classes all are named alone; together only where no class is, or most are.
        together = of_all in found and (len(found) == 1 or 2 * (len(found) - 1) > (one.rows > 0).sum())
        for c in [of_all] if together else [c for c in found if c != of_all]:
            yield (ALL if c == of_all else int(c)), f"{share[c]:.0%} {one.does} (of real rows {usual[c]:.0%} do)"


def copied_faults(found: Copies, train: LabelledData, rows: LabelledData, alpha: float) -> list[Named]:
    """Where rows copy training rows far more often than real ones do."""
    k, y = len(found.classes), found.synthetic.y
    sits = [(side.sits[side.compared], side.y[side.compared]) for side in (found.real, found.own)]
    seen = found.synthetic.compared
    of_real, real_y = (np.concatenate(side) for side in zip(*sits, strict=True))
    kinds = [
        _equal(found),
        counted("sit on one", found.synthetic.sits[seen], y[seen], of_real, real_y, k),
        *_changed(train, rows, found.exact),
    ]
    out = [(c, "memoriser", f"copies training rows: {text}") for c, text in significant(kinds, COPIES, alpha)]
    nearer = found.nearer
    repeats = (found.equal_to > 1).mean() if len(found.equal_to) else 0.0
    # Where real rows repeat each other and a split keeps them together, half is not what new rows would give.
    if not out and nearer.get("z", 0) > 3 and repeats < COPIES and nearer["value"] >= NEARER:
        code, does = ("memoriser", "copies") if nearer["value"] >= COPIER else ("close_to_train", "keeps close to")
        share = f"{nearer['value']:.0%} lie nearer to one than to a new real row (50% expected)"
        out.append((ALL, code, f"{does} training rows: {share}"))
    return out


def _equal(found: Copies) -> Counted:
    """Rows that equal a train row that no other one equals; of train rows those that one other one equals.

    Where real rows repeat a few values often, rows of those values say nothing of copying. A row counts for the class
    of the train row that it equals.
    """
    k = len(found.classes)
    single = found.equal_to[found.synthetic.nearest.clip(min=0)] == 1
    y = np.where(found.exact, found.train_y[found.synthetic.nearest.clip(min=0)], found.synthetic.y)
    hits = found.exact & single
    real, real_y = found.equal_to == 2, found.train_y
    if found.real.exact.any():  # else the split keeps equal rows together
        held_out = found.real.exact & (found.equal_to[found.real.nearest.clip(min=0)] == 1)
        real, real_y = np.concatenate([real, held_out]), np.concatenate([real_y, found.real.y])
    return counted("equal one", hits, y, real, real_y, k)


def copies_untested(found: Copies, alpha: float) -> dict[int, str]:
    """Class -> why copies could not be told by its rows alone: not even if all of them were."""
    one = _equal(found)
    best = more_often(one.rows, one.rows, one.real_hits, one.real_rows)[:-1] * (len(one.rows) + 1)
    text = "copies ({} synthetic and {} real rows)"
    present = np.unique(found.synthetic.y)
    return {int(c): text.format(one.rows[c], one.real_rows[c]) for c in present if best[c] >= alpha}


def _changed(train: LabelledData, rows: LabelledData, exact: np.ndarray) -> Iterator[Counted]:
    """Rows that equal a train row once mirrored or turned, or but for one column; rows that a transform drew from a
    parent may."""
    drawn = (rows.origin == SYNTHETIC) & ~exact
    k = len(rows.schema.classes)
    picked = numpy_generator(0, "repeats").permutation(len(train))[:MOST_ROWS]
    some, mine = train[picked], rows[np.flatnonzero(drawn)[:MOST_ROWS]]
    if not len(mine) or not len(some):
        return
    columns = len(modality_of(train.schema).columns(train.schema))
    if columns >= LEAST_COLUMNS:
        found = _but_one(flat(mine.x), flat(some.x)), _but_one(flat(some.x), None)
        yield counted("equal one in all columns but one", found[0], mine.y, found[1], some.y, k)
    for does, turn in MIRRORS.get(train.schema.modality, ()):
        turned, real = (_hashes(one, turn(one.x)) for one in (mine, some))
        known = some.content_hashes()
        own = np.isin(turned, known), np.isin(real, known)
        yield counted(does, own[0], mine.y, own[1], some.y, k)


def _hashes(rows: LabelledData, x: np.ndarray) -> np.ndarray:
    return replace(rows, x=np.ascontiguousarray(x)).content_hashes()


def _but_one(x: np.ndarray, others: np.ndarray | None) -> np.ndarray:
    """Whether rows (M, D) equal one of the others (N, D), or without those another row, in all columns but at most
    one, (M,)."""
    found = np.zeros(len(x), dtype=bool)
    for j in range(x.shape[1]):
        mine, there = (_keys(np.delete(side, j, axis=1)) for side in (x, x if others is None else others))
        if others is None:
            _, place, counts = np.unique(mine, return_inverse=True, return_counts=True)
            found |= counts[place] > 1
        else:
            found |= np.isin(mine, there)
    return found


def _keys(x: np.ndarray) -> np.ndarray:
    """Rows (N, D) as one value each."""
    x = np.ascontiguousarray(x, dtype=np.float64) + 0.0
    return x.view(np.dtype((np.void, x.dtype.itemsize * x.shape[1]))).ravel()


def repeated_rows(real: LabelledData, rows: LabelledData, seed: int, alpha: float) -> list[Named]:
    """Where rows equal each other more often than as many real ones do."""
    k = len(rows.schema.classes)
    picked: list[list[np.ndarray]] = [[], []]
    for c in range(k):
        order = numpy_generator(seed, "repeats", c)
        sides = [order.permutation(np.flatnonzero(side.y == c)) for side in (rows, real)]
        for part, mine in zip(picked, sides, strict=True):
            part.append(mine[: min(map(len, sides))])
    twice: list[np.ndarray] = []
    for side, part in zip((rows, real), picked, strict=True):
        some = side[np.concatenate(part).astype(np.int64)]
        hashes = np.char.add(some.content_hashes().astype(str), some.y.astype(str))
        _, place, counts = np.unique(hashes, return_inverse=True, return_counts=True)
        twice += [counts[place] > 1, some.y]
    found = significant([counted("equal another one", twice[0], twice[1], twice[2], twice[3], k)], REPEATS, alpha)
    return [(c, "repeats", f"rows repeat each other: {text}") for c, text in found]


def _backwards(x: np.ndarray) -> np.ndarray:
    return np.array([*(" ".join(text.split()[::-1]) for text in x.tolist()), None], dtype=object)[:-1]


MIRRORS: dict[str, tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...]] = {
    "image": (
        ("equal one once mirrored", lambda x: x[..., ::-1]),
        ("equal one once turned over", lambda x: x[:, :, ::-1]),
        ("equal one once turned by 180 degrees", lambda x: x[:, :, ::-1, ::-1]),
        ("equal one once turned by 90 degrees", lambda x: np.rot90(x, 1, (2, 3))),
        ("equal one once turned by 270 degrees", lambda x: np.rot90(x, 3, (2, 3))),
    ),
    "audio": (
        ("equal one played backwards", lambda x: x[:, ::-1]),
        ("equal one upside down", lambda x: -x),
    ),
    "text": (("equal one with its words backwards", _backwards),),
}
