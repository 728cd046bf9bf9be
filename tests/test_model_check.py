"""Faulty model folders: one fault a file in bad_models/, named after the fault, with the exact report expected."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest

import legdx
from legdx.cli import main

HERE = Path(__file__).parent
GOOD = HERE / "data" / "cough"
BAD = sorted((HERE / "bad_models").glob("*.toml"))


def copy_of_good(folder: Path) -> Path:
    return Path(shutil.copytree(GOOD, folder / "model", ignore=shutil.ignore_patterns(".legdx_cache")))


def spoil(folder: Path, fault: dict[str, str]) -> None:
    file = folder / fault["file"]
    if fault.get("delete"):
        file.unlink()
        return
    text = file.read_text() if file.exists() else ""
    if "old" in fault:
        assert text.count(fault["old"]) >= 1, fault["old"]
        text = text.replace(fault["old"], fault["new"], 1)
    file.write_text(text + fault.get("append", ""))


@pytest.mark.parametrize("path", BAD, ids=lambda p: p.stem)
def test_one_fault_is_reported_with_file_key_and_fix(path: Path, tmp_path: Path) -> None:
    case = tomllib.loads(path.read_text())
    folder = copy_of_good(tmp_path)
    for change in case["change"]:
        spoil(folder, change)
    with pytest.raises(legdx.ModelError) as caught:
        legdx.load_model(folder)
    assert [str(fault) for fault in caught.value.faults] == case["faults"]
    assert type(caught.value).__name__ == case["error"]


def test_the_good_model_is_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "check", str(copy_of_good(tmp_path))]) == 0
    assert capsys.readouterr().out == "cough 1.0.0: 3 causes, 4 findings, no fault\n"


def test_faults_of_several_files_are_reported_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copy_of_good(tmp_path)
    (folder / "manifest.toml").write_text((folder / "manifest.toml").read_text() + "[extra]\n")
    asthma = folder / "causes" / "asthma.toml"
    asthma.write_text(asthma.read_text().replace('label = "Asthma"\n', "").replace("wheeze", "wheese"))
    assert main(["model", "check", str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:-1]] == ["manifest.toml", "causes/asthma.toml", "causes/asthma.toml"]
    assert lines[-1] == "3 faults"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(legdx.ModelFormatError, match="no such folder; give the path of a model folder"):
        legdx.load_model(tmp_path / "nowhere")


def test_another_complaint_ranks_the_same_way() -> None:
    model = legdx.load_model(GOOD)
    ranking = legdx.rank({"temperature": 39.5, "wheeze": True}, setting="clinic", model=model)
    # P(high | cause) = .3 P(infection) + .01 (1 - P(infection)), times P(wheeze | cause) and the prior.
    weights = {"asthma": 0.3 * 0.039 * 0.9, "bronchitis": 0.5 * 0.242 * 0.3, "other": 0.2 * 0.097 * 0.1}
    expected = {c: w / sum(weights.values()) for c, w in weights.items()}
    assert {c.id: c.probability for c in ranking.causes} == pytest.approx(expected, rel=1e-12)
    assert ranking.urgency == "same_day"


def test_the_cache_is_keyed_by_digest_and_safe_to_delete(tmp_path: Path) -> None:
    folder = copy_of_good(tmp_path)
    first = legdx.load_model(folder)
    (cache,) = (folder / ".legdx_cache").iterdir()
    assert cache.name.startswith(first.digest.removeprefix("sha256:")[:32])
    assert legdx.load_model(folder).spec == first.spec
    cache.write_text("not json")
    assert legdx.load_model(folder).spec == first.spec
    shutil.rmtree(folder / ".legdx_cache")
    assert legdx.load_model(folder).digest == first.digest
    asthma = folder / "causes" / "asthma.toml"
    asthma.write_text(asthma.read_text().replace("0.9", "0.8"))
    changed = legdx.load_model(folder)
    assert changed.digest != first.digest
    assert changed.causes["asthma"].findings["wheeze"].p == pytest.approx((0.2, 0.8))
    assert [p.name[:32] for p in (folder / ".legdx_cache").iterdir()] == [changed.digest.removeprefix("sha256:")[:32]]


def test_a_folder_that_cannot_be_written_to_still_loads(tmp_path: Path) -> None:
    folder = copy_of_good(tmp_path)
    (folder / ".legdx_cache").write_text("a file where the cache folder would be")
    assert legdx.load_model(folder).version == "1.0.0"


def test_models_pickle_by_path_and_digest(tmp_path: Path) -> None:
    import pickle

    folder = copy_of_good(tmp_path)
    model = legdx.load_model(folder)
    data = pickle.dumps(model)
    assert len(data) < 1000
    assert pickle.loads(data).digest == model.digest
    (folder / "causes" / "asthma.toml").write_text((GOOD / "causes" / "asthma.toml").read_text() + "# changed\n")
    with pytest.raises(legdx.ModelError, match="has changed since"):
        pickle.loads(data)


def test_rank_document_is_stable_and_stamped(model: legdx.loaded.Model) -> None:  # type: ignore[name-defined]
    said = {"fever": True, "reflexes": {"normal": 1, "reduced_or_absent": 2, "brisk": 0.5}}
    one, two = legdx.rank(said).to_json(), legdx.rank(dict(reversed(said.items()))).to_json()
    assert one == two
    document = json.loads(one)
    assert document["model"] == {"id": "leg_weakness", "version": model.version, "digest": model.digest}
    assert list(document["findings"]) == ["fever", "reflexes"]
