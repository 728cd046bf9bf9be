"""The order of the layers: a module imports only from layers below it, and the two paths never meet below the face."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "legdx"
# From the bottom up. A module may import from a lower layer; within one layer, modules of one folder may.
LAYERS = [
    ["errors"],
    ["model.fields"],
    ["model.vocabulary"],
    ["evidence"],
    ["model.rules", "model.spec"],
    ["model.check", "model.cache", "model.store", "redflags"],
    ["inference.*", "cohort.flags"],
    ["cohort.cells"],
    ["cohort.columns"],
    ["loaded"],
    ["interop.*", "render.*", "fidelity", "validation", "learn"],
    ["ranked"],
    ["ranking"],
    ["cohort.rows", "cohort.workers"],
    ["cohort.table"],
    ["cohort.parquet", "cohort.spark", "cohort.dask"],
    ["_api"],
    ["__init__"],
    ["cli"],
]
STANDARD_LIBRARY_ONLY = (
    "errors",
    "evidence",
    "redflags",
    *(f"model.{m}" for m in ("fields", "vocabulary", "rules", "store")),
)


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(SOURCE).with_suffix("").parts): path
        for path in sorted(SOURCE.rglob("*.py"))
        if path.name != "__init__.py" or path.parent == SOURCE
    }


def layer_of(name: str) -> int:
    for number, layer in enumerate(LAYERS):
        if any(name == one or (one.endswith(".*") and name.startswith(one[:-1])) for one in layer):
            return number
    raise AssertionError(f"{name} is in no layer: add it to the order, and say why in docs/adr")


def imports(path: Path, *, deferred: bool) -> set[str]:
    """Names of modules imported; those inside functions and under TYPE_CHECKING only if `deferred`."""
    found: set[str] = set()

    def walk(node: ast.AST, inside: bool) -> None:
        for child in ast.iter_child_nodes(node):
            typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            if typing_only:
                continue
            if isinstance(child, ast.Import) and (deferred or not inside):
                found.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module and (deferred or not inside):
                found.add(child.module)
                found.update(f"{child.module}.{alias.name}" for alias in child.names)
            walk(child, inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))

    walk(ast.parse(path.read_text(encoding="utf-8")), False)
    return found


@pytest.mark.parametrize("name", modules())
def test_a_module_imports_only_from_layers_below(name: str) -> None:
    known = modules()
    own = layer_of(name)
    for imported in imports(known[name], deferred=False):
        target = imported.removeprefix("legdx.")
        if imported.startswith("legdx.") and target in known and target != name:
            same_folder = target.split(".")[0] == name.split(".")[0]
            assert layer_of(target) < own or (layer_of(target) == own and same_folder), f"{name} imports {target}"


def test_the_two_paths_never_import_each_other() -> None:
    known = modules()
    for name, path in known.items():
        found = {i.removeprefix("legdx.") for i in imports(path, deferred=True)}
        if name.startswith("inference."):
            assert not {i for i in found if i.startswith("redflags")}, name
        if name in ("redflags", "evidence") or name.startswith("model."):
            assert not {i for i in found if i.startswith("inference")}, name


@pytest.mark.parametrize("name", STANDARD_LIBRARY_ONLY)
def test_the_red_flag_path_uses_the_standard_library_only(name: str) -> None:
    for imported in imports(modules()[name], deferred=True):
        top = imported.split(".")[0]
        assert top == "legdx" or top in sys.stdlib_module_names or top == "__future__", f"{name} imports {imported}"


def test_rendering_knows_nothing_of_the_core() -> None:
    for name, path in modules().items():
        if name.startswith("render."):
            inner = {i for i in imports(path, deferred=True) if i.startswith("legdx.")}
            assert all(i.startswith(("legdx.render", "legdx.errors")) for i in inner), (name, inner)


def test_no_module_is_over_400_lines() -> None:
    assert {
        n: len(p.read_text().splitlines()) for n, p in modules().items() if len(p.read_text().splitlines()) > 400
    } == {}


def test_import_loads_nothing_heavy() -> None:
    heavy = ("pandas", "pgmpy", "scipy", "matplotlib", "networkx", "pyarrow", "torch")
    code = f"import sys, legdx; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_rank_loads_only_numpy() -> None:
    heavy = ("pandas", "pgmpy", "scipy", "matplotlib", "networkx", "pyarrow", "torch", "numba")
    code = f"import sys, legdx; legdx.rank({{}}).to_json(); print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
