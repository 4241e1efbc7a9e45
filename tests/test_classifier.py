"""The classifier learns, repeats itself, and leaves the global generator alone."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from gensynth.models.classifier import BATCH, Classifier, SmallCNN, classifier_steps, draw_rows, seeded_cnn


@pytest.fixture(scope="module")
def digits():
    images, labels = load_digits(return_X_y=True)
    pixels = np.round(images * 255 / 16).astype(np.uint8).reshape(-1, 1, 8, 8)
    return train_test_split(pixels, labels, test_size=0.3, stratify=labels, random_state=0)


@pytest.fixture(scope="module")
def classifier(digits):
    train_x, _, train_y, _ = digits
    return Classifier.fit(
        train_x, train_y, num_classes=10, seed=0, steps=classifier_steps(len(train_y), train_x.shape[1:]), balanced=True
    )


def fit_briefly(digits, seed):
    return Classifier.fit(digits[0], digits[2], num_classes=10, seed=seed, steps=20, balanced=False)


def test_learns_digits(classifier, digits):
    assert (classifier.predict(digits[1]) == digits[3]).mean() > 0.95


def test_methods_agree_in_shape_and_meaning(classifier, digits):
    x = digits[1][:50]
    probabilities = classifier.probabilities(x)
    assert classifier.features(x).shape == (50, 64)
    assert classifier.features(x).dtype == np.float32
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), classifier.predict(x))
    assert classifier.predict(x).dtype == np.int64


def test_empty_input_gives_empty_output(classifier, digits):
    assert classifier.features(digits[1][:0]).shape == (0, 64)
    assert classifier.predict(digits[1][:0]).shape == (0,)


def test_more_rows_than_a_chunk(classifier, digits):
    x = digits[0][:1100]
    np.testing.assert_allclose(classifier.features(x)[1024:], classifier.features(x[1024:]), atol=1e-5)


def test_same_seed_same_weights(digits):
    first, second, other = (fit_briefly(digits, seed) for seed in (3, 3, 4))
    assert first.sha256 == second.sha256
    assert first.sha256 != other.sha256


def test_global_generators_are_untouched(digits):
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    fit_briefly(digits, 0)
    assert torch.equal(torch.get_rng_state(), torch_before)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002


def test_first_weights_do_not_depend_on_the_global_generator():
    torch.rand(3)
    first = seeded_cnn((1, 8, 8), 2, 0)
    torch.rand(3)
    second = seeded_cnn((1, 8, 8), 2, 0)
    assert torch.equal(first.head.weight, second.head.weight)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28), (1, 5, 13), (4, 1, 1)])
def test_any_image_shape(shape):
    network = SmallCNN(shape, 7)
    assert network(torch.zeros(2, *shape)).shape == (2, 7)
    assert network.features(torch.zeros(2, *shape)).shape == (2, 64)


def test_balanced_batches_draw_classes_evenly():
    order = np.random.default_rng(0)
    drawn = np.concatenate([draw_rows(np.arange(1000), np.array([990, 10]), order) for _ in range(200)])
    assert drawn.shape == (200 * BATCH,)
    assert abs((drawn >= 990).mean() - 0.5) < 0.02
    assert set(drawn[drawn >= 990]) == set(range(990, 1000))


def test_class_weight_zero_silences_a_class(digits):
    weights = np.array([0.0] + [1.0] * 9)
    classifier = Classifier.fit(
        digits[0], digits[2], num_classes=10, seed=0, steps=150, balanced=False, weights=weights
    )
    assert (classifier.predict(digits[1]) == 0).sum() == 0


@pytest.mark.parametrize(
    ("x", "y", "error", "text"),
    [
        (np.zeros((0, 1, 8, 8), np.uint8), np.zeros(0, np.int64), ValueError, "0 rows"),
        (np.zeros((3, 1, 8, 8), np.uint8), np.zeros(2, np.int64), ValueError, "2 labels"),
        (np.zeros((2, 1, 8, 8), np.uint8), np.array([0, 5]), ValueError, "0 to 5"),
        (np.zeros((2, 1, 8, 8), np.float32), np.array([0, 1]), TypeError, "uint8"),
    ],
)
def test_refuses_wrong_input(x, y, error, text):
    with pytest.raises(error, match=text):
        Classifier.fit(x, y, num_classes=2, seed=0, steps=1, balanced=False)


def test_trees_take_a_class_of_one_row_in_a_large_table():
    """Above 10,000 rows scikit-learn holds rows of every class out to stop early; one row cannot be cut in two."""
    from gensynth.models.classifiers import BoostedTrees

    x = np.random.default_rng(0).normal(size=(10_050, 2))
    y = (x[:, 0] > 0).astype(int)
    y[0] = 2
    assert BoostedTrees(max_iter=2).fit(x, y).predict_proba(x[:3]).shape == (3, 3)
