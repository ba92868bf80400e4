"""Two processes with half a batch each get the loss of the whole batch, and DDP's mean of gradients is its gradient."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ocrnet.losses import build_loss
from tests.ocrnet.losses.examples import EVERY, LABELS, WEIGHTS

pytestmark = pytest.mark.slow
IMAGES = torch.randn(4, 3, 6, 7, generator=torch.Generator().manual_seed(2))
Case = tuple[str, dict[str, Any]]
CASES: dict[str, Case] = {
    **{text: (text, {}) for text in EVERY},
    "weighted ce": ("ce", {"class_weights": WEIGHTS}),
    "weighted focal": ("focal", {"class_weights": WEIGHTS, "gamma": 1.0}),
    "ohem, threshold binds": ("ohem", {"threshold": 0.2, "min_kept": 5}),
    "ohem, min_kept binds": ("ohem", {"threshold": 0.01, "min_kept": 20}),
    "weighted ohem": ("ohem", {"class_weights": WEIGHTS, "threshold": 0.01, "min_kept": 20}),
    "ohem_official, threshold binds": ("ohem_official", {"threshold": 0.2, "min_kept": 5}),
    "ohem_official, min_kept binds": ("ohem_official", {"threshold": 0.01, "min_kept": 20}),
}


def label_maps(split: str) -> Tensor:
    """Return the labels of four images, of which rank 0 has the first two."""
    labels = torch.cat([LABELS, LABELS.flip(1)])
    ignored = {"even": slice(0), "unequal": slice(0, 5), "one rank ignored": slice(0, 6)}[split]
    labels[:2, ignored] = 255
    return labels


SAMPLE_WEIGHTS = {"alike": None, "weighted": torch.tensor([1.0, 0.25, 0.25, 3.0])}
SPLITS = ("even", "unequal", "one rank ignored", "all ignored")


def labels_of(split: str) -> Tensor:
    if split == "all ignored":
        return torch.full_like(label_maps("even"), 255)
    return label_maps(split)


def measure(
    images: Tensor,
    labels: Tensor,
    case: Case,
    *,
    sample_weights: Tensor | None,
    wrap: Callable[[nn.Module], nn.Module],
) -> tuple[Tensor, list[Tensor]]:
    """Return the loss of main and auxiliary logits of one small network, and its gradients."""
    torch.manual_seed(0)
    model = nn.Conv2d(3, 5, 1)
    text, options = case
    loss = build_loss(text, num_classes=5, ignore_index=255, **options)
    wrapped = wrap(model)  # kept until the gradients are there: DDP reduces them while it lives
    logits = 2 * wrapped(images)
    value = loss(logits, labels, sample_weights)
    value = value + 0.4 * loss.aux(logits.square(), labels, sample_weights)
    value.backward()
    return value.detach(), [p.grad for p in model.parameters() if p.grad is not None]


def one_rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    half = slice(0, 2) if rank == 0 else slice(2, 4)
    found = {
        (name, split, kind): measure(
            IMAGES[half],
            labels_of(split)[half],
            case,
            sample_weights=None if weights is None else weights[half],
            wrap=DistributedDataParallel,
        )
        for name, case in CASES.items()
        for split in SPLITS
        for kind, weights in SAMPLE_WEIGHTS.items()
    }
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    folder = tmp_path_factory.mktemp("ranks")
    torch.multiprocessing.spawn(one_rank, args=(str(folder),), nprocs=2)  # type: ignore[attr-defined, no-untyped-call]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("kind", SAMPLE_WEIGHTS)
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", CASES)
def test_every_rank_has_the_loss_of_the_whole_batch_and_its_gradient(
    ranks: list[Any], name: str, split: str, kind: str
) -> None:
    value, gradients = measure(
        IMAGES,
        labels_of(split),
        CASES[name],
        sample_weights=SAMPLE_WEIGHTS[kind],
        wrap=lambda model: model,
    )
    for found in ranks:
        torch.testing.assert_close(found[name, split, kind][0], value, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(found[name, split, kind][1], gradients, rtol=1e-5, atol=1e-6)
    assert torch.equal(ranks[0][name, split, kind][0], ranks[1][name, split, kind][0])
