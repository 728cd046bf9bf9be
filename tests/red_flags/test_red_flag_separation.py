"""The rules stand alone: standard library only, whatever the state of the network, and nothing lowers what they say."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from make_cases import MODEL

import legdx
from legdx.render.text import ranking_text

PACKAGE = Path(legdx.__file__).parent
CASES = (Path(__file__).parent.parent / "validation" / "cases.jsonl").read_text(encoding="utf-8").splitlines()

WITHOUT = """
import sys
from pathlib import Path

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("numpy", "pandas", "pgmpy", "scipy", "matplotlib"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import legdx
import legdx.model.store as store

store.default_folder = lambda: Path({folder!r})
flags = legdx.red_flags({{"saddle_numbness": True, "fever": False}})
print(flags.urgency, flags.fired[0].id, len(flags.not_excluded) > 50, flags.questions(1)[0].finding)
inside = sorted(name for name in sys.modules if name.startswith("legdx.inference"))
print(inside, "numpy" in sys.modules)
"""


def answer_without_numpy(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(folder=str(folder))],
        capture_output=True,
        text=True,
        check=False,
        cwd=PACKAGE.parent,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def copied(tmp_path):
    folder = tmp_path / "leg_weakness"
    shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns(".legdx_cache"))
    return folder


EXPECTED = "emergency saddle_numbness True onset_speed\n[] False\n"


def test_red_flags_answer_without_numpy_and_pgmpy(copied):
    assert answer_without_numpy(copied) == EXPECTED


@pytest.mark.parametrize("damage", ["causes/stroke.toml", "mechanisms.toml", "manifest.toml", "sources.toml"])
def test_red_flags_answer_with_a_damaged_network(copied, damage):
    (copied / damage).write_text("[[[ this is no TOML", encoding="utf-8")
    with pytest.raises(legdx.ModelError):
        legdx.load_model(copied)
    assert answer_without_numpy(copied) == EXPECTED


def test_red_flags_answer_with_no_cause_at_all(copied):
    shutil.rmtree(copied / "causes")
    (copied / "mechanisms.toml").unlink()
    assert answer_without_numpy(copied) == EXPECTED


def imports(file: Path) -> set[str]:
    """What a module imports when it runs, not what it names for the type checker."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    skipped = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    unused = {id(node) for block in skipped for node in ast.walk(block)}
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in unused:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add(str(node.module))
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def module_file(name: str) -> Path | None:
    stem = PACKAGE.parent.joinpath(*name.split("."))
    return next((f for f in (stem.with_suffix(".py"), stem / "__init__.py") if f.is_file() and name != "legdx"), None)


def test_redflags_and_what_it_imports_use_only_the_standard_library():
    to_visit, seen = ["legdx.redflags"], set()
    while to_visit:
        name = to_visit.pop()
        if name in seen or (file := module_file(name)) is None:
            continue
        seen.add(name)
        for used in imports(file):
            top = used.partition(".")[0]
            assert top == "legdx" or top in sys.stdlib_module_names, (name, used)
            to_visit.append(used)
    assert {"legdx.redflags", "legdx.evidence", "legdx.model.rules", "legdx.model.vocabulary"} <= seen
    assert seen <= {
        "legdx.redflags", "legdx.errors", "legdx.evidence", "legdx.model", "legdx.model.fields", "legdx.model.rules",
        "legdx.model.vocabulary",
    }  # fmt: skip


def test_no_module_of_the_probability_path_imports_the_rules():
    for file in (PACKAGE / "inference").glob("*.py"):
        assert not any(name.startswith(("legdx.redflags", "legdx.model.rules")) for name in imports(file)), file


def test_the_rule_file_holds_no_number_but_at_least():
    import tomllib

    def walk(value: object, key: str = "") -> None:
        assert not isinstance(value, float)
        assert not isinstance(value, int) or key == "at_least"
        if isinstance(value, dict):
            for name, inner in value.items():
                walk(inner, name)
        elif isinstance(value, list):
            for inner in value:
                walk(inner, key)

    walk(tomllib.loads((MODEL / "red_flags.toml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("setting", ["primary_care", "emergency", "neurology"])
def test_a_ranking_has_the_urgency_of_the_rules_alone(setting):
    for line in CASES[::8]:
        findings = json.loads(line)["findings"]
        ranking, flags = legdx.rank(findings, setting=setting), legdx.red_flags(findings)
        assert ranking.urgency == flags.urgency == ranking.red_flags.urgency
        assert ranking.to_dict()["red_flags"] == flags.to_dict()


def test_the_report_puts_the_flags_first():
    ranking = legdx.rank({"saddle_numbness": True, "emotional_stress": True})
    text = ranking_text(ranking.to_dict())
    assert text.startswith("EMERGENCY until proven otherwise\n")
    assert text.index("Numbness of groin") < text.index("Ranked causes")
    assert repr(ranking).index("Numbness of groin") < repr(ranking).index("%")
    assert list(ranking.to_dict()).index("red_flags") < list(ranking.to_dict()).index("causes")
