"""The object bank computes what its equations say, and never holds a weight per pair of pixels."""

import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from ocrnet.models.object_bank import ObjectBankHead, attend


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("key", "mid"), [(4, 10), (10, 4), (6, 6)])
def test_attention_is_the_plain_formula_whichever_is_wider(key: int, mid: int) -> None:
    query, keys, value = draw(2, 7, key), draw(2, 5, key, seed=1), draw(2, 5, mid, seed=2)
    weights = (query @ keys.transpose(1, 2) / key**0.5).softmax(dim=-1)
    torch.testing.assert_close(attend(query, keys, value), weights @ value)


def test_the_head_is_its_equations() -> None:
    """Each equation written out for every pixel of one image."""
    torch.manual_seed(0)
    head = ObjectBankHead(6, 3, mid_channels=8, key_channels=4, prototypes=5).eval()
    torch.nn.init.constant_(head.related_weight, 0.7)
    torch.nn.init.constant_(head.recalled_weight, -1.3)
    feats = draw(1, 6, 3, 4)
    with torch.inference_mode():
        pixels = head.reduce(feats)
        x = pixels[0].flatten(1).T  # 12 pixels, 8 channels
        relation = (x @ head.to_query.weight.T) @ (x @ head.to_key.weight.T).T / 4**0.5
        related = relation.softmax(dim=1) @ x
        recalled = (related @ head.bank.T / 8**0.5).softmax(dim=1) @ head.bank
        fused = x + 0.7 * related - 1.3 * recalled
        expected = fused @ head.classify.weight[:, :, 0, 0].T + head.classify.bias
        got = head(feats)[0].flatten(1).T
    torch.testing.assert_close(got, expected)


def test_a_pixel_that_matches_one_prototype_recalls_it() -> None:
    """With prototypes far apart the bank answers with the one that a pixel is nearest to."""
    bank = 50.0 * torch.eye(4)[None]
    recalled = attend(bank[:, [2, 0]], bank, bank)
    torch.testing.assert_close(recalled, bank[:, [2, 0]])


def test_memory_grows_with_the_pixels_and_not_with_their_pairs() -> None:
    """All memory asked for in forward and backward together is less than a tenth of one N x N relation.

    The widths differ, for which torch alone would fall back to the whole relation.
    """
    side = 128
    head = ObjectBankHead(4, 3, mid_channels=16, key_channels=8, prototypes=4)
    feats = draw(1, 4, side, side)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        head(feats).square().sum().backward()
    asked = sum(max(0, event.self_cpu_memory_usage) for event in seen.events() or [])
    assert 0 < asked < 0.1 * 4 * side**4
