"""Feature spaces in which real and synthetic rows are compared, each with a hash of what defines it.

Four for every kind of rows, all made from real train rows alone; sounds are compared as pictures of their spectra:
judge            last hidden layer of a classifier: it sees what tells classes apart, and may be blind to the rest
self_supervised  last hidden layer of a denoising autoencoder: it never sees a label
random           last hidden layer of an untrained network: it knows no data and so can leak none
pixels / cells   pixels in [-1, 1] or scaled columns, on their leading principal components
words / spectra  texts: weighted counts of words and letters on their leading directions; sounds: log-mel pictures
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch.nn import functional as F

from gensynth.data.kinds import modality_of, points_of, sight_of
from gensynth.data.modality import Points
from gensynth.errors import UsageError
from gensynth.models.classifier import Classifier, chunked_features, network_sha256, pooling, scale_pixels, seeded_cnn
from gensynth.models.classifiers import RowClassifier
from gensynth.models.encoders import Encoder, fit_autoencoder, fit_classifier, random_encoder
from gensynth.rng import child
from gensynth.types import LabelledData

PCA_ROWS = 10_000


@dataclass(frozen=True)
class FeatureSpace:
    """A name, the hash of everything that defines the map, and the map: rows x -> float32 (N, D).

    Scores from spaces with different hashes must not be compared.
    """

    name: str
    sha256: str
    transform: Callable[[np.ndarray], np.ndarray]


def spaces_of(train: LabelledData, classifier: RowClassifier, seed: int) -> list[FeatureSpace]:
    """All spaces of the modality, fitted on real train rows; the space of raw rows last.

    judge  where it sees pictures, its last hidden layer is a space; else a dense network is trained for it
    """
    see, network = sight_of(train.schema), getattr(classifier, "on_pictures", None)  # one of your own may lack it
    if see is None or network is None:
        return point_spaces(train, points_of(train), seed)
    spaces = image_spaces(see(train.x), network, seed)
    spaces[-1] = replace(spaces[-1], name=modality_of(train.schema).raw)
    return [replace(one, transform=_of_pictures(one, see)) for one in spaces]


def _of_pictures(space: FeatureSpace, see: Points) -> Points:
    """The space of pictures as one of rows."""
    return lambda x: space.transform(see(x))


def image_spaces(x: np.ndarray, classifier: Classifier, seed: int) -> list[FeatureSpace]:
    """Spaces of images, of train pixels x uint8 (N, C, H, W)."""
    encoder = fit_autoencoder(small_pixels(x), child(seed, "self_supervised"))
    blind = FeatureSpace("self_supervised", encoder.sha256, lambda x: encoder.features(small_pixels(x)))
    return [classifier_space(classifier), blind, random_space(x.shape[1:], child(seed, "random space")), pixel_space(x)]


def point_spaces(train: LabelledData, points: Callable[[np.ndarray], np.ndarray], seed: int) -> list[FeatureSpace]:
    """Spaces of rows that have points (N, P): of tables and texts."""
    of_train = points(train.x)

    def space(name: str, encoder: Encoder) -> FeatureSpace:
        return FeatureSpace(name, encoder.sha256, lambda x: encoder.features(points(x)))

    classifier = fit_classifier(of_train, train.y, len(train.schema.classes), child(seed, "evaluation judge"))
    return [
        space("judge", classifier),
        space("self_supervised", fit_autoencoder(of_train, child(seed, "self_supervised"))),
        space("random", random_encoder(of_train.shape[1], child(seed, "random space"))),
        components(modality_of(train.schema).raw, points, of_train),
    ]


def classifier_space(classifier: Classifier) -> FeatureSpace:
    """Last hidden layer of a classifier trained on real train rows, D = 64."""
    return FeatureSpace("judge", classifier.sha256, classifier.features)


def pixel_space(train_x: np.ndarray, max_dims: int = 64) -> FeatureSpace:
    """Pixels in [-1, 1]: as they are if there are at most `max_dims`, else the leading principal components."""
    return components("pixels", flat_pixels, flat_pixels(_some(train_x)), max_dims)


def components(
    name: str, points: Callable[[np.ndarray], np.ndarray], of_train: np.ndarray, max_dims: int = 64
) -> FeatureSpace:
    """Points of rows as they are if they have at most `max_dims` numbers, else their leading principal components.

    The components are fitted on points (N, P) of train rows, at most 10,000 spread evenly over them.
    """
    if of_train.shape[1] <= max_dims:
        # Pixels are the same map for every data set; scaled columns are defined by the train rows.
        defined_by = b"" if points is flat_pixels else np.ascontiguousarray(of_train).tobytes()
        digest = hashlib.sha256(f"{name}{of_train.shape[1]}".encode() + defined_by)
        return FeatureSpace(name, digest.hexdigest(), points)
    of_train = _some(of_train)
    pca = PCA(min(max_dims, len(of_train)), random_state=0).fit(of_train)

    def project(x: np.ndarray) -> np.ndarray:
        return pca.transform(points(x)).astype(np.float32) if len(x) else np.zeros((0, pca.n_components_), np.float32)

    return FeatureSpace(name, hashlib.sha256(pca.mean_.tobytes() + pca.components_.tobytes()).hexdigest(), project)


def _some(rows: np.ndarray) -> np.ndarray:
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), PCA_ROWS)).astype(np.int64)]


def random_space(shape: tuple[int, int, int], seed: int) -> FeatureSpace:
    """Last hidden layer of an untrained SmallCNN, D = 64."""
    network = seeded_cnn(shape, 2, seed).eval().requires_grad_(False)
    return FeatureSpace("random", network_sha256(network), lambda x: chunked_features(network, x).numpy())


def inception_space() -> FeatureSpace:
    """Inception v3's 2,048 pool features by torch-fidelity, for figures that stand beside published ones.

    UsageError where torch-fidelity cannot be imported; grey images are repeated to three channels.
    """
    try:
        from torch_fidelity.utils import create_feature_extractor
    except Exception as error:  # torchvision beside a CPU build of torch fails with RuntimeError
        raise UsageError(f"features=inception needs torch-fidelity and torchvision, which fail here: {error}") from None
    network = create_feature_extractor("inception-v3-compat", ["2048"], cuda=False, verbose=False)

    def features(x: np.ndarray) -> np.ndarray:
        colour = torch.from_numpy(np.ascontiguousarray(np.broadcast_to(x, (len(x), 3, *x.shape[2:]))))
        with torch.no_grad():
            parts = [network(colour[i : i + 64])[0] for i in range(0, len(x), 64)]
        return torch.cat(parts).numpy() if parts else np.zeros((0, 2048), np.float32)

    return FeatureSpace("inception", network_sha256(network), features)


def flat_pixels(x: np.ndarray) -> np.ndarray:
    """uint8 images (N, C, H, W) -> float32 (N, C*H*W) in [-1, 1]."""
    return scale_pixels(x).flatten(start_dim=1).numpy()


def small_pixels(x: np.ndarray) -> np.ndarray:
    """`flat_pixels` of images averaged down to at most 32 pixels a side."""
    return F.avg_pool2d(scale_pixels(x), pooling(x.shape[1:]), ceil_mode=True).flatten(start_dim=1).numpy()
