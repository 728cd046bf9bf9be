"""Laws of the evaluator, each under its name, on small random rule sets and on the shipped rules."""

from __future__ import annotations

import tomllib
from itertools import combinations, permutations, product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from make_cases import MODEL
from rule_strategies import URGENCIES, compiled, conditions, holds, rule, situations, verdict, vocabulary

import legdx
from legdx.evidence import parse_evidence
from legdx.loaded import load_rules
from legdx.redflags import RedFlags, RuleSet

SHIPPED = load_rules()
WRITTEN = tomllib.loads((MODEL / "red_flags.toml").read_text(encoding="utf-8"))["rule"]
WITH_EXCEPTION = [r for r in WRITTEN if "unless" in r]
STATES = {f.id: f.states for f in SHIPPED.vocabulary.findings}
SAID = st.lists(
    st.sampled_from(sorted(STATES)).flatmap(lambda f: st.sampled_from([(f, s) for s in STATES[f]])), max_size=20
).map(dict)


def flags_of(rules: RuleSet, said: dict[str, Any]) -> RedFlags:
    return rules.evaluate(parse_evidence(rules.vocabulary, said))


def verdicts(rules: RuleSet, said: dict[str, Any]) -> dict[str, str]:
    flags = flags_of(rules, said)
    values = {r.id: "excluded" for r in rules.rules}
    values |= {r.id: "open" for r in flags.not_excluded}
    return values | {r.id: "fired" for r in flags.fired}


@given(situations())
def test_the_evaluator_agrees_with_all_completions(situation):
    states, rules, said = situation
    expected = {r["id"]: verdict(r, states, said) for r in rules}
    assert verdicts(compiled(vocabulary(states), *rules), said) == expected


@given(situations())
def test_the_urgency_is_that_of_the_most_urgent_fired_rule(situation):
    states, rules, said = situation
    fired = [r["urgency"] for r in rules if verdict(r, states, said) == "fired"]
    expected = next((u for u in URGENCIES if u in fired), "routine")
    assert flags_of(compiled(vocabulary(states), *rules), said).urgency == expected


@given(situations())
def test_ask_names_the_fewest_findings_that_could_still_fire_the_rule(situation):
    states, rules, said = situation
    written = {r["id"]: r for r in rules}
    for open_rule in flags_of(compiled(vocabulary(states), *rules), said).not_excluded:
        one = written[open_rule.id]

        def could_fire(asked: tuple[str, ...], one: dict[str, Any] = one) -> bool:
            answers = product(*(states[f] for f in asked))
            return any(verdict(one, states, said | dict(zip(asked, a, strict=True))) == "fired" for a in answers)

        unknown = [f for f in states if f not in said]
        fewest = next(n for n in range(1, 5) if any(could_fire(c) for c in combinations(unknown, n)))
        assert len(open_rule.ask) == fewest
        assert could_fire(open_rule.ask)


@given(situations())
def test_because_names_findings_that_suffice(situation):
    states, rules, said = situation
    written = {r["id"]: r for r in rules}
    for fired in flags_of(compiled(vocabulary(states), *rules), said).fired:
        assert verdict(written[fired.id], states, {f: said[f] for f in fired.because}) == "fired"


@given(situations())
def test_some_answers_to_the_questions_settle_every_rule(situation):
    states, rules, said = situation
    rule_set = compiled(vocabulary(states), *rules)
    flags = flags_of(rule_set, said)
    asked = [question.finding for question in flags.questions(99)]
    assert len(set(asked)) == len(asked)
    assert not set(asked) & set(said)
    answers = (dict(zip(asked, values, strict=True)) for values in product(*(states[f] for f in asked)))
    assert any("open" not in verdicts(rule_set, said | a).values() for a in answers)
    still_open = {r.id for r in flags.not_excluded}
    assert all(set(question.rules) <= still_open and question.rules for question in flags.questions(99))


@given(situations(), st.data())
def test_what_fired_stays_fired_and_what_is_excluded_stays_excluded(situation, data):
    states, rules, said = situation
    rule_set = compiled(vocabulary(states), *rules)
    before = verdicts(rule_set, said)
    more = said | {f: data.draw(st.sampled_from(v)) for f, v in states.items() if f not in said}
    after = verdicts(rule_set, more)
    excepted = {r["id"] for r in rules if "unless" in r and holds(r["unless"], more)}
    assert all(after[r] == value for r, value in before.items() if value != "open" and r not in excepted)
    assert all(after[r] == "excluded" for r in excepted)


@given(situations())
def test_the_order_of_findings_and_of_rules_does_not_matter(situation):
    states, rules, said = situation
    read = vocabulary(states)
    expected = verdicts(compiled(read, *rules), said)
    for order in list(permutations(rules))[:6]:
        assert verdicts(compiled(read, *order), dict(reversed(said.items()))) == expected


@given(SAID)
def test_the_same_findings_give_the_same_flags_in_any_order(said):
    flags = legdx.red_flags(said)
    assert legdx.red_flags(dict(reversed(said.items()))).to_dict() == flags.to_dict()
    assert legdx.red_flags(said).questions(5) == flags.questions(5)


@given(SAID, st.data())
def test_one_finding_more_never_lowers_the_urgency(said, data):
    finding = data.draw(st.sampled_from(sorted(set(STATES) - set(said))))
    state = data.draw(st.sampled_from(STATES[finding]))
    before, after = legdx.red_flags(said), legdx.red_flags({**said, finding: state})
    order = (*URGENCIES, "routine")
    excepted = {r["id"] for r in WITH_EXCEPTION if holds(r["unless"], {**said, finding: state})}
    assert {r.id for r in before.fired} - excepted <= {r.id for r in after.fired}
    if not excepted:
        assert order.index(after.urgency) <= order.index(before.urgency)
    undecided = {r.id for r in before.not_excluded} | {r.id for r in before.fired}
    assert {r.id for r in after.fired} | {r.id for r in after.not_excluded} <= undecided


@given(situations(), st.data())
def test_only_certain_virtual_evidence_settles_a_condition(situation, data):
    states, rules, said = situation
    rule_set = compiled(vocabulary(states), *rules)
    certain = {f: {s: float(s == state) for s in states[f]} for f, state in said.items()}
    assert verdicts(rule_set, certain) == verdicts(rule_set, said)
    if not said:
        return
    finding = data.draw(st.sampled_from(sorted(said)))
    unsure = {s: 1.0 if s == said[finding] else 1e-9 for s in states[finding]}
    without = {f: s for f, s in said.items() if f != finding}
    assert verdicts(rule_set, {**said, finding: unsure}) == verdicts(rule_set, without)


@given(st.data())
def test_a_condition_means_the_same_however_it_is_written(data):
    states = {"a": ("v0", "v1", "v2"), "b": ("v0", "v1"), "c": ("v0", "v1", "v2")}
    one, two = data.draw(conditions(states)), data.draw(conditions(states))
    same = all(
        holds(one, case) == holds(two, case)
        for case in (dict(zip(states, values, strict=True)) for values in product(*states.values()))
    )
    first, second = compiled(vocabulary(states), rule(one, "one"), rule(two, "two")).rules
    assert (set(map(_frozen, first.terms)) == set(map(_frozen, second.terms))) == same


def _frozen(term: Any) -> frozenset[Any]:
    return frozenset(term.items())


def test_a_finding_that_occurs_twice_is_judged_exactly():
    states = {"x": ("a", "b"), "y": ("no", "yes")}
    either = {"any": [{"all": [{"x": ["a"]}, {"y": ["yes"]}]}, {"all": [{"x": ["b"]}, {"y": ["yes"]}]}]}
    never = {"all": [{"x": ["a"]}, {"any": [{"x": ["b"]}, {"y": ["yes"]}]}]}
    rules = compiled(vocabulary(states), rule(either, "either"), rule(never, "never"))
    assert verdicts(rules, {"y": "yes"})["either"] == "fired"
    assert flags_of(rules, {}).not_excluded[0].ask == ("y",)
    assert verdicts(rules, {"y": "no"})["never"] == "excluded"


def test_the_first_question_is_the_one_that_settles_most():
    states = {"slow": ("no", "yes"), "quick": ("no", "yes"), "both": ("no", "yes")}
    rules = compiled(
        vocabulary(states),
        rule({"all": [{"both": ["yes"]}, {"slow": ["yes"]}]}, "later", "soon"),
        rule({"all": [{"both": ["yes"]}, {"slow": ["yes"]}]}, "one"),
        rule({"all": [{"both": ["yes"]}, {"quick": ["yes"]}]}, "two"),
    )
    (question,) = flags_of(rules, {}).questions(10)
    assert (question.finding, question.question, question.rules) == ("both", "both?", ("one", "two", "later"))


def test_the_empty_case_is_a_screening_list():
    flags = legdx.red_flags({})
    assert flags.urgency == "routine"
    assert flags.fired == ()
    assert [r.id for r in flags.not_excluded][:3] == [
        "sudden_one_sided_weakness",
        "acute_brain_signs",
        "confusion_or_seizure",
    ]
    assert len(flags.not_excluded) == len(SHIPPED.rules)
    assert all(r.ask for r in flags.not_excluded)
    assert flags.questions(1)[0].finding == "onset_speed"
    assert len(flags.questions(12)) == 12
    assert flags.questions(0) == ()


def test_no_condition_waits_for_something_to_be_absent():
    calm = {"absent", "none", "normal", "negative", "flexor", "stable", "improving"}
    for shipped in SHIPPED.rules:
        for clause in shipped.clauses:
            for i, numbers in clause.items():
                named = {SHIPPED.vocabulary.findings[i].states[s] for s in numbers}
                assert not named & calm, (shipped.id, named)


def test_an_exception_counts_only_once_it_is_said():
    assert legdx.red_flags({"dyspnea": True}).urgency == "emergency"
    assert legdx.red_flags({"dyspnea": True, "onset_speed": "chronic"}).urgency == "emergency"
    lasting = {"dyspnea": True, "onset_speed": "chronic", "course": "stable"}
    flags = legdx.red_flags(lasting)
    assert "trouble_breathing" not in {r.id for r in (*flags.fired, *flags.not_excluded)}
    assert legdx.red_flags({**lasting, "course": "progressive"}).urgency == "emergency"
    assert legdx.red_flags({**lasting, "chest_pain": True}).urgency == "emergency"


def test_no_rule_waits_for_measured_weakness():
    for shipped in SHIPPED.rules:
        measured = SHIPPED.vocabulary.index["objective_weakness"]
        assert all(set(clause) != {measured} for clause in shipped.clauses), shipped.id


def test_the_questions_after_a_reassuring_history_turn_to_tests():
    asked = [q.finding for q in legdx.red_flags({"onset_speed": "chronic"}).questions(200)]
    assert "onset_speed" not in asked
    assert asked.index("saddle_numbness") < asked.index("spine_mri")
