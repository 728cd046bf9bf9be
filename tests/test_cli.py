"""The command line: what it prints, and how it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from legdx.cli import main

EXAMPLES = sorted((Path(__file__).parents[1] / "docs" / "examples").glob("*.json"))
ASCENDING = Path(__file__).parents[1] / "docs" / "examples" / "ascending_weakness.json"


def test_rank_prints_red_flags_first_then_the_differential(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rank", str(ASCENDING)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("EMERGENCY until proven otherwise\n")
    assert out.index("because:") < out.index("Ranked causes")
    first = out[out.index("Ranked causes") :].splitlines()[1]
    assert first.split()[:2] == ["1.", "Guillain-Barre"]
    assert "no substitute for a clinician" in out


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_every_example_ranks(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rank", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "legdx-ranking/1"
    assert sum(cause["probability"] for cause in document["causes"]) == pytest.approx(1.0)


def test_red_flags_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["red-flags", str(ASCENDING)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("EMERGENCY")
    assert "Ranked" not in out


def test_top_limits_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rank", str(ASCENDING), "--top", "2"]) == 0
    out = capsys.readouterr().out
    assert " 2. " in out
    assert " 3. " not in out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", 'has no "findings"'),
        ('{"setting": "emergency"}', 'has no "findings"'),
        ('{"findings": {}, "finding": {}}', "unknown key 'finding'"),
        ('{"findings": {"fever": true, "fever": false}}', "the key 'fever' stands twice"),
        ('{"findings": []}', "findings: is a list, not a mapping"),
        ('{"findings": {"fevr": true}}', "no such finding; did you mean 'fever'?"),
        ('{"findings": {}, "setting": "home"}', "no setting 'home'"),
    ],
)
def test_bad_input_says_what_where_and_what_to_do(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "case.json"
    file.write_text(text)
    assert main(["rank", str(file)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err


def test_findings_are_listed_and_searched(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["findings", "pins and needles"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("numbness_or_tingling: absent | present\n")
    assert main(["findings"]) == 0
    assert capsys.readouterr().out.count("\n") == 2 * 162


def test_a_missing_file_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rank", "nowhere.json"]) == 2
    assert "nowhere.json: cannot be read" in capsys.readouterr().err


def test_export_writes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "legs.bif"
    assert main(["model", "export", "--format", "bif", str(out)]) == 0
    assert out.read_text().startswith("network")


def test_standard_input_and_the_console_script() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "legdx.cli", "rank", "-", "--top", "1"],
        input='{"findings": {"saddle_numbness": true}}',
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("EMERGENCY")
    assert done.stderr == ""
