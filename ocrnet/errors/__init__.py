"""The errors that are reported to the user, each with the exit code of the stage.

OcrnetError
  > ParamsError   params.yaml is wrong            exit 2
  > DataError     raw or prepared data is wrong   exit 3
  > BundleError   a model file cannot be used     exit 3
  > TrainError    training cannot continue        exit 1
  > RebuildError  a version cannot be rebuilt     exit 3
  > StoreError    MLflow does not answer          exit 1
  > GateError     a promotion is refused          exit 4
  > ServerError   a server is unreachable         exit 75
  > MachineError  memory, a disk or a GPU failed  exit 75

A message names the place, what was found, what is allowed and the cure, in one line (`ParamsError` and `DataError`
may have several such lines, one per finding).
"""


class OcrnetError(Exception):
    """Base class of errors that are reported to the user in one line, without a traceback."""

    exit_code = 1


class ParamsError(OcrnetError, ValueError):
    """A param is unknown, out of range or contradicts another param."""

    exit_code = 2


class DataError(OcrnetError, ValueError):
    """An image, a label map, a list or a table cannot be used."""

    exit_code = 3


class BundleError(OcrnetError, RuntimeError):
    """A bundle or a weights file is damaged, of another schema or from an unknown program."""

    exit_code = 3


class TrainError(OcrnetError, RuntimeError):
    """Training reached a state from which it cannot continue, such as a loss that is not finite."""


class RebuildError(OcrnetError, RuntimeError):
    """The inputs of a registered version are missing or differ from the inputs that the version records."""

    exit_code = 3


class StoreError(OcrnetError, RuntimeError):
    """MLflow is unreachable or answered a call with an error."""


class MachineError(OcrnetError, RuntimeError):
    """The machine failed; another machine, or this one later, may succeed."""

    exit_code = 75


class GateError(OcrnetError, RuntimeError):
    """A promotion was refused."""

    exit_code = 4


class ServerError(OcrnetError, RuntimeError):
    """A server is unreachable or its port is in use; later, or on another machine, it may work."""

    exit_code = 75
