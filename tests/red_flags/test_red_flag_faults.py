"""What is wrong with a rule file is said exactly: where, what, and what to do."""

from __future__ import annotations

from typing import Any

import pytest
from rule_strategies import rule, vocabulary

from legdx.model.fields import Faults
from legdx.redflags import check_rules, read_rules

READ = vocabulary({"pain": ("absent", "present"), "onset": ("sudden", "acute", "chronic")})
RULE = "red_flags.toml: rule "
SOUND = rule({"all": [{"pain": ["present"]}, {"onset": ["sudden"]}]})


def changed(**changes: Any) -> dict[str, Any]:
    return {"rule": [{**SOUND, **changes}]}


def lacking(key: str) -> dict[str, Any]:
    return {"rule": [{k: v for k, v in SOUND.items() if k != key}]}


MANY = [{"pain": ["present"]}] * 16


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"rules": []}, "red_flags.toml: rules: is an unknown key; did you mean 'rule'?"),
        ({"rule": {}}, RULE + "is not a list of tables; write each rule under [[rule]]"),
        ({"rule": ["r"]}, RULE + "1: is a text, not a table; write it as a TOML table"),
        (lacking("id"), RULE + "1.id: is missing; add it: a text in quotes that is not empty"),
        (lacking("when"), RULE + "r.when: is missing; add this table"),
        (lacking("action"), RULE + "r.action: is missing; add it: a text in quotes that is not empty"),
        (changed(urgency="now"), RULE + "r.urgency: no 'now' here; use one of: emergency, same_day, soon"),
        (
            changed(urgency="routine"),
            RULE + "r.urgency: no 'routine' here; use one of: emergency, same_day, soon",
        ),
        (changed(probability=0.1), RULE + "r.probability: is an unknown key; use one of: id, label, "
         "urgency, suspected, action, source, when, unless"),
        (changed(suspected="c"), RULE + "r.suspected: is a text: 'c'; write a list of texts, such as "
         '["one", "two"]'),
        (changed(when={"pane": ["present"]}), RULE + "r.when.pane: no such finding; did you mean 'pain'?"),
        (
            changed(when={"pain": ["presnt"]}),
            RULE + "r.when.pain: no state 'presnt'; did you mean 'present'?",
        ),
        (
            changed(when={"pain": []}),
            RULE + "r.when.pain: names no state, or all of them; name the states that count",
        ),
        (
            changed(when={"pain": ["absent", "present"]}),
            RULE + "r.when.pain: names no state, or all of them; name the states that count",
        ),
        (changed(when={"pain": "present"}), RULE + "r.when.pain: is a text: 'present'; write a list of "
         'texts, such as ["one", "two"]'),
        (
            changed(when={"all": []}),
            RULE + "r.when.all: is not a list of conditions; write { all = [ { finding = [states] }, ... ] }",
        ),
        (
            changed(when={"any": [{"onset": ["sudden"]}, {"pain": ["gone"]}]}),
            RULE + "r.when.any[1].pain: no state 'gone'; use one of: absent, present",
        ),
        (
            changed(when={"pain": ["present"], "onset": ["sudden"]}),
            RULE + "r.when.: has the keys ['pain', 'onset']; give one: all, any, at_least with of, or a "
            "finding",
        ),
        (
            changed(when={}),
            RULE + "r.when.: has the keys []; give one: all, any, at_least with of, or a finding",
        ),
        (
            changed(when={"at_least": 3, "of": [{"pain": ["present"]}, {"onset": ["sudden"]}]}),
            RULE + "r.when.at_least: is 3 of 2; give 1 to 2",
        ),
        (
            changed(when={"at_least": 0, "of": [{"pain": ["present"]}]}),
            RULE + "r.when.at_least: is 0 of 1; give 1 to 1",
        ),
        (
            changed(when={"at_least": 0.5, "of": [{"pain": ["present"]}]}),
            RULE + "r.when.at_least: is a number: 0.5; write a whole number, 0 or more",
        ),
        (
            changed(when={"at_least": 8, "of": MANY}),
            RULE + "r.when.of: branches too much; split it into several rules",
        ),
        (
            changed(when={"any": [{"all": [{"pain": ["present"]}, {"onset": ["sudden"]}]}] * 12}),
            RULE + "r.when.: branches too much; split it into several rules",
        ),
    ],
)  # fmt: skip
def test_a_fault_of_shape_is_named(document, expected):
    faults = Faults()
    read_rules(document, READ, faults)
    assert expected in [str(fault) for fault in faults.found]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([{**SOUND, "suspected": ["strok"]}], RULE + "r.suspected: no 'strok'; did you mean 'stroke'?"),
        ([{**SOUND, "suspected": []}], RULE + "r.suspected: names none; name one at least"),
        ([{**SOUND, "source": ["t"]}], RULE + "r.source: no 't'; use one of: s"),
        ([{**SOUND, "source": []}], RULE + "r.source: names none; name one at least"),
        (
            [rule({"all": [{"onset": ["sudden"]}, {"onset": ["acute"]}]})],
            RULE + "r.when: can never hold; mend the condition",
        ),
        (
            [rule({"any": [{"onset": ["sudden", "acute"]}, {"onset": ["chronic"]}]})],
            RULE + "r.when: always holds; mend the condition",
        ),
        (
            [rule({"pain": ["present"]}, unless={"all": [{"onset": ["sudden"]}, {"onset": ["acute"]}]})],
            RULE + "r.unless: can never hold; mend the condition",
        ),
        (
            [rule({"pain": ["present"]}, unless={"any": [{"onset": ["sudden", "acute"]}, {"onset": ["chronic"]}]})],
            RULE + "r.unless: always holds; mend the condition",
        ),
        (
            [rule({"onset": ["sudden"]}, unless={"onset": ["sudden", "acute"]})],
            RULE + "r.unless: names a finding of `when`; say it in `when`",
        ),
        ([SOUND, {**SOUND, "when": {"pain": ["present"]}}], RULE + "r: has the id of rule r; take one out"),
        (
            [SOUND, rule({"all": [{"onset": ["sudden"]}, {"pain": ["present"]}, {"pain": ["present"]}]}, id="other")],
            RULE + "other: has the condition of rule r; take one out",
        ),
        (
            [
                rule({"onset": ["sudden", "acute"]}),
                rule({"any": [{"onset": ["acute"]}, {"all": [{"onset": ["sudden"]}, {"any": [{"pain": ["absent"]},
                 {"pain": ["present"]}]}]}]}, id="other"),
            ],
            RULE + "other: has the condition of rule r; take one out",
        ),
    ],
)  # fmt: skip
def test_a_fault_of_meaning_is_named(rules, expected):
    faults = Faults()
    rule_set = read_rules({"rule": rules}, READ, faults)
    assert not faults.found, faults.found
    assert expected in [str(fault) for fault in check_rules(rule_set, ["stroke", "c"], ["s"])]


def test_all_faults_of_a_file_are_reported_together():
    faults = Faults()
    read_rules({"rule": [{**SOUND, "urgency": "x", "hint": 1}, rule({"pane": ["present"]}, id="two")]}, READ, faults)
    assert [fault.where for fault in faults.found] == [
        RULE + "r.urgency",
        RULE + "r.hint",
        RULE + "two.when.pane",
    ]


def test_a_sound_rule_has_no_fault():
    faults = Faults()
    assert check_rules(read_rules({"rule": [SOUND]}, READ, faults), ["c"], ["s"]) == []
    assert faults.found == []
