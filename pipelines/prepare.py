"""Stage `prepare`: write the canonical images and label maps, the manifest, the statistics and a preview."""

import logging
import shutil
import sys
from pathlib import Path

from pipelines._stage.stage import Stage, run_stage

logger = logging.getLogger(__name__)
VALIDATED = Path("data/validate")


def prepare(stage: Stage) -> None:
    """Turn the validated raw files into canonical ones, and refuse files that later stages would refuse.

    Raises:
        DataError: The files cannot be used.
        ParamsError: The params do not fit the files.
    """
    from ocrnet.data.instance_maps import INSTANCES, THINGS_FILE
    from ocrnet.data.manifest import ClassTable
    from ocrnet.preflight.later_stages import check_outlook
    from ocrnet.raw.prepare import prepare as prepare_files
    from ocrnet.raw.preview import write_preview
    from ocrnet.raw.scan import read_table
    from ocrnet.raw.sources import raw_roots

    params = stage.params
    table = read_table(VALIDATED / "table.csv", params.data)
    unlabelled = VALIDATED / "unlabelled.csv"
    for name in ("images", "label_maps", INSTANCES, "unlabelled"):
        shutil.rmtree(stage.out / name, ignore_errors=True)
    (stage.out / THINGS_FILE).unlink(missing_ok=True)
    data = params.data
    roots = raw_roots(data.source, Path(data.path), VALIDATED / "raw")
    manifest = prepare_files(
        table, params, roots=roots, out=stage.out,
        unlabelled=read_table(unlabelled, params.data) if unlabelled.exists() else None,
    )  # fmt: skip
    write_preview(stage.out, manifest, ClassTable.read(stage.out))
    for split, rows in manifest.groupby("split", sort=False):
        logger.info("prepare: %5d images in %s", len(rows), split)
    check_outlook(stage.out, params)


if __name__ == "__main__":
    sys.exit(run_stage(prepare, "prepare"))
