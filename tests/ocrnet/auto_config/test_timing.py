"""The timing of a few real steps."""

from pathlib import Path

import pytest
import torch

from ocrnet.auto_config.timing import measure_steps
from ocrnet.raw.prepare import prepare
from ocrnet.raw.scan import scan
from ocrnet.raw.sources import Roots
from tests.base_params import params_with
from tests.ocrnet.raw.raw_sets import find_set, noise, save, stripes

pytestmark = pytest.mark.slow


def test_both_trainings_and_the_scoring_take_time_and_the_threads_stay(tmp_path: Path) -> None:
    for place in range(8):
        save(tmp_path / "raw" / "images" / f"a{place}.png", noise(place, (64, 64, 3)))
        save(tmp_path / "raw" / "masks" / f"a{place}.png", stripes((64, 64)))
    params = params_with({
        "data": {
            "source": "folder", "path": str(tmp_path / "raw"), "classes": ["a", "b", "c"], "crop_size": [64, 64],
        },
        "model": {"arch": "unet", "mid_channels": 8},
        "train": {"batch_size": 2}, "train_gan": {"batch_size": 2, "crop_size": [32, 32]},
    })  # fmt: skip
    root = tmp_path / "raw"
    prepare(
        scan(find_set(params), params.data, roots=Roots(root, root)),
        params,
        roots=Roots(root, root),
        out=tmp_path / "out",
    )
    threads = torch.get_num_threads()
    times = measure_steps(tmp_path / "out", params)
    assert min(times.train_s, times.gan_s, times.score_s) > 0
    assert times.score_s < times.train_s  # one image forward, against two forward and back
    assert torch.get_num_threads() == threads
