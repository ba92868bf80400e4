"""OCRNet as it is against the plain formulation of the paper: `python -m benchmarks.ocr`.

Same weights, same inputs, alternating in one process; the outputs are compared first. Ratios below 1 are ours' gain.
"""

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.measure import compare
from benchmarks.plain_ocr import PlainHeads, PlainOCRNet
from ocrnet.models import build_segmenter
from ocrnet.models.folded_heads import fold_heads
from ocrnet.models.ocr import OCRNet
from ocrnet.models.output import SegmenterOutput

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}


class Setting(NamedTuple):
    """One row of the table."""

    part: str  # head or model
    mode: str  # forward or step
    size: tuple[int, int]
    batch: int
    channels_last: bool = False
    bf16: bool = False
    compiled: bool = False


def main() -> None:
    """Measure all settings and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="hrnet_w48")
    parser.add_argument("--size", type=int, nargs=2, default=(512, 1024), metavar=("H", "W"))
    parser.add_argument("--step-size", type=int, nargs=2, default=(256, 512), metavar=("H", "W"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    print(
        f"{arguments.backbone}, {device}, torch {torch.__version__}, {torch.get_num_threads()} threads"
    )
    print(
        "| part | mode | image | layout | time, ours / plain | spread | peak memory, ours / plain | difference |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for setting in settings(tuple(arguments.size), tuple(arguments.step_size), device):
        print(row(setting, arguments.backbone, rounds=arguments.rounds, device=device), flush=True)


def settings(
    size: tuple[int, int], step_size: tuple[int, int], device: torch.device
) -> list[Setting]:
    """Return the rows: both parts and modes in both layouts; on CUDA bf16 and a compiled network too."""
    plain = [
        Setting(
            part,
            mode,
            size if mode == "forward" else step_size,
            1 if mode == "forward" else 2,
            layout,
        )
        for part in ("head", "model")
        for mode in ("forward", "step")
        for layout in (False, True)
    ]
    if device.type != "cuda":
        return plain
    fast = [s._replace(bf16=True) for s in plain if s.channels_last]
    return [*plain, *fast, *(s._replace(compiled=True) for s in fast)]


def row(setting: Setting, backbone: str, *, rounds: int, device: torch.device) -> str:
    """Measure one setting and return its line of the table."""
    layout = torch.channels_last if setting.channels_last else torch.contiguous_format
    model = build_segmenter("ocrnet", backbone=backbone, num_classes=19, align_corners=True)
    assert isinstance(model, OCRNet)
    for head in (model.aux_head, model.head):
        randomize_norms(head)
    model.to(device, memory_format=layout)  # type: ignore[call-overload]
    plain: nn.Module = PlainHeads(model) if setting.part == "head" else PlainOCRNet(model)
    for module in (model, plain):
        module.train(setting.mode == "step")
    images = torch.randn(setting.batch, 3, *setting.size, device=device).contiguous(
        memory_format=layout
    )
    inputs: list[Tensor] = [images]
    if setting.part == "head":
        with torch.no_grad():
            inputs = [level.detach() for level in model.backbone.levels(images).main]
    ours = fold_heads(model) if setting.mode == "forward" else model
    networks = {"plain": _entry(plain, setting), "ours": _entry(ours, setting)}
    ways = {name: _way(network, inputs, setting) for name, network in networks.items()}
    ratio = compare(ways, rounds=rounds, device=device)["ours"]
    size = "x".join(map(str, setting.size))
    words = [
        "channels last" if setting.channels_last else "contiguous", *(["bf16"] if setting.bf16 else []),
        *(["compiled"] if setting.compiled else []),
    ]  # fmt: skip
    difference = _difference(networks, inputs, setting)
    return (
        f"| {setting.part} | {setting.mode} | {setting.batch}x{size} | {', '.join(words)} | {ratio.time:.2f} | "
        f"{ratio.least_time:.2f} to {ratio.most_time:.2f} | {ratio.memory:.2f} | {difference:.0e} |"
    )


Network = Callable[[list[Tensor]], SegmenterOutput]


def _entry(module: nn.Module, setting: Setting) -> Network:
    """Return the module as a function of its inputs: levels for the head, images for the model."""
    if setting.part == "model":
        run = torch.compile(module) if setting.compiled else module
        return lambda inputs: run(inputs[0])
    heads = _heads(module) if isinstance(module, OCRNet) else module
    return torch.compile(heads) if setting.compiled else heads


def _heads(model: OCRNet) -> Network:
    def run(levels: list[Tensor]) -> SegmenterOutput:
        aux_logits = model.aux_head(levels)
        return SegmenterOutput(model.head(levels, aux_logits), aux_logits)

    return run


def _way(network: Network, inputs: list[Tensor], setting: Setting) -> Callable[[], object]:
    """Return one forward pass, or one forward and backward pass."""

    def forward() -> object:
        with torch.inference_mode(), _precision(inputs, setting):
            return network(inputs)

    def step() -> object:
        leaves = [x.detach().requires_grad_(setting.part == "head") for x in inputs]
        with _precision(inputs, setting):
            logits, aux_logits = network(leaves)[:2]
        assert aux_logits is not None
        (logits.float().square().mean() + 0.4 * aux_logits.float().square().mean()).backward()  # type: ignore[no-untyped-call]
        return None

    return forward if setting.mode == "forward" else step


def _precision(inputs: list[Tensor], setting: Setting) -> AbstractContextManager[object]:
    if not setting.bf16:
        return nullcontext()
    return torch.autocast(inputs[0].device.type, dtype=torch.bfloat16)


def _difference(networks: dict[str, Network], inputs: list[Tensor], setting: Setting) -> float:
    """Return the greatest difference of the logits over the greatest logit.

    Raises:
        ValueError: it is more than rounding.
    """
    if setting.mode == "step":
        return float("nan")  # dropout draws differ; the tests compare gradients
    with torch.inference_mode(), _precision(inputs, setting):
        plain, ours = (networks[name](inputs).logits.float() for name in ("plain", "ours"))
    difference = float((plain - ours).abs().max() / plain.abs().max())
    if difference > TOLERANCE[torch.bfloat16 if setting.bf16 else torch.float32]:
        raise ValueError(f"{setting}: logits differ by {difference:.1e} of the greatest")
    return difference


def randomize_norms(model: nn.Module) -> None:
    """Give batch norms statistics that are not those of a fresh model, so that folding is tested.

    For a head: a whole backbone with statistics that are not its own gives features that grow without bound.
    """
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)


if __name__ == "__main__":
    main()
