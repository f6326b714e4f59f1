"""Measure how well models predict held-out samples, in parts; each adds its tables to one JSON and one page.

A part that is stopped resumes with the same command. `results/accuracy.json` holds all numbers;
`results/accuracy.md` and the table of README.md are made from it.
"""

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.accuracy.parts.models import BASELINE
from benchmarks.accuracy.parts.part import Part, Setting, Table
from benchmarks.common.options import RESULTS, benchmark_parser
from benchmarks.common.ratios import CONSENSUS, PLAIN_LOOP
from haploscribe.report.canvas import Drawing, svg_for_themes
from haploscribe.report.figures import styles_of
from haploscribe.report.plots import Difference, plot_comparison
from haploscribe.utils.files import atomic_write

PARTS = {
    "models": ("All models on 300 genes", "90 min"),
    "other_genes": ("Genes that no choice was made on", "10 min"),
    "splits": ("Fewer training samples, and another ancestry", "5 min"),
    "annotations": ("Annotations of variants", "12 min"),
    "unseen_genes": ("Genes that no model was trained on", "35 min"),
    "controls": ("What a backbone adds", "70 min"),
    "indels": ("What indels do to deltas", "30 min"),
    "ablations": ("What each part of the ensemble adds", "10 min"),
    "peers": ("Models that others wrote", "80 min"),
    "bslmm": ("GEMMA's BSLMM", "2.5 h"),
    "speed": ("Speed", "20 min"),
}
"""Title of each part, and roughly how long it takes on 2 cores."""

NEEDS = {"annotations": "annotations", "other_genes": "examples", "speed": "genvarloader"}
"""The option that a part cannot do without."""

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
FOREST = ROOT / "docs" / "images" / "forest.svg"
README_MODELS = ("ensemble-delta", "ensemble", "transformer", "blup", "elastic-net")
"""The models in the table of README.md."""

_INTRODUCTION = """# Accuracy

358 people of Geuvadis, genes of chromosome 22, cis window 196,608 bp (±1 Mb for `elastic-net-1mb`), 25
expression PCs and 3 genotype PCs as covariates, the same for every model. The expression PCs come with the
data and were made from all people; normalisation and covariates are fitted on the people in training. r is
Pearson's correlation in people held out, the mean over 5 folds unless a split is named; mean r is over
genes. "Passing" counts genes with r above .1 and p below .05, PredictDB's filter; "FDR 5 %" those at that
false discovery rate. Δr is the difference of mean r, with a 95 % interval from a bootstrap over blocks of
neighbouring genes; p is Wilcoxon's signed-rank test across genes, two-sided.

`ensemble`, `adaptive-shrinkage`, `susie`, `transformer` and the models named `distance` use other genes,
those at least 1 Mb away, in training people alone: to learn where variants matter, and to take what
expression shares among genes, or with expression PCs 26 to 50, out of the expression that they are fitted
on. They are judged on the same expression as all others. Which models `ensemble` averages was chosen on
the 300 genes of the first part.
"""

Measured = dict[str, dict[str, Any]]
"""What was measured of each part: date, commit, machine, command, minutes and tables."""


def read_measured(path: Path = RESULTS / "accuracy.json") -> Measured:
    """Read what was measured so far."""
    found: Measured = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def page(measured: Measured) -> str:
    """Format the page."""
    sections = []
    for name, (title, _) in PARTS.items():
        if name in measured:
            part = measured[name]
            stamp = (
                f"{part['date']}, commit {part['commit']}, {part['machine']}, {part['minutes']:.0f} min: "
                f"`{part['command']}`"
            )
            tables = "\n\n".join(_section(one) for one in part["tables"])
            sections.append(f"## {title}\n\n{stamp}\n\n{tables}\n")
    return "\n".join([_INTRODUCTION, *sections])


def with_findings(readme: str, measured: Measured) -> str:
    """Return README.md with findings and table in place of those that it has, between their marks."""
    for mark, lines in (("findings", findings(measured)), ("accuracy", readme_table(measured))):
        start, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
        before, rest = readme.split(start)
        readme = before + "\n".join([start, "", *lines, "", end]) + rest.split(end)[1]
    return readme


def readme_table(measured: Measured) -> list[str]:
    """Format the table of README.md: some models of the part `models`."""
    part = measured["models"]
    rows = [row for row in part["tables"][0]["rows"] if row["model"] in README_MODELS]
    where = f"{part['date']}, commit {part['commit']}, {part['machine']}"
    return [f"({where}; [all of it](./benchmarks/results/accuracy.md))", "", *table_lines(rows)]


def findings(measured: Measured) -> list[str]:
    """Format what README.md says first: four findings, their numbers those of the page."""
    chosen, further = (_by_model(measured[name]["tables"][0]) for name in ("models", "other_genes"))
    gains = {row["model"]: row["difference"] for row in measured["models"]["tables"][1]["rows"]}
    best = max(gains, key=gains.__getitem__)
    times = {row["peer"]: row["times"] for row in measured["speed"]["tables"][0]["rows"]}

    def passing(rows: Mapping[str, Mapping[str, Any]]) -> str:
        ours, theirs = rows["ensemble"], rows["elastic-net"]
        return f"{ours['passing']} against {theirs['passing']} of {ours['genes']} genes"

    return [
        "- **Better weights for TWAS.** By PredictDB's filter, r > .1 and p < .05 in held-out people, "
        f"`ensemble` predicts more genes than elastic net: {passing(chosen)}, and {passing(further)} that no "
        "choice was made on.",
        "- **A fair test bench for sequence models.** Each stands beside its dosage twin, the same model "
        "with genotypes in place of embeddings. What embeddings add so far is little: at most "
        f"{gains[best]:.4f} of mean r (`{best}`).",
        f"- **Fast.** Each distinct haplotype is embedded once: {times[PLAIN_LOOP]:.0f}× faster than a plain "
        f"loop. Haplotypes are built {times[CONSENSUS]:.0f}× faster than by "
        "`bcftools consensus`, equal to the byte.",
        "- **Trusted.** Tests hold it to glmnet, susieR, GEMMA, bcftools, plink2, FOCUS and S-PrediXcan. "
        "Nothing that is fitted sees a held-out person, and genomes stay on your machine "
        "([how](./docs/trust.md)).",
    ]


def forest(measured: Measured) -> str:
    """Draw how the models of the part `models` compare with elastic net, as SVG."""
    rows = [row for row in measured["models"]["tables"][0]["rows"] if row["reads"] != "sequence"]
    compared = {
        row["model"]: Difference(row["difference"], (row["low"], row["high"]))
        for row in rows
        if "against" in row
    }
    ax = plot_comparison(compared, BASELINE, styles_of([BASELINE, *compared]))
    return svg_for_themes(Drawing.of(ax, "Δr of each model vs elastic net, with its 95 % interval."))


def _by_model(one: Table) -> dict[str, dict[str, Any]]:
    return {row["model"]: row for row in one["rows"]}


def _section(one: Table) -> str:
    text = f"{one['text']}\n\n" if one["text"] else ""
    return f"### {one['title']}\n\n{text}" + "\n".join(table_lines(one["rows"]))


def table_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Format a table; a row without a model to compare with has dashes."""
    others = {row["against"] for row in rows if "against" in row}
    columns = [key for key in rows[0] if key not in _PAIRED and not (others and key == "error")]
    heads = [_HEADS.get(key, key) for key in columns]
    if others:
        (other,) = others if len(others) == 1 else ("",)
        beside = f"Δr vs `{other}`" if other else "Δr"
        heads += [*([] if other else ["vs"]), f"{beside} (95 %)", "better / worse", "p"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [_cell(key, row[key]) for key in columns]
        if others and "against" in row:
            cells += [*([] if len(others) == 1 else [f"`{row['against']}`"]), *_beside(row)]
        elif others:
            cells += ["-"] * (len(heads) - len(cells))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


_HEADS = {
    "mean_r": "mean r",
    "error": "standard error",
    "significant": "FDR 5 %",
    "theirs": "theirs, s",
    "ours": "ours, s",
    "times": "ratio",
    "wall": "wall, s",
    "processor": "processor, s",
    "naive": "passes of a plain loop",
}
"""Heads of columns that are not headed by their key."""

_PAIRED = ("against", "difference", "low", "high", "better", "worse", "p")
_FORMS = {"mean_r": ".4f", "error": ".4f", **dict.fromkeys(("theirs", "ours", "wall", "processor"), ".3g")}


def _cell(key: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:{_FORMS.get(key, '.1f')}}"
    return f"`{value}`" if key == "model" else f"{value}"


def _beside(row: Mapping[str, Any]) -> list[str]:
    return [
        f"{row['difference']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f})",
        f"{row['better']} / {row['worse']}",
        f"{row['p']:.2g}",
    ]


def main(argv: Sequence[str]) -> None:
    """Run parts, and write what was measured."""
    parser = benchmark_parser("accuracy", __doc__, out=True, every=1, jobs=True)
    parser.add_argument("--part", action="append", choices=PARTS, help="may be repeated (default: all)")
    parser.add_argument("--xpresso", type=Path, help="weights of the model xpresso, which joins the others")
    parser.add_argument(
        "--annotations", action="append", default=[], metavar="NAME=FILE", help="may be repeated"
    )
    parser.add_argument(
        "--examples", type=Path, metavar="FOLDER", help="Debian's qtltools-example, for the part other_genes"
    )
    parser.add_argument(
        "--genvarloader",
        type=Path,
        metavar="PYTHON",
        help="of an environment that has it, for the part speed",
    )
    parser.add_argument("--commit", help="of the code that ran, where it is not that of this checkout")
    arguments = parser.parse_args(argv)
    numbers = arguments.table.with_suffix(".json")
    names = arguments.part or PARTS
    for name in names:
        if name in NEEDS and not getattr(arguments, NEEDS[name]):
            parser.error(f"the part {name} needs --{NEEDS[name]}")
    for name in names:
        setting = Setting(
            source=arguments.source.absolute(),
            out=(arguments.out / name).absolute(),
            every=arguments.every,
            jobs=arguments.jobs,
            xpresso=arguments.xpresso,
            annotations=tuple(arguments.annotations),
            examples=arguments.examples,
            genvarloader=arguments.genvarloader,
            pages=arguments.table.parent.absolute(),
        )
        part: Part = import_module(f"benchmarks.accuracy.parts.{name}").tables
        tables = part(setting)
        measured = read_measured(numbers)
        measured[name] = {
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "commit": arguments.commit or _commit(),
            "machine": _machine(),
            "command": _command(name, setting),
            "minutes": setting.spent.wall / 60,
            "tables": tables,
        }
        with atomic_write(numbers) as aside:
            aside.write_text(json.dumps(measured, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        with atomic_write(arguments.table) as aside:
            aside.write_text(page(measured), encoding="utf-8")
    if arguments.table.parent == RESULTS:
        FOREST.write_text(forest(measured), encoding="utf-8")
        README.write_text(with_findings(README.read_text(encoding="utf-8"), measured), encoding="utf-8")
    print(page(measured))


def _command(name: str, setting: Setting) -> str:
    files = []
    if NEEDS.get(name) == "annotations":
        files += [f" --annotations {one.split('=', 1)[0]}=FILE" for one in setting.annotations]
    if NEEDS.get(name) == "examples":
        files.append(" --examples FOLDER")
    if NEEDS.get(name) == "genvarloader":
        files.append(" --genvarloader PYTHON")
    if setting.xpresso is not None:
        files.append(" --xpresso FILE")
    every = f" --every {setting.every}" if setting.every > 1 else ""
    return f"python -m benchmarks accuracy --part {name} --source FOLDER{every}{''.join(files)}"


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _machine() -> str:
    """Return the processor's name and the number of its cores that there are."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} cores of {names[0] if names else platform.machine()}"
