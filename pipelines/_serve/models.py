"""The models of a server: each predicts one image at a time and has a bounded queue."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ocrnet.errors import OcrnetError, ParamsError
from ocrnet.predict_files.predictor import Predictor, load, require_probabilities
from ocrnet.predict_files.references import is_registered
from ocrnet.predict_files.segmentation import Segmentation
from pipelines._untrusted import shown

T = TypeVar("T")


class BusyError(OcrnetError):
    """The queue of a model is full.

    Attributes:
        retry_after_s: Seconds after which there should be room.
    """

    def __init__(self, model: str, queued: int, retry_after_s: int) -> None:
        super().__init__(
            f"{model}: {queued} images are being predicted or wait. Send this one again in {retry_after_s} s."
        )
        self.retry_after_s = retry_after_s


class ServedModel:
    """A model with one thread that computes, so that its images are predicted one after the other.

    Args:
        name: Name in the interface; the user gave it.
        predictor: Loaded model.
        queue: Most images that are being predicted or wait.
    """

    def __init__(self, name: str, predictor: Predictor, *, queue: int) -> None:
        self.name = name
        self.predictor = predictor
        self._queue = queue
        self._held = 0
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._seconds = 1.0  # of one prediction; a moving mean

    @property
    def title(self) -> str:
        """The name, with the version of the registry if it has one."""
        full = self.predictor.name
        return f"{self.name} ({full})" if is_registered(full) and full != self.name else self.name

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place in the queue.

        Raises:
            BusyError: The queue is full.
        """
        with self._lock:
            if self._held >= self._queue:
                raise BusyError(
                    self.name, self._held, max(1, math.ceil(self._held * self._seconds))
                )
            self._held += 1
        try:
            yield
        finally:
            with self._lock:
                self._held -= 1

    def submit(self, path: Path) -> "Future[Segmentation]":
        """Start the prediction of an image file as soon as the images before it are done; hold a place for it."""
        return self._thread.submit(self._timed, lambda: self.predictor.segment(path))

    def segment(self, path: Path) -> Segmentation:
        """Predict an image file.

        Raises:
            BusyError: The queue is full.
            DataError: The file cannot be decoded as the training images were.
        """
        with self.place():
            return self.submit(path).result()

    def label_map(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return the label map (H, W) of an RGB image (H, W, 3) that `prepare` wrote.

        Raises:
            BusyError: The queue of the model is full.
        """
        with self.place():
            work = self.predictor.segmenter.label_map
            return self._thread.submit(self._timed, lambda: work(image)).result()

    def _timed(self, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        try:
            return work()
        finally:
            self._seconds = 0.8 * self._seconds + 0.2 * (time.perf_counter() - start)


def load_models(references: Sequence[str], *, device: str | None, queue: int) -> list[ServedModel]:
    """Load models by their names: folders of bundles, or names of the registry.

    Args:
        references: Names that the user gave, one or more.
        device: One of cpu, cuda and cuda:N; None: CUDA if there is a GPU.
        queue: Most images of one model that are being predicted or wait.

    Raises:
        ParamsError: Two models have one name, a name or the device is not valid, or an exported file gives no
            probabilities.
        DataError: The registry does not have a version.
        BundleError: A bundle is missing, damaged or from another program.
        StoreError: MLflow is not installed or does not answer.
    """
    names = [public_name(reference) for reference in references]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ParamsError(
            f"--model: two models are called {shown(twice)}. Give each model once; folders of one name need "
            "different relative paths."
        )
    loaded = [load(reference, device=device) for reference in references]
    for predictor in loaded:
        require_probabilities(predictor.segmenter)
    return [
        ServedModel(name, predictor, queue=queue)
        for name, predictor in zip(names, loaded, strict=True)
    ]


def public_name(reference: str) -> str:
    """Return the name of a model for the interface, which shows no absolute path of this machine.

    Examples:
        >>> public_name("champion"), public_name("data/train/0"), public_name("/home/ann/set/data/train/0/")
        ('champion', 'data/train/0', 'train/0')
    """
    if is_registered(reference):
        return reference
    path = Path(reference)
    return Path(*path.parts[-2:]).as_posix() if path.is_absolute() else path.as_posix()
