"""What every image operation does, by numbers that are known; which run where, and that labels are asked for first."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from conftest import stripes
from scipy.stats import poisson

from gensynth import rng
from gensynth.cli import compose
from gensynth.errors import UsageError
from gensynth.samplers.image_changes import FEW_PHOTONS, filtered, poisson_quantile
from gensynth.samplers.image_operations import OPERATIONS, apply_operations
from gensynth.samplers.image_policies import AugMix, RandAugment, Transforms, TrivialAugment

COLOUR, GREY = stripes(40, (3, 16, 16)), stripes(40)


def done(name: str, x: np.ndarray, value: float, first_seed: int = 0) -> np.ndarray:
    """One operation at one value on float images (N, C, H, W)."""
    n = len(x)
    step = (name, np.ones(n, dtype=bool), np.full(n, value))
    seeds = rng.row_seeds(first_seed, "a", 0, n)
    return apply_operations(torch.from_numpy(x).float(), [step], seeds).numpy()


def picture(n: int = 1, channels: int = 1, side: int = 16) -> np.ndarray:
    return np.random.default_rng(0).random((n, channels, side, side)).astype(np.float32)


def at(chance: float, strength: float) -> dict[str, float]:
    return {"probability": chance, "strength": strength}


class TestPosition:
    def test_a_quarter_turn_is_anticlockwise(self):
        x = picture(2, 3)
        np.testing.assert_allclose(done("rotate", x, 90), np.rot90(x, axes=(2, 3)), atol=1e-4)

    def test_a_shift_moves_whole_pixels_and_repeats_the_border(self):
        x = picture()
        right, down = done("shift_x", x, 3 / 16), done("shift_y", x, 3 / 16)
        np.testing.assert_allclose(right[..., 3:], x[..., :-3], atol=1e-5)
        np.testing.assert_allclose(right[..., :3], x[..., :1].repeat(3, -1), atol=1e-5)
        np.testing.assert_allclose(down[:, :, 3:], x[:, :, :-3], atol=1e-5)

    def test_flips_are_exact(self):
        x = picture()
        np.testing.assert_allclose(done("flip_horizontal", x, 1), x[..., ::-1], atol=1e-5)
        np.testing.assert_allclose(done("flip_vertical", x, 1), x[:, :, ::-1], atol=1e-5)

    def test_larger_is_flatter_around_the_middle(self):
        ramp = np.broadcast_to(np.linspace(0, 1, 16, dtype=np.float32), (1, 1, 16, 16)).copy()
        slope = np.diff(done("resize", ramp, 0.25)[0, 0, 8])
        np.testing.assert_allclose(slope, 1 / 15 / 1.25, atol=1e-5)
        assert done("resize", ramp, 0.25)[0, 0, 8].mean() == pytest.approx(0.5, abs=1e-5)

    def test_a_crop_draws_out_a_part_that_lies_inside(self):
        ramp = np.broadcast_to(np.linspace(0, 1, 16, dtype=np.float32), (50, 1, 16, 16)).copy()
        out = done("crop", ramp, 0.5)[:, 0, 8]
        np.testing.assert_allclose(np.diff(out, axis=1), 1 / 30, atol=1e-5)
        assert out.min() >= 0
        assert out.max() <= 1
        assert np.ptp(out[:, 0]) > 0.4  # at many places

    def test_moves_in_a_row_are_one_and_cost_no_sharpness(self):
        x, on = torch.from_numpy(picture()), np.ones(1, dtype=bool)
        steps = [("rotate", on, np.array([17.0])), ("shift_x", on, np.array([0.1]))]
        back = [("shift_x", on, np.array([-0.1])), ("rotate", on, np.array([-17.0]))]
        np.testing.assert_allclose(apply_operations(x, steps + back, rng.row_seeds(0, "a", 0, 1)), x, atol=1e-4)

    def test_no_perspective_is_the_identity(self):
        x = picture(3, 3)
        np.testing.assert_allclose(done("perspective", x, 0.0), x, atol=1e-4)
        assert np.abs(done("perspective", x, 0.3) - x).mean() > 0.05


class TestColour:
    def test_brightness_contrast_and_saturation_by_their_formulas(self):
        x = 0.3 + 0.4 * picture(2, 3)
        np.testing.assert_allclose(done("brightness", x, -0.5), x / 2, atol=1e-6)
        grey = (x * np.array([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdims=True)
        mean = grey.mean((1, 2, 3), keepdims=True)
        np.testing.assert_allclose(done("contrast", x, -0.5), (x + mean) / 2, atol=1e-5)
        np.testing.assert_allclose(done("saturation", x, -1.0), done("greyscale", x, 1), atol=1e-5)

    def test_a_third_of_the_circle_makes_red_green(self):
        red = np.zeros((1, 3, 4, 4), np.float32)
        red[:, 0] = 0.8
        np.testing.assert_allclose(done("hue", red, 1 / 3), red[:, [1, 0, 2]], atol=1e-5)

    def test_fewer_bits_leave_fewer_levels(self):
        x = (np.arange(256, dtype=np.float32) / 255).reshape(1, 1, 16, 16)
        assert len(np.unique(done("posterize", x, 4).round(5))) == 16
        np.testing.assert_allclose(done("posterize", x, 0), x, atol=1e-5)

    def test_what_is_brighter_than_the_limit_is_turned_round(self):
        x = np.array([0.2, 0.9], np.float32).reshape(1, 1, 1, 2)
        np.testing.assert_allclose(done("solarize", x, 0.3).ravel(), [0.2, 0.1], atol=1e-6)

    def test_autocontrast_spans_black_to_white_and_leaves_flat_channels(self):
        x = 0.4 + 0.1 * picture(1, 2)
        x[:, 1] = 0.3
        out = done("autocontrast", x, 1)
        assert (out[0, 0].min(), out[0, 0].max()) == (0, 1)
        np.testing.assert_allclose(out[0, 1], 0.3)


class TestNoise:
    def test_normal_noise_has_the_asked_deviation(self):
        noise = done("gaussian_noise", np.full((50, 1, 16, 16), 0.5, np.float32), 0.08) - 0.5
        assert noise.std() == pytest.approx(0.08, rel=0.02)
        assert abs(noise.mean()) < 0.003

    def test_counted_light_varies_with_its_square_root(self):
        for level in (0.2, 0.5):
            out = done("poisson_noise", np.full((200, 1, 16, 16), level, np.float32), 0.1)
            assert out.mean() == pytest.approx(level, rel=0.01)
            assert out.var() == pytest.approx(0.01 * level, rel=0.05)
        assert not done("poisson_noise", np.zeros((1, 1, 8, 8), np.float32), 0.1).any()

    def test_counts_are_within_one_of_the_quantiles_of_the_library(self):
        share, mean = (
            side.ravel() for side in np.meshgrid(np.linspace(0.001, 0.999, 499), np.geomspace(0.01, 5000, 200))
        )
        gap = np.abs(poisson_quantile(share, mean) - poisson.ppf(share, mean))
        assert gap.max() <= 1
        assert gap[mean < FEW_PHOTONS].max() == 0

    def test_salt_and_pepper_hit_the_asked_share(self):
        out = done("salt_and_pepper", np.full((100, 3, 16, 16), 0.5, np.float32), 0.1)
        assert (out != 0.5).mean() == pytest.approx(0.1, abs=0.005)
        assert (out == 1).mean() == pytest.approx(0.05, abs=0.005)
        assert ((out != 0.5).all(1) == (out != 0.5).any(1)).all()  # all channels of a pixel


class TestFilters:
    def test_a_filter_is_a_sum_of_neighbours(self):
        x, kernels = torch.from_numpy(picture(3, 2)), torch.rand(3, 3, 3, generator=torch.Generator().manual_seed(0))
        out = filtered(x, kernels)
        by_hand = sum(kernels[1, i, j] * x[1, 0, 5 + i - 1, 7 + j - 1] for i in range(3) for j in range(3))
        assert float(out[1, 0, 5, 7]) == pytest.approx(float(by_hand), abs=1e-5)

    def test_a_blurred_point_is_a_bell_of_that_width(self):
        point = np.zeros((1, 1, 33, 33), np.float32)
        point[..., 16, 16] = 1
        out = done("blur", point, 1.2 * 32 / 33)[0, 0]
        assert out.sum() == pytest.approx(1, abs=1e-4)
        width = np.sqrt((out.sum(0) * (np.arange(33) - 16) ** 2).sum())
        assert width == pytest.approx(1.2, abs=0.02)

    def test_filters_keep_what_is_flat(self):
        flat = np.full((4, 3, 16, 16), 0.6, np.float32)
        for name in ("blur", "sharpen", "motion_blur", "median"):
            np.testing.assert_allclose(done(name, flat, 1.0), flat, atol=1e-5, err_msg=name)

    def test_the_median_removes_a_lonely_point(self):
        point = np.zeros((1, 1, 9, 9), np.float32)
        point[..., 4, 4] = 1
        assert not done("median", point, 1.0).any()

    def test_a_rectangle_of_the_asked_share_takes_the_mean(self):
        x = picture(300, 1, 32)
        changed = (done("erase", x, 0.15) != x).mean((1, 2, 3))
        assert changed.mean() == pytest.approx(0.15, abs=0.005)
        assert changed.std() < 0.02


class TestPolicies:
    def asked(self, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
        return np.arange(n) % 3, rng.row_seeds(0, "a", 0, n)

    def test_operations_meet_their_probability_and_strength(self):
        sampler = Transforms("mine", {"rotate": at(0.3, 20), "brightness": at(1.0, 0.2), "blur": at(0, 1)}, [])
        params = [json.loads(text) for text in sampler.fit(COLOUR).sample(*self.asked(2000)).groups["params"]]
        assert np.mean(["rotate" in one for one in params]) == pytest.approx(0.3, abs=0.04)
        assert all("brightness" in one and "blur" not in one for one in params)
        turns = np.array([one["rotate"] for one in params if "rotate" in one])
        assert 19 < np.abs(turns).max() <= 20
        assert abs(turns.mean()) < 2

    def test_a_row_without_an_operation_is_a_copy(self):
        sampler = Transforms("mine", {"rotate": at(0.5, 20)}, []).fit(COLOUR)
        rows = sampler.sample(*self.asked(100))
        source = dict(zip(COLOUR.ids, COLOUR.x, strict=True))
        still = [i for i, text in enumerate(rows.groups["params"]) if text == "{}"]
        assert 30 < len(still) < 70
        assert all((rows.x[i] == source[rows.parent[i]]).all() for i in still)

    @pytest.mark.parametrize("name", [name for name, one in OPERATIONS.items() if one.safe])
    def test_a_strength_at_risk_needs_leave(self, name):
        strength = OPERATIONS[name].safe + 0.5
        with pytest.raises(UsageError, match=rf"can make labels wrong.*data\.allow=\[{name}\]"):
            Transforms("mine", {name: at(0.5, strength)}, [])
        assert Transforms("mine", {name: at(0.5, strength)}, [name]).label_policy == "at_risk"
        assert Transforms("mine", {name: at(0.5, OPERATIONS[name].safe)}, []).label_policy == "preserve"

    @pytest.mark.parametrize("name", [name for name, one in OPERATIONS.items() if one.always_at_risk])
    def test_what_is_always_at_risk_does_not_run_without_leave(self, name):
        words = {"rotate": at(0.1, 5), name: at(1.0, 1.0)}
        without, with_leave = (Transforms("mine", words, allow).fit(COLOUR) for allow in ([], [name]))
        assert without.left_out == (name,)
        assert without.label_policy == "preserve"
        assert not any(name in text for text in without.sample(*self.asked(50)).groups["params"])
        assert with_leave.left_out == ()
        assert with_leave.label_policy == "at_risk"
        assert all(name in text for text in with_leave.sample(*self.asked(50)).groups["params"])

    def test_the_data_set_gives_leave(self):
        plain, allowed = (
            compose("balance", ["digits", "sampler=position", *words]).sampler.build().fit(GREY)
            for words in ([], ["data.allow=[flip_horizontal]"])
        )
        assert "flip_horizontal" not in dict(plain.operations())
        assert plain.left_out == ("flip_horizontal", "flip_vertical")
        assert "flip_horizontal" in dict(allowed.operations())
        assert allowed.left_out == ("flip_vertical",)

    def test_policies_leave_out_what_is_at_risk_and_what_needs_colour(self):
        for make in (TrivialAugment, lambda allow: RandAugment(2, 0.5, allow), lambda allow: AugMix(3, 3, allow)):
            grey, colour = (dict(make([]).fit(rows).operations()) for rows in (GREY, COLOUR))
            assert "hue" in colour
            assert not {"hue", "saturation", "flip_horizontal", "greyscale"} & set(grey)
            assert "flip_horizontal" not in colour
            assert "flip_horizontal" in dict(make(["flip_horizontal"]).fit(GREY).operations())

    def test_trivial_augment_does_one_thing_a_row_and_all_things_over_rows(self):
        rows = TrivialAugment([]).fit(COLOUR).sample(*self.asked(1500))
        told = [json.loads(text) for text in rows.groups["params"]]
        assert {len(one) for one in told} == {1}
        assert {name for one in told for name in one} == set(dict(TrivialAugment([]).fit(COLOUR).operations()))

    def test_rand_augment_does_two_things_at_one_strength(self):
        rows = RandAugment(2, 0.5, []).fit(COLOUR).sample(*self.asked())
        told = [json.loads(text) for text in rows.groups["params"]]
        assert {len(one) for one in told} == {2}
        turns = {abs(one["rotate"]) for one in told if "rotate" in one}
        assert turns == {0.5 * OPERATIONS["rotate"].strength}

    def test_augmix_weighs_chains_to_one(self):
        rows = AugMix(3, 2, []).fit(COLOUR).sample(*self.asked(60))
        for text in rows.groups["params"]:
            told = json.loads(text)
            chains = [told[f"chain {i}"] for i in range(3)]
            assert sum(chain["weight"] for chain in chains) == pytest.approx(1, abs=1e-5)
            assert all(1 <= len(chain) - 1 <= 2 for chain in chains)
            assert 0 <= told["image"] <= 1

    def test_parameters_give_the_row_again(self):
        sampler = Transforms("mine", {"rotate": at(1, 20), "contrast": at(1, 0.3), "shift_x": at(1, 0.1)}, [])
        labels, seeds = self.asked(5)
        rows = sampler.fit(COLOUR).sample(labels, seeds)
        source = dict(zip(COLOUR.ids, COLOUR.x, strict=True))
        for i in range(5):
            steps = [
                (name, np.ones(1, bool), np.array([v])) for name, v in json.loads(rows.groups["params"][i]).items()
            ]
            x = torch.from_numpy(source[rows.parent[i]][None]).float() / 255
            again = (apply_operations(x, steps, seeds[i : i + 1]) * 255).round().to(torch.uint8).numpy()[0]
            np.testing.assert_array_equal(again, rows.x[i])

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (["sampler=transforms", "sampler.operations.rotate.probability=1.5"], "at most 1"),
            (["sampler=transforms", "data.allow=[rotat]"], "rotate"),
            (["sampler=rand_augment", "sampler.magnitude=2"], "magnitude"),
            (["sampler=augmix", "sampler.depth=0"], "at least 1"),
            (["sampler=transforms", "sampler.operations.rotate.strength=-3"], "at least 0"),
        ],
    )
    def test_wrong_settings_are_a_sentence(self, words, says):
        with pytest.raises(UsageError, match=says):
            compose("balance", ["digits", *words])
