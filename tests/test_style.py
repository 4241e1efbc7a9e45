"""Style transfer: what is exchanged and what stays, where styles come from, which rows pass."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import stripes
from PIL import Image
from safetensors.torch import save_file

from gensynth import rng
from gensynth.balancing.filters import LabelAgreement, NearCopy, looks_at
from gensynth.errors import DataError, UsageError
from gensynth.models.classifier import seeded_cnn
from gensynth.samplers.style import StyleTransfer, exchange_amplitudes, match_moments, transfer_texture
from gensynth.types import LabelledData

DATA = stripes(30, (3, 12, 12))
PLAIN = {
    "method": "fourier",
    "strength": 0.5,
    "band": 0.3,
    "steps": 4,
    "features": "random",
    "styles": "class",
    "weights": "",
}


def style(**words) -> StyleTransfer:
    return StyleTransfer(**(PLAIN | words)).fit(DATA)


def requested(n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(n) % 3, rng.row_seeds(0, "a", 0, n)


def images(n: int = 4) -> torch.Tensor:
    return torch.rand(n, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def test_moments_become_those_of_the_style():
    content, look = images(), images().flip(0) * 0.5 + 0.1
    out = match_moments(content, look)
    torch.testing.assert_close(out.mean((2, 3)), look.mean((2, 3)), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std((2, 3)), look.std((2, 3)), atol=1e-5, rtol=0)


def test_a_flat_channel_takes_the_mean_only():
    out = match_moments(torch.full((1, 1, 4, 4), 0.2), images(1)[:, :1, :4, :4])
    assert float(out.std()) < 1e-6


def test_an_image_in_its_own_style_stays():
    content = images()
    torch.testing.assert_close(exchange_amplitudes(content, content, 0.5, 1.0), content, atol=1e-5, rtol=0)
    torch.testing.assert_close(match_moments(content, content), content, atol=1e-5, rtol=0)


def test_low_amplitudes_are_exchanged_and_phases_stay():
    content, look = images(), images().flip(0)
    out = exchange_amplitudes(content, look, 0.3, 1.0)
    ours, theirs, synthetic = (torch.fft.rfft2(x.double()) for x in (content, look, out))
    low = (torch.fft.fftfreq(12).abs()[:, None] <= 0.15) & (torch.fft.rfftfreq(12)[None, :] <= 0.15)
    torch.testing.assert_close(synthetic.abs()[..., low], theirs.abs()[..., low], atol=1e-4, rtol=0)
    torch.testing.assert_close(synthetic.abs()[..., ~low], ours.abs()[..., ~low], atol=1e-4, rtol=0)
    inner = (ours[..., 1:5] / synthetic[..., 1:5]).angle()
    assert float(inner.abs().max()) < 1e-3


def test_texture_moves_towards_the_style_and_content_is_held():
    layers = torch.nn.Sequential(*list(seeded_cnn((3, 12, 12), 3, 0).body)[1:5]).requires_grad_(False)
    content, look = images(), images().flip(0) * 0.3

    def gap(x: torch.Tensor) -> float:
        found, goal = (layers[:2](2 * side - 1).flatten(2) for side in (x, look))
        return float((found @ found.transpose(1, 2) - goal @ goal.transpose(1, 2)).square().mean())

    styled, held = (transfer_texture(content, look, layers, strength, 30) for strength in (1.0, 0.0))
    assert gap(styled) < 0.2 * gap(content)
    torch.testing.assert_close(held, content, atol=1e-3, rtol=0)


@pytest.mark.parametrize("method", ["colour", "fourier", "gatys"])
def test_a_row_is_the_same_in_any_batch(method):
    sampler = style(method=method)
    labels, seeds = requested()
    whole = sampler.sample(labels, seeds)
    for rows in ([0], [7, 3, 21], list(range(39, 5, -1))):
        np.testing.assert_array_equal(sampler.sample(labels[rows], seeds[rows]).x, whole.x[rows])


@pytest.mark.parametrize("method", ["colour", "fourier"])
def test_no_strength_is_no_change(method):
    rows = style(method=method, strength=0.0).sample(*requested())
    source = dict(zip(DATA.ids, DATA.x, strict=True))
    assert all((source[p] == x).all() for p, x in zip(rows.parent, rows.x, strict=True))


def test_styles_come_from_the_class_or_from_all_rows():
    label_of = dict(zip(DATA.ids, DATA.y, strict=True))
    for styles, share in (("class", 1.0), ("train", 1 / 3)):
        rows = style(styles=styles).sample(*requested(600))
        names = [json.loads(text)["style"] for text in rows.groups["params"]]
        same = np.mean([label_of[name] == label for name, label in zip(names, rows.y, strict=True)])
        assert same == pytest.approx(share, abs=0.07)


def test_styles_come_from_a_folder(tmp_path):
    for i, level in enumerate((40, 200)):
        Image.fromarray(np.full((20, 30, 3), level, np.uint8)).save(tmp_path / f"s{i}.png")
    rows = style(method="colour", strength=1.0, styles=str(tmp_path)).sample(*requested())
    for x, text in zip(rows.x, rows.groups["params"], strict=True):
        assert np.abs(x.mean() - {"s0.png": 40, "s1.png": 200}[json.loads(text)["style"]]) < 1


def test_a_folder_that_is_none_and_one_without_images(tmp_path):
    with pytest.raises(UsageError, match="is not known; class . train . a folder of images"):
        style(styles=str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="holds no image"):
        style(styles=str(tmp_path))
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="a.png"):
        style(styles=str(tmp_path))


def test_the_users_network_is_read_from_its_file(tmp_path):
    weights = {}
    for number, (inside, outside) in {0: (3, 4), 2: (4, 4), 5: (4, 8)}.items():
        weights[f"features.{number}.weight"] = torch.randn(outside, inside, 3, 3) * 0.2
        weights[f"features.{number}.bias"] = torch.zeros(outside)
    save_file(weights, tmp_path / "vgg.safetensors")
    rows = style(method="gatys", weights=str(tmp_path / "vgg.safetensors")).sample(*requested(6))
    assert rows.x.shape == (6, 3, 12, 12)
    save_file({"other": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(UsageError, match="is no VGG"):
        style(method="gatys", weights=str(tmp_path / "other.safetensors"))
    torch.save({"features.0.weight": torch.zeros(2)}, tmp_path / "vgg.pth")
    with pytest.raises(UsageError, match="vgg.pth cannot be read as safetensors"):
        style(method="gatys", weights=str(tmp_path / "vgg.pth"))


def test_only_label_agreement_looks_at_styled_rows():
    assert looks_at(LabelAgreement(0.05), style())
    assert not looks_at(NearCopy(0.5), style())


@pytest.mark.parametrize(
    ("words", "says"),
    [({"method": "galys"}, "gatys"), ({"strength": 1.5}, "must lie in"), ({"features": "jugde"}, "judge")],
)
def test_wrong_settings_are_a_sentence(words, says):
    with pytest.raises(UsageError, match=says):
        StyleTransfer(**(PLAIN | words))


def test_grey_rows_take_grey_styles():
    grey = LabelledData.of_real(
        DATA.x[:, :1], DATA.y, replace(DATA.schema, fields=DATA.schema.fields | {"channels": 1})
    )
    rows = StyleTransfer(**PLAIN).fit(grey).sample(*requested())
    assert rows.x.shape == (40, 1, 12, 12)
