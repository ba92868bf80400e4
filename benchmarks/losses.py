"""Hard example mining by a part-sort against softmax and a full sort, and what each loss costs.

`python -m benchmarks.losses`: forward and backward of full-size logits, alternating in one process; the values are
compared first. Ratios below 1 are the gain.
"""

import argparse
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.measure import Ratio, compare
from ocrnet.losses import LOSSES, build_loss

NUM_CLASSES, IGNORED = 19, 255
THRESHOLD = 0.7
Loss = Callable[[Tensor, Tensor], Tensor]


class Batch(NamedTuple):
    """Logits and label maps of which one pixel in twenty is ignored."""

    logits: Tensor
    label_maps: Tensor


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", type=int, nargs=2, default=(256, 512), metavar=("H", "W"))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    shape = (arguments.batch, NUM_CLASSES, *arguments.size)
    print(f"{list(shape)}, {device}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    print_mining(shape, rounds=arguments.rounds, device=device)
    print_losses(shape, rounds=arguments.rounds, device=device)


def print_mining(shape: tuple[int, ...], *, rounds: int, device: torch.device) -> None:
    """Print `ohem` over its plain formulation: at the start of a training, and where few pixels are hard."""
    pixels = shape[0] * shape[2] * shape[3]
    print("\n| network | min_kept | time, ohem / plain | spread | peak memory, ohem / plain |")
    print("|---|---|---|---|---|")
    for network, margin in (("untrained", 0.0), ("trained", 6.0)):
        batch = draw(shape, margin=margin, device=device)
        for min_kept in (pixels // 100, pixels // 4):
            loss = build_loss(
                "ohem", num_classes=NUM_CLASSES, ignore_index=IGNORED,
                threshold=THRESHOLD, min_kept=min_kept,
            )  # fmt: skip
            ratio = ratio_of(loss, plain_ohem(min_kept), batch, rounds=rounds)
            print(f"| {network} | {min_kept} | {_cells(ratio)} |", flush=True)


def print_losses(shape: tuple[int, ...], *, rounds: int, device: torch.device) -> None:
    """Print the cost of each loss over that of `F.cross_entropy`."""
    batch = draw(shape, margin=6.0, device=device)
    print("\n| loss | time, over F.cross_entropy | spread | peak memory |")
    print("|---|---|---|---|")
    losses: dict[str, Loss] = {
        "F.cross_entropy": lambda x, y: F.cross_entropy(x, y, ignore_index=IGNORED),
        **{n: build_loss(n, num_classes=NUM_CLASSES, ignore_index=IGNORED) for n in LOSSES},
    }
    ways = {name: _step(loss, batch) for name, loss in losses.items()}
    for name, ratio in compare(ways, rounds=rounds, device=device).items():
        print(f"| {name} | {_cells(ratio)} |", flush=True)


def ratio_of(loss: Loss, plain: Loss, batch: Batch, *, rounds: int) -> Ratio:
    """Return the cost of a loss over that of its plain formulation.

    Raises:
        ValueError: their values or gradients differ by more than rounding.
    """
    ways = {"plain": _step(plain, batch), "ours": _step(loss, batch)}
    for expected, found in zip(ways["plain"](), ways["ours"](), strict=True):
        if not torch.allclose(found, expected, rtol=1e-4, atol=1e-9):
            raise ValueError(f"the formulations differ by {float((found - expected).abs().max())}")
    return compare(ways, rounds=rounds, device=batch.logits.device)["ours"]


def plain_ohem(min_kept: int) -> Loss:
    """Return hard example mining from the probabilities, all of them sorted."""

    def loss(logits: Tensor, label_maps: Tensor) -> Tensor:
        valid = label_maps != IGNORED
        probabilities = torch.softmax(logits, dim=1)
        of_truth = probabilities.gather(1, torch.where(valid, label_maps, 0)[:, None])[:, 0][valid]
        ascending, order = torch.sort(of_truth)
        bar = ascending[min(min_kept, len(ascending)) - 1].clamp(min=THRESHOLD)
        losses = F.cross_entropy(logits, label_maps, ignore_index=IGNORED, reduction="none")
        return losses[valid][order][ascending <= bar].mean()

    return loss


def draw(shape: tuple[int, ...], *, margin: float, device: torch.device) -> Batch:
    """Return random logits whose true class is ahead by `margin`, at one pixel in ten behind by half of it."""
    generator = torch.Generator().manual_seed(0)
    pixels = (shape[0], *shape[2:])
    label_maps = torch.randint(0, NUM_CLASSES, pixels, generator=generator)
    lead = torch.where(torch.rand(pixels, generator=generator) < 0.1, -margin / 2, margin)
    logits = torch.randn(shape, generator=generator)
    logits.scatter_add_(1, label_maps[:, None], lead[:, None])
    label_maps[torch.rand(pixels, generator=generator) < 0.05] = IGNORED
    return Batch(logits.to(device), label_maps.to(device))


def _step(loss: Loss, batch: Batch) -> Callable[[], tuple[Tensor, Tensor]]:
    """Return a forward and backward pass."""

    def step() -> tuple[Tensor, Tensor]:
        logits = batch.logits.detach().requires_grad_()
        value = loss(logits, batch.label_maps)
        (gradient,) = torch.autograd.grad(value, logits)
        return value.detach(), gradient

    return step


def _cells(ratio: Ratio) -> str:
    return (
        f"{ratio.time:.2f} | {ratio.least_time:.2f} to {ratio.most_time:.2f} | {ratio.memory:.2f}"
    )


if __name__ == "__main__":
    main()
