"""Objects of one model by three ways: `python -m benchmarks.object_rivals data/train/0 --min-object-area 10`.

Its heads (connected components without any), connected components and a watershed, all of the same probabilities on
the same images. A semantic model and one with heads are two calls.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.watershed import watershed_objects
from ocrnet.evaluation.scored_split import TestSplit, read_test_split
from ocrnet.inference.predict import Segmenter, load_segmenter
from ocrnet.objects.grouping import find_objects
from ocrnet.objects.matching import compare_objects
from ocrnet.objects.object_map import ObjectMap, predicted_components
from ocrnet.objects.summary import ObjectTally

Way = Callable[[np.ndarray, np.ndarray], ObjectMap]
HEADS, COMPONENTS, WATERSHED = "heads", "components", "watershed"  # the ways to objects
COLUMNS = ("ap50", "ap", "pq", "count_error")


def main() -> None:
    """Score each way and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, default=Path("data/prepare"))
    parser.add_argument("--split", choices=("val", "test"), default="test")
    parser.add_argument("--min-object-area", type=int, default=1)
    given = parser.parse_args()
    split = read_test_split(given.data, split=given.split)
    segmenter = load_segmenter(given.bundle)
    tallies = score_ways(split, segmenter, min_area=given.min_object_area)
    print("| objects by | AP50 | AP | PQ | error of the count | found | false |")
    print("|---|---|---|---|---|---|---|")
    for name, tally in tallies.items():
        print(row_of(name, tally), flush=True)


def ways_of(segmenter: Segmenter, things: Sequence[int], *, min_area: int) -> dict[str, Way]:
    """Return the ways from an image and its probabilities to objects, by name."""
    return {
        HEADS: lambda image, values: find_objects(
            segmenter, image, values, things, min_area=min_area
        ),
        COMPONENTS: lambda _, values: predicted_components(values, things, min_area=min_area),
        WATERSHED: lambda _, values: watershed_objects(values, things, min_area=min_area),
    }


def score_ways(split: TestSplit, segmenter: Segmenter, *, min_area: int) -> dict[str, ObjectTally]:
    """Return the matchings of each way over a split."""
    things = split.thing_ids
    ways = ways_of(segmenter, things, min_area=min_area)
    found: dict[str, list[Any]] = {name: [] for name in ways}
    for index, (image, truth) in enumerate(split.images()):
        probabilities = segmenter.probabilities(image)
        true, ignored = split.true_objects(index, truth), truth == split.classes.ignore_index
        for name, way in ways.items():
            objects = way(image, probabilities)
            found[name].append(compare_objects(objects, true, ignored=ignored, things=things))
    return {name: ObjectTally(tuple(images)) for name, images in found.items()}


def row_of(name: str, tally: ObjectTally) -> str:
    """Return a row of the table."""
    summary, sizes = tally.summary, tally.sizes.values()
    shares = [f"{100 * summary[key]:.1f} %" for key in COLUMNS[:3]]
    counts = [str(sum(one[kind] for one in sizes)) for kind in ("found", "false")]
    return "| " + " | ".join([name, *shares, f"{summary['count_error']:.1f}", *counts]) + " |"


if __name__ == "__main__":
    main()
