"""A table in memory: learned as numbers, categories and texts, its synthetic rows given back in the types of X."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gensynth.api.rows import as_frame
from gensynth.api.typed import Typed, typed
from gensynth.balancing.table_export import RowWriter, identifiers_of
from gensynth.data.columns import Column
from gensynth.data.source import Source
from gensynth.data.table_files import text_of
from gensynth.data.table_source import SOURCE_COLUMN, read_frame
from gensynth.types import LabelledData

LABEL = "y"
TAKEN = {LABEL, SOURCE_COLUMN, "params"}  # names that mean something else below


@dataclass(frozen=True)
class TypedTable:
    """columns: of X by the name they are learned under, in order; source: what is learned of them."""

    columns: dict[str, Typed]
    source: Source

    @staticmethod
    def of(X: pd.DataFrame | np.ndarray, labels: np.ndarray) -> TypedTable:  # noqa: N803  (scikit-learn's name)
        """Rows X (N, D) with labels, text (N,); InputError for values that cannot be learned or given back."""
        frame = as_frame(X)
        names = [f"{name} (X)" if str(name) in TAKEN else str(name) for name in frame.columns]
        columns = {name: typed(frame.iloc[:, place]) for place, name in enumerate(names)}
        cells = text_of(pd.DataFrame({name: column.plain for name, column in columns.items()}))
        kinds = {name: column.kind for name, column in columns.items() if column.kind}
        return TypedTable(columns, read_frame(cells.assign(**{LABEL: labels}), LABEL, kinds))

    def of_kind(self, kind: str) -> list[str]:
        """Names of the columns that were found to be of a kind."""
        found = map(Column.from_json, self.source.data.schema.fields["columns"])
        return [column.name for column in found if column.kind == kind]

    def check_room(self, count: int) -> None:
        """InputError where numbers of rows cannot count on for `count` more."""
        for name in self._counted():
            self.columns[name].counting_on(count)

    def frame(self, drawn: LabelledData, seeds: np.ndarray) -> pd.DataFrame:
        """Synthetic rows (M,) as columns of the given types; seeds (M,) make identifiers."""
        texts = text_of(pd.DataFrame({name: self.columns[name].plain for name in self.of_kind("identifier")}))
        cells = RowWriter(drawn.schema, identifiers_of(drawn.schema, texts)).cells(drawn, seeds)
        counted = self._counted()
        found = {
            name: column.counting_on(len(drawn)) if name in counted else column.back(cells[name])
            for name, column in self.columns.items()
        }
        return pd.DataFrame(found, index=range(len(drawn)))

    def _counted(self) -> list[str]:
        return [name for name in self.of_kind("identifier") if self.columns[name].counted]


def below(X: pd.DataFrame | np.ndarray, new: pd.DataFrame) -> pd.DataFrame | np.ndarray:  # noqa: N803
    """Rows of X, then new ones with the same columns."""
    if isinstance(X, pd.DataFrame):
        return pd.concat([X, new.set_axis(X.columns, axis=1)], ignore_index=True)
    cells = new.to_numpy(object) if X.dtype.kind in "OUS" else new.to_numpy(X.dtype)
    return np.concatenate([X, cells.astype(X.dtype.kind) if X.dtype.kind in "US" else cells])


def rows_at(X: pd.DataFrame | np.ndarray, places: np.ndarray) -> pd.DataFrame | np.ndarray:  # noqa: N803
    """The rows of X at places (M,)."""
    return X.iloc[places].reset_index(drop=True) if isinstance(X, pd.DataFrame) else X[places]
