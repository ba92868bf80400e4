"""The rules for names are MLflow's own: what is accepted before the first stage is accepted by the last."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ocrnet.errors.mlflow_names import LONGEST_MODEL, experiment_fault, metric_name, model_fault
from pipelines._mlflow.promotion_ledger import ledger_name
from pipelines._mlflow.stage_points import clean_name

pytestmark = [pytest.mark.tools, pytest.mark.filterwarnings("ignore")]
NAMES = st.text(st.sampled_from("aZ09-_ .:/%\"'#é\\"), max_size=6)


def takes(check: str, name: str) -> bool:
    from mlflow.exceptions import MlflowException
    from mlflow.utils import validation

    try:
        getattr(validation, check)(name)
    except MlflowException:
        return False
    return True


@settings(deadline=None)  # the first call imports mlflow
@given(NAMES)
@example("")
@example(".")
@example("ocrnet-mine-v1.0")
def test_a_model_is_refused_exactly_where_mlflow_refuses_it(name: str) -> None:
    mlflow = takes("_validate_model_name", name) and takes("_validate_logged_model_name", name)
    assert (model_fault(name) is None) == mlflow


@given(NAMES.filter(lambda name: model_fault(name) is None))
def test_the_ledger_of_a_model_has_a_name_that_mlflow_takes(name: str) -> None:
    assert takes("_validate_model_name", ledger_name(name))


@given(NAMES)
def test_no_experiment_is_accepted_that_mlflow_refuses(name: str) -> None:
    assert takes("_validate_experiment_name", name) or experiment_fault(name) is not None
    assert (experiment_fault(name) is None) == bool(name.strip())


def test_what_the_tables_hold_is_the_limit() -> None:
    from mlflow.store.model_registry.dbmodels.models import SqlRegisteredModel

    longest = SqlRegisteredModel.__table__.c.name.type.length
    assert len(ledger_name("a" * LONGEST_MODEL)) == longest
    assert model_fault("a" * LONGEST_MODEL) is None
    assert model_fault("a" * (LONGEST_MODEL + 1)) is not None


@given(NAMES)
def test_classes_are_told_apart_as_the_metrics_are(name: str) -> None:
    if not {"", ".", ".."} & set(name.split("/")):
        assert clean_name(name) == metric_name(name)
