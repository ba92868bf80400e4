"""The rules for the networks: the segmenter, and the GAN with its rates."""

from ocrnet.auto_config.choice import Choice
from ocrnet.auto_config.facts import Size
from ocrnet.auto_config.machine import Machine
from ocrnet.auto_config.sizes import choose_window
from ocrnet.gan.generator.presets import PRESETS

SMALL_GIB, FULL_GIB = 8, 40  # memory from which a GPU trains the presets small and full


def model_choices(*, on_gpu: bool) -> list[Choice]:
    """Return the choices of the segmenter."""
    backbone = "tf_efficientnet_lite2" if on_gpu else "tf_efficientnet_lite0"
    size = "largest" if on_gpu else "smallest"
    channels = (256, 128) if on_gpu else (128, 64)
    why = (
        "Half of the paper's, for a small backbone."
        if on_gpu
        else "A quarter of the paper's, for a CPU."
    )
    return [
        Choice("model.arch", "ocr_cascade", "OCRNet with a decoder, which keeps thin objects."),
        Choice(
            "model.backbone", backbone, f"The {size} network whose ImageNet weights are installed."
        ),
        Choice(
            "model.pretrained",
            "auto",
            "ImageNet weights, which few images need; nothing is downloaded.",
        ),
        Choice("model.freeze", "none", "All layers learn."),
        Choice(
            "model.stride",
            "auto",
            "A pyramid for this backbone, at about half the time of stride 8.",
        ),
        Choice("model.mid_channels", channels[0], why),
        Choice("model.key_channels", channels[1], why),
        Choice("model.norm", "batch", "A batch has two images or more."),
    ]


def gan_choices(machine: Machine, *, crop: Size, steps: int) -> list[Choice]:
    """Return the choices of the GAN.

    Args:
        machine: Machine that trains.
        crop: (height, width) of the crops of the segmenter.
        steps: Steps of the segmenter.
    """
    preset = _preset(machine)
    window, window_reason = choose_window(
        crop, multiple=PRESETS[preset].multiple, on_gpu=machine.gpu is not None
    )
    source = f"The value that goes with the preset {preset} (docs/augmentation.md)."
    rates = {
        "cpu-demo": (0.0004, 0.0008, 5.0, 4, 0.995, 8),
        "small": (0.0001, 0.0004, 10.0, 1, 0.999, 16),
        "full": (0.0004, 0.0004, 5.0, 1, 0.999, 16),
    }[preset]
    generator, discriminator, mix, mix_interval, ema, batch = rates
    return [
        Choice(
            "train_gan.preset",
            preset,
            f"{machine.words}: small from {SMALL_GIB} GiB, full from {FULL_GIB} GiB of GPU memory.",
        ),
        Choice("train_gan.steps", steps, "As many as the segmenter's."),
        Choice("train_gan.batch_size", batch, source),
        Choice("train_gan.crop_size", list(window), window_reason),
        Choice("train_gan.lr_generator", generator, source),
        Choice("train_gan.lr_discriminator", discriminator, source),
        Choice("train_gan.labelmix_weight", mix, source),
        Choice("train_gan.labelmix_interval", mix_interval, source),
        Choice("train_gan.ema_decay", ema, source),
        Choice("train_gan.val_interval", steps // 5, "Five looks at held-out images."),
        Choice(
            "train_gan.checkpoint_interval",
            max(10, steps // 20),
            "A kill costs at most a twentieth of the training.",
        ),
    ]


def _preset(machine: Machine) -> str:
    if machine.gpu is None or machine.memory_gib < SMALL_GIB:
        return "cpu-demo"
    return "full" if machine.memory_gib >= FULL_GIB else "small"
