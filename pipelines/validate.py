"""Stage `validate`: scan the raw images and label maps into one table and check it against the expectations.

It also checks all component names of the params, builds the segmenter, reads the files of weights, and compares the
crops with the images, so that no stage fails because of a typing error an hour later. Data Docs are written to
`.state/validate/docs`, not to the output, because they hold times.
"""

import sys

from ocrnet.preflight.names import check_component_names
from pipelines._stage.stage import Stage, run_stage


def validate(stage: Stage) -> None:
    """Scan and check the data, and write the findings.

    Raises:
        DataError: The data cannot be used; the message has a line per finding.
        ParamsError: The params name something that does not exist, or do not fit the data.
        BundleError: A file of weights in the params cannot be used.
    """
    check_component_names(stage.params)
    from pipelines._raw.check import check_raw_data, try_params  # `--help` does not need it

    table = check_raw_data(stage)
    try_params(table, stage.params)


if __name__ == "__main__":
    sys.exit(run_stage(validate, "validate"))
