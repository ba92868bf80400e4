"""The variants of `benchmarks.low_data`: the params that each of them changes, by dotted keys."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ocrnet.config import Params
from ocrnet.errors import ParamsError
from ocrnet.gan import OPERATIONS

Values = Mapping[str, Any]
BASE = "base"

# No filter at all is the arm gan_unselected, and the pairs alone give GAN-train and its like for the other arms.
# Steps are told as multiples of those of the study.
_WITHOUT_JOINT = [name for name, operation in OPERATIONS.items() if not operation.needs_joint]
VARIANTS: dict[str, Callable[[Params], Values]] = {
    "filter_train": lambda _: {"select.calibrate_on": "train"},
    "filter_0.01": lambda _: {"select.real_rejection": 0.01},
    "filter_0.15": lambda _: {"select.real_rejection": 0.15},
    "filter_0.3": lambda _: {"select.real_rejection": 0.3},
    "pairs_alone": lambda _: {"retrain.real_fraction": 0.0},
    "real_0.25": lambda _: {"retrain.real_fraction": 0.25},
    "real_0.75": lambda _: {"retrain.real_fraction": 0.75},
    "weight_0.5": lambda _: {"retrain.synthetic_weight": 0.5},
    "tail_0.2": lambda _: {"retrain.real_tail": 0.2},
    "layouts_train_flip": lambda _: {"synthesize.operations": {"train": 1.0, "flip": 1.0}},
    "pairs_x4": lambda params: {"synthesize.count": 4 * params.synthesize.count},
    "layouts_all": lambda _: {"synthesize.operations": dict.fromkeys(_WITHOUT_JOINT, 1.0)},
    "layouts_even": lambda _: {"synthesize.rare_power": 0.0, "synthesize.hard_power": 0.0},
    "gan_half_steps": lambda params: {"train_gan.steps": max(1, params.train_gan.steps // 2)},
    "gan_twice_steps": lambda params: {"train_gan.steps": 2 * params.train_gan.steps},
    "gan_small": lambda _: {  # with the rates of that size, see docs/augmentation.md
        "train_gan.preset": "small", "train_gan.lr_generator": 1e-4, "train_gan.lr_discriminator": 4e-4,
        "train_gan.labelmix_weight": 10.0, "train_gan.labelmix_interval": 1, "train_gan.ema_decay": 0.999,
    },
    "gan_pix2pix": lambda _: {"train_gan.arch": "pix2pix"},
    "gan_style_component": lambda _: {"train_gan.style": "component"},
    "gan_even_classes": lambda _: {"train_gan.class_weight_max": 1.0},
    "class_weights": lambda _: {"train.class_weights": "inverse_sqrt"},
}  # fmt: skip


def read_values(path: Path) -> Values:
    """Read a file of `params/`: dotted keys with their values.

    Raises:
        ParamsError: there is no such file, or it holds something else.
    """
    if not path.is_file():
        raise ParamsError(f"{path}: no such file. Name one of params/, or write dotted keys.")
    values = YAML(typ="safe").load(path)
    if not isinstance(values, dict):
        raise ParamsError(f"{path}: expected dotted keys with values, as train.steps: 300.")
    return {str(key): value for key, value in values.items()}


def parse_setting(text: str) -> tuple[str, Any]:
    """Return key and value of KEY=VALUE, the value in YAML.

    Raises:
        ParamsError: it is written otherwise.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise ParamsError(f"--set {text}: found no =. Write it as train.lr=0.01.")
    try:
        return key, YAML(typ="safe").load(value)
    except YAMLError as error:
        raise ParamsError(f"--set {text}: not YAML: {' '.join(str(error).split())}") from None


def words_of(name: str, params: Params) -> str:
    """Return what a variant changes, in words."""
    values = VARIANTS[name](params)
    return ", ".join(f"{key} {json.dumps(value)}" for key, value in values.items())
