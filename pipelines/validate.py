"""Scan the raw images and label maps into one table and check it against the expectations.

It also checks all component names of the params, builds the segmenter, reads the files of weights, and compares the
crops with the images, so that no stage fails for a typing error an hour later. The pages of Data Docs are written to
`.state/validate/docs` and not to the output, because they hold times.
"""

import sys

from ocrnet.preflight.names import check_component_names
from pipelines._stage.run import Stage, run_stage


def validate(stage: Stage) -> None:
    """Scan and check the data, and write the findings.

    Raises:
        DataError: the data cannot be used; the message has a line per finding.
        ParamsError: the params name something that does not exist, or do not fit the data.
        BundleError: a file of weights in the params cannot be used.
    """
    check_component_names(stage.params)
    from pipelines._raw.check import check_raw_data, try_params  # not for `--help`

    table = check_raw_data(stage)
    try_params(table, stage.params)


if __name__ == "__main__":
    sys.exit(run_stage(validate, "validate"))
