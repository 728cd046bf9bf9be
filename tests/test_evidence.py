"""What may be said of a person, and the exact words of each refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import legdx


def named(findings: Any) -> dict[str, object]:
    return legdx.rank(findings).evidence.named()


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ({"fever": "present"}, {"fever": "present"}),
        ({"fever": True}, {"fever": "present"}),
        ({"fever": False}, {"fever": "absent"}),
        ({"fever": np.True_}, {"fever": "present"}),
        ({"fever": " Present "}, {"fever": "present"}),
        ({"straight_leg_raise": True}, {"straight_leg_raise": "positive"}),
        ({"HP:0001945": True}, {"fever": "present"}),
        ({"hp:0001945": "absent"}, {"fever": "absent"}),
        ({"age": 30}, {"age_band": "young_adult"}),
        ({"age": 30, "age_band": "young_adult"}, {"age_band": "young_adult"}),
        ({"age_band": 75}, {"age_band": "elderly"}),
        ({"Age": np.int64(59)}, {"age_band": "middle_aged"}),
        ({"potassium": 2.6}, {"potassium": "low"}),
        ({"ABI": 0.7}, {"ankle_brachial_index": "reduced"}),
        ({"reflexes": None, "fever": float("nan"), "sex": np.float32("nan"), "tsh": pd.NA, "glucose": pd.NaT}, {}),
        ({"reflexes": {"normal": 0, "reduced_or_absent": 2, "brisk": 0}}, {"reflexes": "reduced_or_absent"}),
        ({"reflexes": {"normal": 2, "reduced_or_absent": 2, "brisk": 2}}, {}),
        ({"fever": {"absent": 1, "present": 4}}, {"fever": {"absent": 0.25, "present": 1.0}}),
    ],
)
def test_values_mean(said: dict[str, Any], means: dict[str, object]) -> None:
    assert named(said) == means


def test_a_code_of_one_state_rules_it_in_or_out() -> None:
    assert named({"HP:0001347": True}) == {"reflexes": "brisk"}
    out = named({"HP:0001347": False})["reflexes"]
    assert out == {"normal": 1.0, "reduced_or_absent": 1.0, "brisk": 0.0}


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"fevr": "present"}, "'fevr': no such finding; did you mean 'fever'?"),
        ({"foot_drop": "yes"}, "foot_drop: no state 'yes'; use one of: absent, present"),
        ({"foot_drop": "presnt"}, "foot_drop: no state 'presnt'; did you mean 'present'?"),
        ({"potassium": "2.6"}, "potassium: no state '2.6'; use one of: low, normal, high, or a number in mmol/L"),
        ({"reflexes": True}, "reflexes: True could mean several states; use one of: normal, reduced_or_absent, brisk"),
        ({"reflexes": 2}, "reflexes: takes no number: 2; use one of: normal, reduced_or_absent, brisk"),
        ({"age": 300}, "age: 300 is out of range; give years from 2 to 120, or one of: child, young_adult, "
                       "middle_aged, older_adult, elderly"),
        ({"potassium": float("inf")}, "potassium: inf is out of range; give mmol/L from 1 to 10, or one of: low, "
                                      "normal, high"),
        ({"age": 30, "age_band": "elderly"}, "age_band: contradiction: age = 30 and age_band = 'elderly'; "
                                             "keep the one that is right"),
        ({"foot_drop": ["present"]}, "foot_drop: a list is no value: ['present']; use one of: absent, present"),
        ({"fever": {"absent": 1}}, "fever: no likelihood for present; give a number for every state, 0 if ruled out"),
        ({"fever": {"absent": 0, "present": 0}}, "fever: every likelihood is 0; let one state at least be possible, "
                                                 "or leave the finding out"),
        ({"fever": {"absent": -1, "present": 1}}, "fever.absent: likelihood -1 is not legal; give 0 or more, finite"),
        ({"fever": {"absent": float("nan"), "present": 1}}, "fever.absent: likelihood nan is not legal; "
                                                            "give 0 or more, finite"),
        ({"fever": {"absent": True, "present": 1}}, "fever.absent: likelihood True is no number; give a number, "
                                                    "0 or more"),
        ({"fever": {"gone": 1, "present": 1}}, "fever.'gone': no such state; use one of: absent, present"),
        ({7: "present"}, "7: is not a name; use the finding's id, an alias or a code, as a text"),
        ({"HP:0001347": "brisk"}, "HP:0001347: 'brisk' is not clear: the code means reflexes = brisk; "
                                  "give True or False, or use reflexes with one of: normal, reduced_or_absent, brisk"),
    ],
)  # fmt: skip
def test_refusals_say_what_where_and_what_to_do(said: Any, fault: str) -> None:
    for ask in (legdx.rank, legdx.red_flags):
        with pytest.raises(legdx.EvidenceError) as caught:
            ask(said)
        assert str(caught.value) == f"the findings have 1 fault:\n  {fault}"


@pytest.mark.parametrize("said", [None, "fever", ["fever"], 3, {"fever"}, [("fever", "present")]])
def test_a_non_mapping_is_refused(said: Any) -> None:
    with pytest.raises(legdx.EvidenceShapeError) as caught:
        legdx.rank(said)
    assert str(caught.value) == (
        f"the findings have 1 fault:\n  findings: is a {type(said).__name__}, not a mapping; "
        'pass a dict such as {"fever": "present"}'
    )


def test_all_faults_are_reported_together_in_a_message_of_bounded_length() -> None:
    said = {f"nonsense{k}" + "x" * 10_000: "y" * 10_000 for k in range(500)}
    with pytest.raises(legdx.EvidenceError) as caught:
        legdx.rank(said | {"fever": "yes"})
    assert len(caught.value.faults) == 501
    assert len(str(caught.value)) < 10_000
    assert str(caught.value).endswith("and 481 more: see .faults")


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(legdx.UnknownNameError, match="no setting 'Emergency'; did you mean 'emergency'"):
        legdx.rank({}, setting="Emergency")


def test_errors_survive_pickling() -> None:
    import pickle

    for said in ({"fevr": 1}, None):
        with pytest.raises(legdx.EvidenceError) as caught:
            legdx.rank(said)  # type: ignore[arg-type]
        again = pickle.loads(pickle.dumps(caught.value))
        assert (type(again), str(again), again.faults) == (type(caught.value), str(caught.value), caught.value.faults)
