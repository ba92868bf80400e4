"""The work of `publish`: send what was not sent, register the challenger, and report it in one line."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ocrnet.errors import DataError, MachineError, StoreError
from ocrnet.errors.machine import machine_error
from ocrnet.errors.mlflow_names import experiment_fault, model_fault
from pipelines._dvc_files.damaged_outputs import damage_of
from pipelines._dvc_files.lock import Entry, Lock, load_plain_yaml, read_lock
from pipelines._untrusted import registry_name

from .address import STATE, StoreAddress, find_address
from .challenger import Challenger, read_challenger
from .sent_record import Registered, Sent, load_sent, save_sent, still_there

if TYPE_CHECKING:
    from .client import Session

PARAMS_FILE = Path("params.yaml")
PUBLISH_LOCK = STATE / "publish.lock"
LONGEST_WAIT_S = 60.0
FAILURES = 2  # stages that may fail before the store counts as unreachable


def publish() -> int:
    """Send what was not sent and return the exit code; an unreachable store is no error, one that refuses is.

    Raises:
        OcrnetError: `dvc.lock`, `params.yaml` or `challenger.json` cannot be used.
    """
    target = find_address()
    experiment, model = _destination()
    for key, name in (("experiment", experiment), ("model_name", model)):
        registry_name(name, f"{PARAMS_FILE}: publish.{key}")
    lock = read_lock()
    challenger = read_challenger(lock)
    sent = load_sent(target, experiment)
    if _nothing_to_send(target, lock, challenger, sent, model):
        print(
            f"publish: nothing to send; {target.shown} holds {len(lock.entries)} runs of {experiment}"
        )
        return 0
    sending = Sending(target, experiment, model, lock)
    sending.run(challenger)
    sending.log_summary()
    return sending.exit_code


class Sending:
    """One pass over what a store does not hold; the next pass repeats what fails."""

    def __init__(self, target: StoreAddress, experiment: str, model: str, lock: Lock) -> None:
        self._target = target
        self._experiment = experiment
        self._model = model
        self._lock = lock
        self._known = load_sent(target, experiment)
        self._sent = Sent(challenger=self._known.challenger)
        self._done: list[str] = []
        self._unsent: list[str] = []
        self._reasons: list[str] = []
        self._damaged: list[str] = []
        self._refused: list[str] = []
        self._machine: MachineError | None = None

    def run(self, challenger: Challenger | None) -> None:
        """Send runs and register the challenger, as far as the store accepts them."""
        refusal = self._target.refusal()
        if refusal is not None:
            entries = self._lock.entries.values()
            self._unsent = [entry.name for entry in entries if entry.key not in self._known.runs]
            self._sent = self._known
            if not _is_registered(challenger, self._known.challenger, self._model):
                self._unsent.append(f"the challenger as {self._model}")
            self._reasons.append(refusal)
            return
        from .client import connect, held, outages

        try:
            with held(PUBLISH_LOCK, wait_s=LONGEST_WAIT_S):
                self._send_all(connect(self._target, self._experiment), challenger)
        except outages() as error:
            self._refuse(self._experiment, error)

    @property
    def exit_code(self) -> int:
        """Exit code of a refusal, of damaged outputs or of a failed machine; else 0, also for an unreachable store."""
        if self._machine is not None:
            return self._machine.exit_code
        if self._damaged:
            return DataError.exit_code
        return StoreError.exit_code if self._refused else 0

    def log_summary(self) -> None:
        """Print what was sent, and a line for each reason why something was not."""
        names = ", ".join(self._done) or "nothing new"
        print(f"publish: sent {names} to {self._target.shown}, experiment {self._experiment}")
        if self._unsent:
            print(
                f"publish: not sent: {', '.join(self._unsent)}: {self._target.shown}: {'; '.join(self._reasons)}. "
                "Nothing is lost: the next `dvc repro` or `python -m pipelines.publish` sends it.",
                file=sys.stderr,
            )
        for line in self._refused:
            print(f"publish: {line}", file=sys.stderr)
        if self._machine is not None:
            print(f"publish: {self._target.redact(str(self._machine))}", file=sys.stderr)
        for line in self._damaged:
            print(f"publish: {line}", file=sys.stderr)

    def _send_all(self, session: "Session", challenger: Challenger | None) -> None:
        from pipelines._stage.commit import git_tags

        from .follow import stop_follower

        git = git_tags()
        self._sent.experiment_id = session.experiment_id
        for entry in self._lock.entries.values():
            if len(self._reasons) + len(self._refused) >= FAILURES:
                self._unsent.append(entry.name)
                continue
            stop_follower(entry.name)
            self._send_one(session, entry, git)
        if challenger is not None:
            self._register(session, challenger, git)
        save_sent(self._target, self._experiment, self._merged())

    def _send_one(self, session: "Session", entry: Entry, git: dict[str, str]) -> None:
        from .client import outages
        from .runs import find_sent, send_stage

        try:
            run_id = find_sent(session, entry)
            if run_id is None:
                if damage := damage_of(entry):
                    self._damaged.append(f"{entry.name}: not sent: {damage}")
                    return
                run_id = send_stage(session, entry, self._lock, git)
                self._done.append(entry.name)
        except outages() as error:
            self._refuse(entry.name, error)
            return
        self._sent.runs[entry.key] = run_id

    def _register(self, session: "Session", challenger: Challenger, git: dict[str, str]) -> None:
        from .client import outages
        from .registry import register

        what = f"the challenger as {self._model}"
        run_id = self._sent.runs.get(challenger.entry.key)
        if damage := challenger.damage():
            self._damaged.append(f"{what}: not registered: {damage}")
            return
        if run_id is None or challenger.evaluation.key not in self._sent.runs:
            self._unsent.append(what)
            return
        try:
            done = register(
                session, challenger, self._lock, run_id=run_id, model=self._model, git=git
            )
        except outages() as error:
            self._refuse(what, error)
            return
        if done != self._known.challenger:
            self._done.append(f"{self._model} version {done.version} (alias challenger)")
        self._sent.challenger = done

    def _refuse(self, what: str, error: Exception) -> None:
        """Note what ended a call: a final refusal, the machine, or an unreachable store."""
        from .client import is_final

        reason = self._reason(error)
        if is_final(error):
            self._refused.append(
                f"{what}: {self._target.shown} refuses it: {reason}. It will not take it later either: set another "
                "publish.experiment or publish.model_name, or ask for the permission. What was to be sent is kept."
            )
            return
        if self._target.sqlite_file is not None:
            self._machine = machine_error(error)
        self._unsent.append(what)
        self._reasons.append(reason)

    def _reason(self, error: Exception) -> str:
        text = self._target.redact(str(error))
        return text if len(text) <= 300 else f"{text[:300]} ..."

    def _merged(self) -> Sent:
        """Return the new record: runs of other params stay in it, so that going back to them is quick."""
        runs = {**self._known.runs, **self._sent.runs}
        return replace(self._sent, runs=runs)


def _destination() -> tuple[str, str]:
    """Return experiment and model name; valid ones are read without pydantic, which saves a quarter of a second.

    Raises:
        ParamsError: the file or a name is wrong.
    """
    try:
        section = load_plain_yaml(PARAMS_FILE.read_bytes(), PARAMS_FILE)["publish"]
        experiment, model = section["experiment"], section["model_name"]
        if experiment_fault(experiment) is None and model_fault(model) is None:
            return experiment, model
    except (OSError, DataError, KeyError, TypeError, AttributeError):
        pass
    from ocrnet.config.params_file import load_params

    params = load_params(PARAMS_FILE).publish
    return params.experiment, params.model_name


def _nothing_to_send(
    target: StoreAddress, lock: Lock, challenger: Challenger | None, sent: Sent, model: str
) -> bool:
    keys = {entry.key for entry in lock.entries.values()}
    if not keys <= sent.runs.keys() or not _is_registered(challenger, sent.challenger, model):
        return False
    runs = [sent.runs[key] for key in keys]
    there = still_there(target, sent if challenger else replace(sent, challenger=None), runs)
    if there is None:  # nothing can be sent to an unreachable server, whatever it holds
        return target.is_http and target.refusal() is not None
    return there


def _is_registered(challenger: Challenger | None, done: Registered | None, model: str) -> bool:
    if challenger is None:
        return True
    return done is not None and done == challenger.registered(model, done.version)
