"""The `legdx` command, for those who do not write Python."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import legdx
from legdx.errors import CaseFileError, LegdxError, shown

__all__ = ["main"]

CASE_KEYS = ("findings", "setting", "note")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, 1 where a check fails, or 2 where the input cannot be used.

    >>> main(["model", "check"])
    leg_weakness 0.1.0: 82 causes, 162 findings, no fault
    0
    """
    options = _parser().parse_args(arguments)
    try:
        run: Callable[[argparse.Namespace], int] = options.run
        return run(options)
    except LegdxError as error:
        print(f"legdx: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of a pipe has gone; what it wanted it has.
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="legdx", description=(legdx.__doc__ or "").splitlines()[0])
    parser.add_argument("--version", action="version", version=f"legdx {legdx.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    rank = commands.add_parser("rank", help="rank the causes for one case, red flags first")
    rank.add_argument("case", help="a JSON file with findings and setting; - for standard input")
    rank.add_argument("--setting", help="overrides the setting of the file")
    rank.add_argument("--model", help="a model folder; else the leg weakness model")
    rank.add_argument("--top", type=int, default=10, help="how many causes to print (default 10)")
    rank.add_argument("--json", action="store_true", help="print the whole document as JSON")
    rank.set_defaults(run=_rank)

    flags = commands.add_parser("red-flags", help="evaluate only the red-flag rules for one case")
    flags.add_argument("case", help="a JSON file with findings; - for standard input")
    flags.set_defaults(run=_red_flags)

    findings = commands.add_parser("findings", help="list the findings that can be said, with their states")
    findings.add_argument("word", nargs="?", default="", help="only those whose id, label or alias holds this word")
    findings.set_defaults(run=_findings)

    cohort = commands.add_parser("cohort", help="rank every row of a Parquet file")
    cohort.add_argument("source", metavar="IN.parquet", help="one row a person, columns by finding id, alias or code")
    cohort.add_argument("target", metavar="OUT.parquet", help="appears when all of it is written")
    cohort.add_argument("--setting", default="primary_care", help="of rows without one in a column setting")
    cohort.add_argument("--top", type=int, help="how many causes to write a row; else the probability of each")
    cohort.add_argument("--keep", action="append", default=[], metavar="COLUMN", help="hand a column on unread")
    cohort.add_argument(
        "--column", action="append", default=[], metavar="COLUMN=ID", help="what a column is; COLUMN=: leave it out"
    )
    cohort.add_argument("--on-error", choices=("raise", "mark"), default="raise", help="mark: go on, and say why")
    cohort.add_argument("--float32", action="store_true", help="write probabilities in half the size")
    cohort.add_argument("--model", help="a model folder; else the leg weakness model")
    cohort.set_defaults(run=_cohort)

    about_model = commands.add_parser("model", help="check, measure or export a model")
    model = about_model.add_subparsers(required=True, metavar="ACTION")
    check = model.add_parser("check", help="report every fault of a model folder")
    check.add_argument("path", nargs="?", help="a model folder; else the leg weakness model")
    check.set_defaults(run=_check)
    fidelity = model.add_parser("fidelity", help="compare the network with each published value")
    fidelity.add_argument("path", nargs="?", help="a model folder; else the leg weakness model")
    fidelity.add_argument("--csv", action="store_true", help="print every row as CSV")
    fidelity.set_defaults(run=_fidelity)
    validate = model.add_parser("validate", help="score the model on cases whose diagnosis is known")
    validate.add_argument("cases", help="a file of JSON lines, as docs/validation.md describes")
    validate.add_argument("--model", help="a model folder; else the leg weakness model")
    validate.add_argument("--json", action="store_true", help="print the figures as JSON")
    validate.add_argument("--plot", help="also draw the reliability diagram to this picture file")
    validate.set_defaults(run=_validate)
    export = model.add_parser("export", help="write the network for other programs")
    export.add_argument("--format", required=True, choices=("bif", "xmlbif", "net", "xdsl", "uai"))
    export.add_argument("--model", help="a model folder; else the leg weakness model")
    export.add_argument("out", help="the file to write")
    export.set_defaults(run=_export)
    return parser


def _rank(options: argparse.Namespace) -> int:
    from legdx.render.text import ranking_text

    case = _read_case(options.case)
    setting = options.setting or case.get("setting", "primary_care")
    model = legdx.load_model(options.model) if options.model else None
    ranking = legdx.rank(case["findings"], setting=setting, model=model)
    print(ranking.to_json(indent=2) if options.json else ranking_text(ranking.to_dict(), top=max(1, options.top)))
    return 0


def _red_flags(options: argparse.Namespace) -> int:
    from legdx.render.text import red_flags_text

    flags = legdx.red_flags(_read_case(options.case)["findings"])
    print(red_flags_text(flags.urgency, flags.to_dict()))
    return 0


def _findings(options: argparse.Namespace) -> int:
    word = options.word.casefold()
    for finding in legdx.load_model().findings:
        names = (finding.id, finding.label, *finding.aliases, *finding.codes)
        if any(word in name.casefold() for name in names):
            number = f", or a number in {finding.unit}" if finding.cut_points else ""
            print(f"{finding.id}: {' | '.join(finding.states)}{number}\n    {finding.question}")
    return 0


def _cohort(options: argparse.Namespace) -> int:
    from legdx.cohort import rank_parquet

    for text in options.column:
        if "=" not in text:
            raise CaseFileError(f"--column {text}: write it as COLUMN=FINDING, or COLUMN= to leave it out")
    written = rank_parquet(
        options.source,
        options.target,
        setting=options.setting,
        model=legdx.load_model(options.model),
        top=options.top,
        columns={column: name or None for column, _, name in (text.rpartition("=") for text in options.column)},
        keep=options.keep,
        on_error=options.on_error,
        dtype="float32" if options.float32 else "float64",
        progress=_progress if sys.stderr.isatty() else None,
    )
    marked = f", {written.marked} of them marked as at fault" if written.marked else ""
    print(f"wrote {options.target}: {written.rows} rows{marked}")
    return 0


def _progress(done: int, n: int) -> None:
    bar = "#" * (30 * done // n)
    print(f"\r[{bar:<30}] {done} of {n} rows", end="\n" if done == n else "", file=sys.stderr, flush=True)


def _check(options: argparse.Namespace) -> int:
    try:
        model = legdx.load_model(options.path)
    except legdx.ModelError as error:
        for fault in error.faults:
            print(fault)
        print(f"{len(error.faults)} fault{'s' * (len(error.faults) != 1)}")
        return 1
    print(f"{model.id} {model.version}: {len(model.causes)} causes, {len(model.findings)} findings, no fault")
    return 0


def _fidelity(options: argparse.Namespace) -> int:
    from legdx.fidelity import compare, fidelity_csv, fidelity_text

    rows = compare(legdx.load_model(options.path))
    print(fidelity_csv(rows) if options.csv else fidelity_text(rows))
    return 0


def _validate(options: argparse.Namespace) -> int:
    from legdx.render.validation import reliability_plot, validation_text
    from legdx.validation import read_cases, validate

    model = legdx.load_model(options.model)
    document = validate(model, read_cases(_read_text(options.cases).split("\n"), model, options.cases))
    print(json.dumps(document, indent=2) if options.json else validation_text(document))
    if options.plot:
        reliability_plot(document, options.plot)
    return 0


def _export(options: argparse.Namespace) -> int:
    from legdx.interop.pgmpy import export

    export(legdx.load_model(options.model), options.format, options.out)
    print(f"wrote {options.out}")
    return 0


def _read_case(path: str) -> dict[str, Any]:
    """A case file is `{"setting": ..., "findings": {...}}`; other keys are refused, not dropped."""
    try:
        case = json.loads(_read_text(path), object_pairs_hook=_no_repeats)
    except json.JSONDecodeError as error:
        raise CaseFileError(f"{path}: is not JSON: {error}; see docs/examples for one that is") from error
    if not isinstance(case, dict) or "findings" not in case:
        raise CaseFileError(f'{path}: has no "findings"; write {{"setting": "primary_care", "findings": {{...}}}}')
    for key in case:
        if key not in CASE_KEYS:
            raise CaseFileError(f"{path}: unknown key {shown(key)}; use one of: {', '.join(CASE_KEYS)}")
    return case


def _read_text(path: str) -> str:
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise CaseFileError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CaseFileError(f"{path}: is not UTF-8 text; save it as UTF-8") from error


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for key, _ in pairs:
        if sum(other == key for other, _ in pairs) > 1:
            raise CaseFileError(f"the key {shown(key)} stands twice in one object; keep one")
    return dict(pairs)


if __name__ == "__main__":
    sys.exit(main())
