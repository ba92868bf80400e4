"""Networks that cannot be trained are told before any training."""

import pytest

from ocrnet.errors import ParamsError
from ocrnet.preflight.networks import try_segmenter
from tests.base_params import params_with

DATA = {"source": "folder", "path": "raw", "classes": ["a", "b"], "crop_size": [64, 64]}


@pytest.mark.parametrize(
    ("model", "words"),
    [
        # timm's weights of resnet50 have another stem.
        (
            {"backbone": "deepbase_resnet50", "pretrained": True},
            "timm has no weights for deepbase_",
        ),
        (
            {"backbone": "rdnet_tiny", "pretrained": True, "freeze": "stem"},
            "does not state the stem",
        ),
        ({"backbone": "deepbase_resnet50", "stride": "pyramid"}, "has one form"),
    ],
)
def test_a_network_that_cannot_be_trained_is_told(model: dict[str, object], words: str) -> None:
    params = params_with({"data": DATA, "model": {"arch": "ocrnet", **model}})
    with pytest.raises(ParamsError, match=words) as caught:
        try_segmenter(params)
    assert str(caught.value).startswith("params.yaml: model.")
    assert len(str(caught.value).splitlines()) == 1
