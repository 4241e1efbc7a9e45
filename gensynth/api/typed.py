"""Columns of any type as numbers, categories and texts that a generator learns, and its cells in that type again.

Dates, durations, periods, times of day, decimals and large whole numbers are learned as counts of the largest step
that all their values share; truth values, pandas' categories and other repeated objects as categories. What is none
of these is refused here, before anything is trained.
"""

from __future__ import annotations

import datetime
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from gensynth.errors import InputError

EXACT = 2**53  # float64 holds every whole number up to here
MOST_CATEGORIES = 254  # of objects that are neither numbers nor texts
NOT_LEARNED = "which no generator learns; drop it, or turn it into numbers, texts or dates"
MIDNIGHT = datetime.datetime(1970, 1, 1)
MICROSECOND = datetime.timedelta(microseconds=1)
types = pd.api.types


@dataclass(frozen=True)
class Typed:
    """A column of X as it is learned.

    given   the column (N,); plain: its numbers or texts (N,), missing is NA
    kind    stated kind of a column; empty where its cells say it
    values  text cells (M,) without missing ones -> values (M,) of the given type, or of one that casts to it
    counted whether the cells are numbers of rows if they look so, and synthetic rows count on
    """

    given: pd.Series
    plain: pd.Series
    kind: str
    values: Callable[[pd.Series], Any]
    counted: bool = False

    def back(self, cells: pd.Series) -> pd.Series:
        """Synthetic cells, text (M,), as a column of the given type; empty ones are missing where real ones are."""
        missing = (cells == "").to_numpy() & self.given.isna().any()
        values = self.values(cells[~missing])
        values = values.array if isinstance(values, pd.Series) else values  # whose index would choose among them
        column = pd.Series(values, index=np.flatnonzero(~missing), dtype=self._object_type())
        if missing.any():
            column = column.reindex(range(len(cells)))
        if missing.any() and types.is_object_dtype(column.dtype):
            column[missing] = self.given[self.given.isna()].iloc[0] if self._object_type() else pd.NA
        return _cast(column, self.given.dtype)

    def _object_type(self) -> type | None:
        return object if types.is_object_dtype(self.given.dtype) else None

    def counting_on(self, count: int) -> pd.Series:
        """`count` numbers that follow those of real rows; InputError where the type has no room for them."""
        low, dtype, name = int(self.given.max()) + 1, self.given.dtype, self.given.name
        if types.is_integer_dtype(dtype) and low + count - 1 > np.iinfo(_numpy_name(dtype)).max:
            raise InputError(f'column "{name}" numbers rows, and {dtype} ends before {count} more do; widen or drop it')
        return _cast(pd.Series(np.arange(low, low + count)), dtype)


def typed(given: pd.Series) -> Typed:
    """A column as it is learned; InputError for values that cannot be."""
    dtype = given.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _categories(given, given.cat.codes.to_numpy(), dtype.categories.tolist())
    if isinstance(dtype, pd.SparseDtype):
        return _of_dense(given)
    if types.is_object_dtype(dtype) or not _is_plain(dtype):
        return _objects(given)
    if types.is_bool_dtype(dtype):
        return _categories(given, given.astype("boolean").to_numpy(np.int64, na_value=-1), [False, True])
    if types.is_integer_dtype(dtype):
        return _whole(given, given)
    if types.is_float_dtype(dtype):
        return _reals(given, given.astype("Float64") if not isinstance(dtype, np.dtype) else given)
    if types.is_datetime64_any_dtype(dtype):
        return _moments(given, given)
    if types.is_timedelta64_dtype(dtype):
        return _durations(given, given)
    if isinstance(dtype, pd.PeriodDtype):
        return _periods(given, given)
    return _texts(given)


def _is_plain(dtype: Any) -> bool:
    """Whether the type says what its values are; Arrow's other types are read as Python objects."""
    if types.is_complex_dtype(dtype):
        raise InputError("Complex data not supported: X holds complex numbers")
    if isinstance(dtype, pd.ArrowDtype):
        kind = dtype.type
        return issubclass(kind, bool | str) or types.is_integer_dtype(dtype) or types.is_float_dtype(dtype)
    known = (types.is_numeric_dtype, types.is_bool_dtype, types.is_datetime64_any_dtype, types.is_timedelta64_dtype)
    return any(test(dtype) for test in known) or isinstance(dtype, pd.PeriodDtype | pd.StringDtype)


def _numpy_name(dtype: Any) -> str:
    """
    >>> _numpy_name(pd.UInt8Dtype()), _numpy_name(np.dtype("int16"))
    ('uint8', 'int16')
    """
    return str(dtype).partition("[")[0].lower()


def _cast(column: pd.Series, dtype: Any) -> pd.Series:
    if column.dtype == dtype:
        return column
    of_objects = types.is_object_dtype(column.dtype) and not (isinstance(dtype, np.dtype) and dtype.kind in "iu")
    return pd.Series(pd.array(column.to_list(), dtype=dtype)) if of_objects else column.astype(dtype)


def _infinite(given: pd.Series) -> InputError:
    return InputError(f'Input X contains infinity: column "{given.name}"; replace it by a number or leave it missing')


def _of_dense(given: pd.Series) -> Typed:
    dense = typed(pd.Series(np.asarray(given.array), name=given.name))
    return Typed(given, dense.plain, dense.kind, lambda cells: dense.back(cells).to_numpy(), dense.counted)


def _objects(given: pd.Series) -> Typed:
    """A column of Python objects by the types of those that are not missing."""
    values = given.astype(object)
    present = values[values.notna()]
    kinds = set(map(type, present))

    def all_of(*bases: type) -> bool:
        return all(issubclass(kind, bases) for kind in kinds)

    if not kinds or all_of(str):
        return _texts(given)
    if all_of(datetime.datetime, np.datetime64):
        return _objects_of(given, lambda: pd.to_datetime(values), _moments)
    if all_of(datetime.timedelta, np.timedelta64):
        return _objects_of(given, lambda: pd.to_timedelta(values), _durations)
    if all_of(pd.Period):
        return _objects_of(given, lambda: values.infer_objects(), _periods)
    if all_of(bool, np.bool_):
        return _categories(given, *_factorized(values))
    if all_of(numbers.Integral):
        return _whole(given, values)
    if all_of(int, float, np.integer, np.floating) and not kinds & {bool}:
        return _reals(
            given, pd.Series(pd.array(values.to_list(), "Float64")), kinds.pop() if len(kinds) == 1 else float
        )
    for base, counts, value in ((datetime.date, datetime.date.toordinal, datetime.date.fromordinal), _TIMES):
        if all_of(base) and not any(hasattr(one, "date") or getattr(one, "tzinfo", None) for one in present):
            return _steps(given, present.map(counts).astype(object), partial(_each, value))
    return _decimals(given, present) if all_of(Decimal) else _categories(given, *_factorized(values))


def _each(value: Callable[[int], Any], counts: np.ndarray) -> list[Any]:
    return list(map(value, counts))


def _objects_of(given: pd.Series, read: Callable[[], pd.Series], of: Callable[..., Typed]) -> Typed:
    """Objects that pandas has a type for, in their own class again; as categories where it does not take them all."""
    try:
        column = read()
    except (ValueError, TypeError):
        column = given
    if types.is_object_dtype(column.dtype):
        return _categories(given, *_factorized(given))
    as_typed, kind = of(column, column), type(given[given.notna()].iloc[0])
    plain_python = {datetime.datetime: "to_pydatetime", datetime.timedelta: "to_pytimedelta"}.get(kind, "")

    def values(cells: pd.Series) -> list:
        new = as_typed.values(cells)
        if issubclass(kind, np.generic):
            return list(new.to_numpy())
        return [getattr(one, plain_python)() if plain_python else one for one in new]

    return Typed(given, as_typed.plain, as_typed.kind, values)


def _texts(given: pd.Series) -> Typed:
    return Typed(given, given.astype(object), "", lambda cells: cells.to_list())


def _reals(given: pd.Series, plain: pd.Series, kind: type = float) -> Typed:
    if np.isinf(plain.to_numpy(np.float64, na_value=np.nan)).any():
        raise _infinite(given)
    wide = plain if plain.dtype in ("float32", "float64", "Float64") else plain.astype(np.float64)

    def values(cells: pd.Series) -> Any:
        found = pd.to_numeric(cells).astype(np.float64)
        return list(map(kind, found)) if types.is_object_dtype(given.dtype) else found.to_numpy()

    return Typed(given, wide, "", values, counted=True)


def _whole(given: pd.Series, whole: pd.Series) -> Typed:
    present = whole[whole.notna()]
    present = present if isinstance(present.dtype, np.dtype) else present.astype(np.dtype(_numpy_name(present.dtype)))
    if len(present) and max(abs(int(present.min())), abs(int(present.max()))) > EXACT:
        return _steps(given, present, lambda counts: counts)
    kind = type(present.iloc[0]) if types.is_object_dtype(given.dtype) else None

    def values(cells: pd.Series) -> Any:
        found = np.rint(pd.to_numeric(cells).to_numpy(np.float64)).astype(np.int64)
        return [kind(one) for one in found.tolist()] if kind else pd.array(found, "Int64")

    plain = pd.Series(present.astype(np.int64).astype("Int64").reindex(whole.index))
    return Typed(given, plain, "", values, counted=True)


def _moments(given: pd.Series, moments: pd.Series) -> Typed:
    """Moments by the clock of Greenwich; dates with a time zone, all of them midnights, by their own calendar."""
    zone, local = moments.dt.tz, moments.dt.tz_localize(None)
    midnights = bool((local.dropna() == local.dropna().dt.normalize()).all())
    naive = local if zone is None or midnights else moments.dt.tz_convert(None)
    unit = naive.to_numpy().dtype

    def value(whole: np.ndarray) -> pd.Series:
        found = pd.Series(whole.astype(np.int64).view(unit))
        if zone is None:
            return found
        if midnights:  # where the clock leaves midnight out, the day begins later
            return found.dt.tz_localize(zone, ambiguous=np.ones(len(found), bool), nonexistent="shift_forward")
        return found.dt.tz_localize("UTC").dt.tz_convert(zone)

    present = naive[naive.notna()]
    return _steps(given, pd.Series(present.to_numpy().view(np.int64), index=present.index), value)


def _durations(given: pd.Series, durations: pd.Series) -> Typed:
    present, unit = durations[durations.notna()], durations.to_numpy().dtype
    counts = pd.Series(present.to_numpy().view(np.int64), index=present.index)
    return _steps(given, counts, lambda whole: pd.Series(whole.astype(np.int64).view(unit)))


def _periods(given: pd.Series, periods: pd.Series) -> Typed:
    present, dtype = periods[periods.notna()], pd.PeriodDtype(periods.array.freq)
    counts = pd.Series(present.array.asi8, index=present.index)
    return _steps(given, counts, lambda whole: pd.Series(pd.arrays.PeriodArray(whole.astype(np.int64), dtype=dtype)))


def _time_to_microseconds(time: datetime.time) -> int:
    return (datetime.datetime.combine(MIDNIGHT, time) - MIDNIGHT) // MICROSECOND


def _microseconds_to_time(count: int) -> datetime.time:
    return (MIDNIGHT + count * MICROSECOND).time()


_TIMES = (datetime.time, _time_to_microseconds, _microseconds_to_time)


def _decimals(given: pd.Series, present: pd.Series) -> Typed:
    """Decimals with as many places as the one that has most."""
    if not all(number.is_finite() for number in present):
        raise _infinite(given)
    places = max(0, max(-int(number.as_tuple().exponent) for number in present))

    def count(number: Decimal) -> int:
        above, below = number.as_integer_ratio()
        return above * 10**places // below

    return _steps(
        given, present.map(count).astype(object), lambda whole: [Decimal(f"{one}e-{places}") for one in whole]
    )


def _steps(given: pd.Series, present: pd.Series, value: Callable[[np.ndarray], Any]) -> Typed:
    """A column whose values are whole numbers (`present`, of those that are not missing) behind another type.

    value  whole numbers (M,), Python's own -> values
    Counts of the common step, from the smallest value on, fit a float64; where they do not, the step is coarser.
    """
    if not len(present):
        return Typed(given, pd.Series(pd.NA, index=given.index, dtype="Int64"), "", lambda cells: cells.to_list())
    low, spread = int(present.min()), int(present.max()) - int(present.min())
    whole = present.to_numpy()
    offsets = (whole if spread < 2**63 else whole.astype(object)) - low
    step = int(np.gcd.reduce(offsets)) or 1
    step *= 1 + spread // step // EXACT
    plain = pd.Series((offsets // step).astype(np.int64), index=present.index, dtype="Int64").reindex(given.index)

    def values(cells: pd.Series) -> Any:
        counts = np.rint(pd.to_numeric(cells).to_numpy(np.float64)).clip(0, spread // step)
        return value(low + step * np.array([int(count) for count in counts], dtype=object))

    return Typed(given, plain, "numeric", values)


def _factorized(given: pd.Series) -> tuple[np.ndarray, list[Any]]:
    """Codes (N,), -1 where missing, and the objects they stand for; InputError for too many different ones."""
    objects = given.astype(object)
    try:
        codes, pairs = pd.factorize(objects.map(lambda one: (type(one), one), na_action="ignore"))  # 1 is not True
    except TypeError:
        kinds = " and ".join(sorted({type(one).__name__ for one in objects[objects.notna()]}))
        raise InputError(f'column "{given.name}" holds values of type {kinds}, {NOT_LEARNED}') from None
    if len(pairs) > min(MOST_CATEGORIES, max(2, len(given) // 2)):
        kinds = " and ".join(sorted({kind.__name__ for kind, _ in pairs}))
        raise InputError(f'column "{given.name}" holds {len(pairs)} different values of type {kinds}, {NOT_LEARNED}')
    return codes, [one for _, one in pairs]


def _categories(given: pd.Series, codes: np.ndarray, objects: list[Any]) -> Typed:
    """A column of a few values, each learned as its place in `objects` (K,)."""
    plain = pd.Series(codes.astype(str).astype(object), index=given.index).where(codes >= 0, None)
    table = np.empty(len(objects), dtype=object)
    for place, one in enumerate(objects):
        table[place] = one
    distinct = len(np.unique(codes))
    kind = "categorical" if distinct > 1 else ""
    return Typed(given, plain, kind, lambda cells: list(table[cells.astype(np.int64).to_numpy()]))
