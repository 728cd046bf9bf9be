"""Is a red-flag check of 15 findings quick enough to run on every keystroke, and how does it compare with a ranking?

Prints the time of one `legdx.red_flags` (reading the findings included), of one `legdx.rank` of the same findings in
the same run, and their ratio. The aim is under 30 microseconds and well under the time of a ranking.
"""

from __future__ import annotations

import timeit

import legdx

AIM_MICROSECONDS = 30.0
FINDINGS = {
    "age_band": "older_adult", "sex": "male", "diabetes": "present", "cardiovascular_risk": "present",
    "onset_speed": "subacute", "course": "progressive", "laterality": "bilateral_symmetric",
    "weakness_extent": "legs_only", "low_back_pain": "present", "numbness_or_tingling": "present",
    "saddle_numbness": "absent", "bladder_change": "none", "fever": "absent", "reflexes": "reduced_or_absent",
    "potassium": "normal",
}  # fmt: skip


def microseconds(function: object, number: int, rounds: int = 15) -> float:
    """The time of one call in the best of some rounds: what the code takes, not what else the machine was doing."""
    return min(timeit.repeat(function, number=number, repeat=rounds)) / number * 1e6  # type: ignore[arg-type]


def main() -> None:
    assert len(FINDINGS) == 15
    assert legdx.red_flags(FINDINGS).urgency == legdx.rank(FINDINGS).urgency
    flags = microseconds(lambda: legdx.red_flags(FINDINGS), 2000)
    urgency = microseconds(lambda: legdx.red_flags(FINDINGS).urgency, 2000)
    everything = microseconds(lambda: legdx.red_flags(FINDINGS).to_dict(), 50)
    rank = microseconds(lambda: legdx.rank(FINDINGS), 200)
    for what, time in (
        ("red_flags()", flags),
        ("red_flags().urgency", urgency),
        ("red_flags().to_dict()", everything),
        ("rank()", rank),
    ):
        print(f"{what:<22} {time:8.1f} microseconds, {time / rank:6.3f} of a ranking")
    print(f"aim for red_flags(): {AIM_MICROSECONDS:g} microseconds, {'kept' if flags < AIM_MICROSECONDS else 'missed'}")


if __name__ == "__main__":
    main()
