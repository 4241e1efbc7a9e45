"""Network bodies, sized from the data's own shape and one `width` dial; one file a kind of data.

A file holds `Autoencoder(space, width)` with `embed`, `encode`, `nll`, `loss`, `draw`, `start_at`, `latent`,
`noise_size` and `block`; its `decoder` has `seen` (rows as a discriminator sees them), `imitate` (drawn as such, with
a gradient) and `tie` (to the real rows). `Discriminator(space, width, depth)` has `augment_pair`, `features`,
`judge` and `rows_a_logit`.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from gensynth.errors import UsageError, nearest


def nets_of(name: str) -> ModuleType:
    """The file of this folder by its name; UsageError for any other word, so a bundle can name no code."""
    known = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))
    if name not in known:
        raise UsageError(f"model.nets={name} is not known; {nearest(name, known)}")
    return importlib.import_module(f"gensynth.models.nets.{name}")
