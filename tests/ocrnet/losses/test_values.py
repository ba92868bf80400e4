"""The numbers of each loss by hand, and against independent formulations."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.losses import draw, plain_ohem
from ocrnet.errors import ParamsError
from ocrnet.losses import build_loss
from ocrnet.losses.base import Loss
from ocrnet.losses.weighted_sum import WeightedSum
from tests.ocrnet.losses.examples import LABELS, LOGITS, WEIGHTS, make, row, two_classes


def make_two(text: str, **options: object) -> Loss:
    return build_loss(text, num_classes=2, ignore_index=255, **options)


def test_cross_entropy_of_equal_logits_is_the_log_of_the_number_of_classes() -> None:
    assert float(make("ce")(torch.zeros(1, 5, 2, 2), LABELS[:1, :2, :2])) == pytest.approx(
        math.log(5), rel=1e-6
    )


def test_weighted_cross_entropy_agrees_with_torch() -> None:
    expected = nn.functional.cross_entropy(LOGITS, LABELS, weight=WEIGHTS)
    torch.testing.assert_close(make("ce", class_weights=WEIGHTS)(LOGITS, LABELS), expected)


class TestFocal:
    def test_a_pixel_at_one_half_costs_a_quarter_of_its_cross_entropy(self) -> None:
        loss = make_two("focal", gamma=2.0)(two_classes(0.5), row(0))
        assert float(loss) == pytest.approx(math.log(2) / 4, rel=1e-6)

    def test_the_weighted_mean_is_over_weights(self) -> None:
        """The true class has p = 0.5 with weight 1, then 0.2 with weight 3."""
        loss = make_two("focal", gamma=1.0, class_weights=torch.tensor([1.0, 3.0]))
        by_hand = (0.5 * math.log(2) + 3 * 0.8 * math.log(5)) / 4
        assert float(loss(two_classes(0.5, 0.8), row(0, 1))) == pytest.approx(by_hand, rel=1e-6)

    @pytest.mark.parametrize("weights", [None, WEIGHTS])
    def test_gamma_zero_is_cross_entropy_to_the_bit(self, weights: Tensor | None) -> None:
        focal = make("focal", gamma=0.0, class_weights=weights)(LOGITS, LABELS)
        assert focal == make("ce", class_weights=weights)(LOGITS, LABELS)


class TestDice:
    def test_hard_predictions(self) -> None:
        """Truth 0 0 1 1, predicted 0 1 1 1: 2/(1+2) for class 0, 2*2/(3+2) for class 1."""
        logits = 100 * two_classes(0.9, 0.1, 0.1, 0.1)
        loss = make_two("dice")(logits, row(0, 0, 1, 1))
        assert float(loss) == pytest.approx(1 - (2 / 3 + 4 / 5) / 2, rel=1e-6)

    def test_a_soft_prediction_with_squares_below(self) -> None:
        """One pixel of class 0 at p = 0.6: 2*0.6 / (0.36 + 1); class 1 is absent and left out."""
        loss = make_two("dice")(two_classes(0.6), row(0))
        assert float(loss) == pytest.approx(1 - 1.2 / 1.36, rel=1e-6)

    def test_false_pixels_of_an_absent_class_cost_through_the_true_one(self) -> None:
        dice = make_two("dice")
        assert dice(two_classes(0.6), row(0)) > dice(two_classes(0.7), row(0))

    def test_a_class_counts_as_much_as_another_of_more_pixels(self) -> None:
        """Of 99 pixels of class 0 and one of class 1, all are called 0: half of the mean overlap is lost."""
        loss = make_two("dice")(100 * two_classes(*[0.9] * 100), row(*[0] * 99, 1))
        assert float(loss) == pytest.approx(1 - (2 * 99 / 199) / 2, rel=1e-5)


class TestSum:
    def test_terms_add_up_with_their_weights(self) -> None:
        parts = [make("ce")(LOGITS, LABELS), make("dice")(LOGITS, LABELS)]
        torch.testing.assert_close(
            make("2*ce+.5 * dice")(LOGITS, LABELS), 2 * parts[0] + 0.5 * parts[1]
        )

    @pytest.mark.parametrize(
        ("text", "summed"), [("focal", False), ("1*focal", False), ("2*focal", True)]
    )
    def test_one_name_alone_is_that_loss(self, text: str, summed: bool) -> None:
        assert isinstance(make(text), WeightedSum) == summed

    def test_each_term_takes_the_options_that_it_knows(self) -> None:
        weighted = make("ce + dice", class_weights=WEIGHTS, gamma=1.0)
        alone = make("ce", class_weights=WEIGHTS)(LOGITS, LABELS) + make("dice")(LOGITS, LABELS)
        torch.testing.assert_close(weighted(LOGITS, LABELS), alone)

    def test_auxiliary_logits_get_the_terms_own_loss_for_them(self) -> None:
        expected = make("ohem_official").aux(LOGITS, LABELS) + 3 * make("dice")(LOGITS, LABELS)
        torch.testing.assert_close(make("ohem_official + 3*dice").aux(LOGITS, LABELS), expected)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "'' in '' is neither"),
            ("ce +", "'' in 'ce \\+' is neither"),
            ("ce dice", "'ce dice' in"),
            ("ce - dice", "'ce - dice' in"),
            ("dice*0.5", "'dice\\*0.5' in"),
            ("1e-*ce", "'1e-\\*ce' in"),
            ("0*ce", "the weight of '0\\*ce' is 0"),
            ("1" + "0" * 400 + "*ce", "is inf"),
            ("ce + dise", "'dise' is unknown\\..* Known: ce, ohem, ohem_official, dice"),
        ],
    )
    def test_what_is_no_sum_is_refused_in_one_line(self, text: str, said: str) -> None:
        with pytest.raises(ParamsError, match=f"^params.yaml: train.loss: .*{said}") as caught:
            make(text)
        assert "\n" not in str(caught.value)

    def test_an_unknown_option_is_named(self) -> None:
        with pytest.raises(ValueError, match=r"option 'gama' is unknown\. Known: class_weights"):
            make("focal", gama=1.0)


class TestOhem:
    PIXELS = two_classes(0.5, 0.9, 0.2, 0.99)

    def test_pixels_at_or_below_the_threshold_are_kept(self) -> None:
        loss = make_two("ohem", threshold=0.6, min_kept=1)(self.PIXELS, row(0, 0, 0, 0))
        assert float(loss) == pytest.approx(-(math.log(0.5) + math.log(0.2)) / 2, rel=1e-5)

    def test_at_least_min_kept_of_the_hardest_are_kept(self) -> None:
        loss = make_two("ohem", threshold=0.1, min_kept=3)(self.PIXELS, row(0, 0, 0, 0))
        by_hand = -(math.log(0.5) + math.log(0.9) + math.log(0.2)) / 3
        assert float(loss) == pytest.approx(by_hand, rel=1e-5)

    def test_min_kept_is_of_the_batch_and_not_of_each_image(self) -> None:
        images = torch.cat([two_classes(0.9, 0.8), two_classes(0.3, 0.2)])
        labels = torch.cat([row(0, 0), row(0, 0)])
        loss = make_two("ohem", threshold=0.0, min_kept=2)(images, labels)
        assert float(loss) == pytest.approx(-(math.log(0.3) + math.log(0.2)) / 2, rel=1e-5)

    def test_ignored_pixels_are_not_among_the_kept(self) -> None:
        loss = make_two("ohem", threshold=0.1, min_kept=1)(self.PIXELS, row(0, 0, 255, 0))
        assert float(loss) == pytest.approx(-math.log(0.5), rel=1e-5)

    def test_pixels_that_tie_with_the_last_kept_one_are_kept(self) -> None:
        logits = two_classes(0.5, 0.5, 0.2, 0.99)
        loss = make_two("ohem", threshold=0.1, min_kept=2)(logits, row(0, 0, 0, 0))
        by_hand = -(2 * math.log(0.5) + math.log(0.2)) / 3
        assert float(loss) == pytest.approx(by_hand, rel=1e-5)

    def test_weights_count_after_the_choice(self) -> None:
        """The one kept pixel is the hardest, though the weighted loss of the other is larger."""
        logits, labels = two_classes(0.3, 0.6), row(0, 1)
        weights = torch.tensor([1.0, 10.0])
        loss = make_two("ohem", threshold=0.0, min_kept=1, class_weights=weights)
        assert float(loss(logits, labels)) == pytest.approx(-math.log(0.3), rel=1e-5)

    def test_the_official_one_keeps_strictly_and_divides_by_the_number_kept(self) -> None:
        """With min_kept 2 the third hardest, 0.9, is the bar: 0.5 and 0.2 are kept. Class 0 weighs 3."""
        weights = torch.tensor([3.0, 1.0])
        loss = make_two("ohem_official", threshold=0.1, min_kept=2, class_weights=weights)
        by_hand = -3 * (math.log(0.5) + math.log(0.2)) / 2
        assert float(loss(self.PIXELS, row(0, 0, 0, 0))) == pytest.approx(by_hand, rel=1e-5)

    def test_the_official_one_drops_the_easiest_where_pixels_are_too_few(self) -> None:
        loss = make_two("ohem_official", threshold=0.1, min_kept=100)(self.PIXELS, row(0, 0, 0, 0))
        by_hand = -(math.log(0.5) + math.log(0.9) + math.log(0.2)) / 3
        assert float(loss) == pytest.approx(by_hand, rel=1e-5)

    def test_the_official_one_gives_zero_where_it_keeps_nothing(self) -> None:
        loss = make_two("ohem_official", threshold=0.1, min_kept=1)(two_classes(0.9), row(0))
        assert float(loss) == 0

    def test_the_official_auxiliary_loss_is_over_all_pixels(self) -> None:
        loss = make_two("ohem_official").aux(self.PIXELS, row(0, 255, 0, 255))
        assert float(loss) == pytest.approx(-(math.log(0.5) + math.log(0.2)) / 4, rel=1e-5)

    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize(("threshold", "min_kept"), [(0.3, 5), (0.02, 60), (0.9, 10**6)])
    def test_agrees_with_softmax_and_a_full_sort(
        self, seed: int, threshold: float, min_kept: int
    ) -> None:
        rng = np.random.default_rng(seed)
        logits = rng.normal(size=(3, 5, 8, 9))
        labels = rng.integers(0, 5, (3, 8, 9))
        labels[:, :2] = 255
        expected = sorted_ohem(logits, labels, threshold, min_kept)
        loss = make("ohem", threshold=threshold, min_kept=min_kept)
        found = loss(torch.from_numpy(logits).float(), torch.from_numpy(labels))
        assert float(found) == pytest.approx(expected, rel=1e-5)


def sorted_ohem(logits: np.ndarray, labels: np.ndarray, threshold: float, min_kept: int) -> float:
    """Sort the probabilities of all valid pixels and average what is hard."""
    odds = np.exp(logits)
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    of_truth = np.take_along_axis(probabilities, np.where(labels == 255, 0, labels)[:, None], 1)
    ascending = np.sort(of_truth[:, 0][labels != 255])
    bar = max(threshold, ascending[min(min_kept, len(ascending)) - 1])
    return float(-np.log(ascending[ascending <= bar]).mean())


@pytest.mark.parametrize("margin", [0.0, 6.0])
@pytest.mark.parametrize("min_kept", [3, 200])
def test_the_benchmark_compares_like_with_like(margin: float, min_kept: int) -> None:
    batch = draw((1, 19, 16, 20), margin=margin, device=torch.device("cpu"))
    loss = build_loss("ohem", num_classes=19, ignore_index=255, threshold=0.7, min_kept=min_kept)
    torch.testing.assert_close(loss(*batch), plain_ohem(min_kept)(*batch))
