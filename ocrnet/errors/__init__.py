"""The errors a user can cause, each with the exit code that its stage ends with.

OcrnetError
  > ParamsError   params.yaml is wrong            exit 2
  > DataError     raw or prepared data is wrong   exit 3
  > BundleError   a model file cannot be used     exit 3
  > TrainError    training cannot go on           exit 1
  > RebuildError  a version cannot be made again  exit 3
  > StoreError    MLflow does not answer          exit 1
  > GateError     a promotion is refused          exit 4
  > ServerError   a server or its port is away    exit 75
  > MachineError  memory, a disk or a GPU failed  exit 75

A message names the place, what was found, what is allowed and what to do, in one line (`ParamsError` and `DataError`
may carry several such lines, one per finding).
"""


class OcrnetError(Exception):
    """Base of every error that is reported to the user in one line, without a traceback."""

    exit_code = 1


class ParamsError(OcrnetError, ValueError):
    """A parameter is unknown, out of range or contradicts another."""

    exit_code = 2


class DataError(OcrnetError, ValueError):
    """An image, a label map, a list or a table cannot be used as it is."""

    exit_code = 3


class BundleError(OcrnetError, RuntimeError):
    """A model bundle or a checkpoint is damaged, foreign or of another schema."""

    exit_code = 3


class TrainError(OcrnetError, RuntimeError):
    """Training reached a state from which it cannot continue, such as a loss that is not finite."""


class RebuildError(OcrnetError, RuntimeError):
    """The inputs of a registered version are missing or differ from those that the version states."""

    exit_code = 3


class StoreError(OcrnetError, RuntimeError):
    """MLflow is unreachable or answered a call with an error."""


class MachineError(OcrnetError, RuntimeError):
    """The machine failed: another one, or this one later, may succeed."""

    exit_code = 75


class GateError(OcrnetError, RuntimeError):
    """A promotion was refused."""

    exit_code = 4


class ServerError(OcrnetError, RuntimeError):
    """A server does not answer or its port is taken; later, or on another machine, it may work."""

    exit_code = 75
