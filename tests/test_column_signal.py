"""A number that is written as people write it says as much of the class as the same number written plainly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bench_signal import FORMS, run, table

from gensynth.data.table import TableCodec
from gensynth.data.table_source import read_frame


@pytest.mark.parametrize("name", FORMS)
def test_networks_see_the_same_of_both(name):
    values, labels, plain, spelled = table(name, seed=0, rows=600)
    frames = [pd.DataFrame({"v": cells, "y": labels}) for cells in (plain, spelled)]
    one, other = (read_frame(frame, "y").data for frame in frames)
    assert one.x[:, 0] == pytest.approx(values)
    slope = np.ptp(other.x) / np.ptp(one.x)
    np.testing.assert_allclose(other.x - other.x.min(), slope * (one.x - one.x.min()), rtol=1e-9, atol=1e-6)
    np.testing.assert_array_equal(TableCodec.fit(one).encode(one.x), TableCodec.fit(other).encode(other.x))


def test_the_difference_of_class_means_is_kept():
    """Of one form; what networks see is equal for all."""
    real, plain, spelled = run("money", 0, {"rows": "600", "samples": "20000", "counts": "500", "width": "16"})
    assert spelled >= 0.9 * plain
    assert plain == pytest.approx(real, rel=0.25)
