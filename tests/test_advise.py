"""What to ask next, on the shipped model: rules first, kinds, costs, and the errors."""

from __future__ import annotations

from typing import Any

import pytest

import legdx
from legdx.model.vocabulary import KINDS

CASE = {"onset_speed": "acute", "ascending_weakness": True, "reflexes": "reduced_or_absent"}


@pytest.fixture
def ranking(model: Any) -> Any:
    return legdx.rank(CASE, setting="emergency", model=model)


def test_what_settles_an_open_emergency_rule_comes_first(ranking: Any) -> None:
    items = ranking.next_findings(200)
    settling = [bool(item.settles) for item in items]
    assert settling == sorted(settling, reverse=True)
    assert any(settling)
    still_open = {rule.id: rule for rule in ranking.red_flags.not_excluded}
    for item in items:
        for id in item.settles:
            assert still_open[id].urgency == "emergency"
            assert still_open[id].ask == (item.finding,)


def test_every_rule_that_one_finding_settles_is_settled_by_one_offered(ranking: Any) -> None:
    offered = {id for item in ranking.next_findings(200) for id in item.settles}
    alone = {r.id for r in ranking.red_flags.not_excluded if r.urgency == "emergency" and len(r.ask) == 1}
    assert offered == alone


def test_an_answer_to_a_finding_that_settles_makes_the_rule_fire(ranking: Any) -> None:
    for item in ranking.next_findings(5):
        for id in item.settles:
            fired = [
                {r.id for r in legdx.red_flags({**CASE, item.finding: o.state}, model=ranking.model).fired}
                for o in item.outcomes
            ]
            assert any(id in ids for ids in fired)


def test_without_rules_first_the_score_alone_orders(ranking: Any) -> None:
    items = ranking.next_findings(200, rules_first=False)
    scores = [item.score for item in items]
    assert scores == sorted(scores, reverse=True)
    assert not any(item.settles for item in items)


def test_cost_is_taken_from_the_value(ranking: Any) -> None:
    for item in ranking.next_findings(200, cost_weight=0.1):
        assert item.score == pytest.approx(item.value - 0.1 * item.cost, abs=1e-12)
        assert item.cost == ranking.model.findings[item.finding].cost
    free = ranking.next_findings(1, cost_weight=0.0, rules_first=False)[0]
    dear = ranking.next_findings(1, cost_weight=1.0, rules_first=False)[0]
    assert free.value >= dear.value
    assert dear.cost == 0


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_kinds_asked_for_are_offered(ranking: Any, kind: str) -> None:
    items = ranking.next_findings(200, kinds=[kind])
    assert items
    assert {item.kind for item in items} == {kind}


def test_the_best_question_separates_the_leading_causes(ranking: Any) -> None:
    best = ranking.next_findings(1, rules_first=False, cost_weight=0.0)[0]
    everything = ranking.next_findings(200, rules_first=False, cost_weight=0.0)
    assert best.value == max(item.value for item in everything)
    assert len({outcome.ranking[0][0] for outcome in best.outcomes}) > 1


def test_each_outcome_ranks_all_causes(ranking: Any) -> None:
    for item in ranking.next_findings(3):
        for outcome in item.outcomes:
            probabilities = [p for _, p in outcome.ranking]
            assert len(outcome.ranking) == len(ranking.model.causes)
            assert probabilities == sorted(probabilities, reverse=True)
            assert sum(probabilities) == pytest.approx(1.0, abs=1e-12)


def test_a_finding_known_in_part_may_still_be_asked_for(model: Any) -> None:
    unsure = legdx.rank({"reflexes": {"normal": 1, "reduced_or_absent": 0.9, "brisk": 0.9}}, model=model)
    sure = legdx.rank({"reflexes": "brisk"}, model=model)
    assert "reflexes" in [i.finding for i in unsure.next_findings(200, rules_first=False)]
    assert "reflexes" not in [i.finding for i in sure.next_findings(200, rules_first=False)]


def test_none_are_offered_where_none_are_wanted(ranking: Any) -> None:
    assert ranking.next_findings(0) == ()
    assert ranking.next_findings(kinds=[]) == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "entropie"}, r"no objective 'entropie'; did you mean 'entropy'\?"),
        ({"level": "organ"}, "no level 'organ'; use one of: cause, category, family"),
        ({"kinds": ["tests"]}, r"no kind of finding 'tests'; did you mean 'test'\?"),
    ],
)
def test_names_that_do_not_exist_are_errors(ranking: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(legdx.UnknownNameError, match=message):
        ranking.next_findings(**options)
