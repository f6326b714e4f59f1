"""Options out of range, unknown or against each other; the files that hold options; places to write to."""

import shutil
from collections.abc import Callable

from tests.trust.bad_inputs.files import PICTURE
from tests.trust.bad_inputs.rows import (
    COVARIATES,
    EXPRESSION,
    GENE,
    RESULTS,
    VARIANTS,
    Case,
    Ended,
    Row,
    accepted,
    refused,
)
from tests.trust.bad_inputs.variants import COHORT, used

TITLE = "Options, and places to write to"
PEOPLE = tuple(f"Zq{number:03d}" for number in range(43))


def given(option: str, value: object = True) -> Callable[[Case], None]:
    """Give one option."""
    return lambda case: case.give(option, value)


def several(**options: object) -> Callable[[Case], None]:
    """Give some options; `_` stands for `-`."""

    def spoil(case: Case) -> None:
        for name, value in options.items():
            case.give(name.replace("_", "-"), value)

    return spoil


def checkpoint(configuration: str, *files: str) -> Callable[[Case], None]:
    """Give a folder with a `config.json` and empty files as the backbone."""

    def spoil(case: Case) -> None:
        case.path("model").mkdir()
        for name, content in {"config.json": configuration, **dict.fromkeys(files, "")}.items():
            case.write(f"model/{name}", content)
        case.give("backbone", "model")

    return spoil


def config(content: str | bytes, *without: str) -> Callable[[Case], None]:
    """Give a file of options, and not those on the command line."""

    def spoil(case: Case) -> None:
        case.write("options.toml", content)
        for option in without:
            case.leave_out(option)
        case.give("config", "options.toml")

    return spoil


def split(**sets: tuple[str, ...]) -> Callable[[Case], None]:
    """Give a split file in place of folds."""
    text = "".join(f"{name}\t{part}\n" for part, names in sets.items() for name in names)

    def spoil(case: Case) -> None:
        case.write("split.tsv", text)
        case.leave_out("folds")
        case.give("split", "split.tsv")

    return spoil


def gene_list(content: str | bytes) -> Callable[[Case], None]:
    def spoil(case: Case) -> None:
        case.write("genes.txt", content)
        case.give("genes", "genes.txt")

    return spoil


def versions_of_a_gene(case: Case) -> None:
    case.replace(EXPRESSION, "\tquiet\t", "\tG1.1\t")
    case.replace(EXPRESSION, f"\t{GENE}\t", "\tG1.2\t")
    case.give("genes", "G1")


def folder_at(name: str, option: str | None = None) -> Callable[[Case], None]:
    """Put a folder with something in it where a file would be written."""

    def spoil(case: Case) -> None:
        case.path(name).mkdir(parents=True)
        case.write(f"{name}/kept", "as it was")
        if option is not None:
            case.give(option, name)

    return spoil


def split_with_folds(case: Case) -> None:
    split(train=PEOPLE[:30], test=PEOPLE[30:])(case)
    case.give("folds", 5)


def one_fold(case: Case, _: Ended) -> None:
    text = case.text("out/metrics.tsv")
    assert "\t13\t" in text


def weights(content: bytes | None) -> Callable[[Case], None]:
    def spoil(case: Case) -> None:
        if content is not None:
            case.write("xpresso.h5", content)
        several(models="xpresso", xpresso="xpresso.h5")(case)

    return spoil


def into_finished(models: str = "blup", **options: object) -> Callable[[Case], None]:
    """Give the command of the finished run again, with its `--out` and some options changed."""

    def spoil(case: Case) -> None:
        shutil.rmtree(case.path(f"{RESULTS}/index"), ignore_errors=True)  # what has one is added to
        case.leave_out("covariates")
        same = {"backbone": "kmer", "normalize": "none", "out": RESULTS}
        for option, value in {**same, "models": models, **options}.items():
            case.give(option, value)

    return spoil


def changed_expression(case: Case) -> None:
    """Give the command of the finished run again, on another table."""
    into_finished()(case)
    case.replace(EXPRESSION, "0.", "1.", 1)


def is_complete(_: Case, ended: Ended) -> None:
    assert "results: complete; nothing to do" in ended.err
    assert "Report: results/report.html" in ended.out


def _numbers(option: str, *says: str, verb: str = "check", values: tuple[object, ...]) -> tuple[Row, ...]:
    """Make a row for each value of an option."""
    return tuple(
        refused(f"`--{option} {value}`", given(option, value), f"--{option}", *says, verbs=(verb,))
        for value in values
    )


def _under_a_file(verb: str, option: str, suffix: str = "") -> Row:
    return refused(
        f"`--{option}` under a file, {verb}",
        given(option, f"{COVARIATES}/x{suffix}"),
        f"cannot write to .*{COVARIATES}",
        "name a folder you may write to",
        verbs=(verb,),
    )


UNKNOWN = "--models: no model 'lasagne'; there are top-snp"
ROWS: tuple[Row, ...] = (
    *_numbers("window", values=(-5, 0), verb="check"),
    *_numbers("window", "give a whole number of base pairs", "--help", values=("nan", "1e30")),
    accepted(
        "`--window` wider than the contigs",
        given("window", 10**12),
        "ends with the contig",
        used(133),
        verbs=COHORT[:1],
    ),
    accepted(
        "`--window` smaller than a tile",
        several(window=60, tile=500),
        "the variants in it are read, and no others of its tile or tiles",
        used(2),
        verbs=COHORT[:1],
    ),
    *_numbers("tile", "give a size in base pairs", values=(-5, 0)),
    refused(
        "`--tile` that the backbone does not take",
        several(tile=10**9),
        "--tile 1000000000: backbone kmer takes multiples of 1 bp up to",
        verbs=("embed",),
    ),
    *_numbers("maf", "give a frequency from 0 to below 0.5", values=(-1, 0.7, "nan", "inf")),
    *_numbers("jobs", "give 1 or more", values=(0,)),
    *_numbers("folds", verb="run", values=(-1, 1, 10**20)),
    *_numbers("seed", "give a whole number from 0", verb="run", values=(-1, 10**20)),
    *_numbers("gene-split", "which it may not see", verb="run", values=(2,)),
    *_numbers("dask", "give a number of processes, such as local:4", verb="run", values=("local:0",)),
    *_numbers("normalize", "is not one of 'inverse-normal'", verb="run", values=("quantile",)),
    *_numbers("shifts", "such as", verb="run", values=("a", "1,1")),
    refused(
        "an unknown option",
        given("widnow", 5),
        "No such option '--widnow'. Did you mean '--window'",
        "haploscribe check --help",
    ),
    *(
        refused(
            f"`{option}`, as another program calls it",
            given(option.removeprefix("--"), "x"),
            f"no option {option}: it is {ours} here",
            "haploscribe check --help",
        )
        for option, ours in (
            ("--vcf", "--variants"),
            ("--phenotypes", "--expression"),
            ("--maf_threshold", "--maf"),
        )
    ),
    refused(
        "`--bfile`",
        given("bfile", "cohort"),
        "no option --bfile: PLINK 1 files keep no phase; give the phased VCF, BCF or PGEN",
    ),
    refused(
        "an option that must be given",
        lambda case: case.leave_out("variants"),
        "Missing option '--variants'",
        "haploscribe check --help",
    ),
    refused(
        "an unknown backbone",
        given("backbone", "lasagne"),
        "no backbone is called 'lasagne' and no such folder exists; known: random, kmer",
        verbs=("embed",),
    ),
    refused(
        "a backbone's folder that is none",
        given("backbone", RESULTS),
        f"cannot read {RESULTS}/config.json",
        "a checkpoint folder needs it",
        verbs=("embed",),
    ),
    refused(
        "a repository of the hub without its owner",
        given("backbone", "hf:dna-model"),
        "backbone 'hf:dna-model' is no repository of the hub; give hf:OWNER/NAME",
        verbs=("embed",),
    ),
    refused(
        "`--revision` for a backbone that is not on the hub",
        given("revision", "main"),
        "--revision main: backbone kmer is not on the Hugging Face hub; leave it out",
        verbs=("embed",),
    ),
    refused(
        "`--revision ../main`",
        given("revision", "../main"),
        "--revision ../main: give a commit, a branch or a tag, such as main or refs/pr/1",
        verbs=("embed", "predict", "backbones score nano"),
    ),
    refused(
        "a backbone's folder with an NTv3 that was trained further",
        checkpoint('{"model_type": "ntv3_posttrained"}'),
        "model/config.json: model_type is 'ntv3_posttrained', but 'ntv3'",
        "use one of these, as ntv3-100m",
        verbs=("embed",),
    ),
    refused(
        "a backbone's folder without a vocabulary",
        checkpoint('{"model_type": "bert"}', "model.safetensors"),
        r"model has no vocabulary \(tokenizer\.json, vocab\.txt, …\); download",
        verbs=("embed",),
    ),
    refused(
        "a backbone's folder with pickled weights alone",
        checkpoint('{"model_type": "bert"}', "tokenizer.json", "pytorch_model.bin"),
        r"model has only pickled weights \(pytorch_model\.bin\)",
        verbs=("embed",),
    ),
    refused(
        "a backbone's folder with code of its own",
        checkpoint('{"model_type": "bert", "auto_map": {"AutoModel": "mine.Model"}}', "model.safetensors"),
        r"model/config\.json names code of its own \(auto_map\), which is never run",
        verbs=("embed",),
    ),
    refused(
        "a backbone's folder of an architecture that transformers lacks",
        checkpoint('{"model_type": "martian"}', "model.safetensors"),
        "model/config.json: model_type 'martian' is unknown to the installed transformers",
        verbs=("embed",),
    ),
    refused(
        "`--pooling` for a backbone without layers",
        given("pooling", "bins-4"),
        "backbone 'kmer' has no pooling; leave out --pooling",
        verbs=("embed",),
    ),
    refused("an unknown model", given("models", "blup,lasagne"), UNKNOWN, verbs=("run",)),
    refused(
        "a model twice",
        given("models", "blup,blup"),
        "--models blup,blup: name each model once",
        verbs=("run",),
    ),
    refused("no model", given("models", ""), "--models : name each model once, of top-snp", verbs=("run",)),
    refused(
        "a zero-shot model without its weights",
        given("models", "blup,xpresso"),
        "xpresso needs its weights; give the file with --xpresso FILE",
        verbs=("run",),
    ),
    refused(
        "weights of a model that is not used",
        given("xpresso", "xpresso.h5"),
        "add xpresso to --models",
        verbs=("run",),
    ),
    refused("weights: missing", weights(None), "there is no file xpresso.h5; check the path", verbs=("run",)),
    refused(
        "weights: a picture",
        weights(PICTURE),
        "xpresso.h5 cannot be read as HDF5",
        "download it again",
        verbs=("run",),
        elsewhere=r"\(.*\)",
    ),
    refused(
        "`--genes` of an unknown gene",
        given("genes", f"{GENE},nobody"),
        r"--genes: 1 of 2 ids are not in the expression table \(nobody\); its ids look like",
        verbs=COHORT,
    ),
    refused("`--genes` of none", given("genes", ""), "--genes '' names no gene; give"),
    refused(
        "`--genes` of a file without any", gene_list("\n# none\n"), "--genes 'genes.txt' names no gene; give"
    ),
    refused(
        "`--genes` of a file that is missing",
        given("genes", "no/such.txt"),
        "--genes: there is no file no/such.txt; give",
    ),
    refused(
        "`--genes` of a file that is not UTF-8", gene_list(b"on\xff\n"), "--genes: 1 of 1 ids are not in"
    ),
    refused(
        "`--genes` of a gene in two versions, without the version",
        versions_of_a_gene,
        "--genes: G1 may be any of G1.1, G1.2; write the id wanted",
    ),
    refused(
        "`--split` of a file that is missing",
        given("split", "none.tsv"),
        "cannot read the split file none.tsv: No such file",
        verbs=("run",),
    ),
    refused(
        "`--split` with an unknown set",
        split(train=PEOPLE[:20], holdout=PEOPLE[20:]),
        "split.tsv line 21: 'holdout' is not a set; write train, validation or test",
        verbs=("run",),
    ),
    refused(
        "`--split` with a sample twice",
        split(train=PEOPLE[:20], test=PEOPLE[19:]),
        "split.tsv line 21: sample Zq019 is listed twice",
        verbs=("run",),
    ),
    refused(
        "`--split` of other people",
        split(train=("a", "b", "c"), test=("d", "e", "f")),
        r"split.tsv: 0 samples of the cohort are in set train \(3 listed\)",
        verbs=("run",),
    ),
    refused(
        "`--split` with nobody to test",
        split(train=PEOPLE),
        "split.tsv: 0 samples of the cohort are in set test",
        verbs=("run",),
    ),
    accepted("`--split` with `--folds`", split_with_folds, "the split is taken", one_fold, verbs=("run",)),
    refused(
        "`--config` of a file that is missing",
        given("config", "none.toml"),
        "--config none.toml: cannot be read: No such file or directory; check the path",
    ),
    refused(
        "`--config`: not TOML",
        config("window = \n"),
        "--config options.toml: is no TOML: .*line 1",
        "option = value",
    ),
    refused(
        "`--config`: not UTF-8",
        config(b"genes = '\xff'\n"),
        "--config options.toml: is no TOML",
        "UTF-8",
        elsewhere="'utf-8'.*byte(?=;)",
    ),
    refused(
        "`--config`: an unknown option",
        config("fold = 5\n"),
        "--config options.toml: no option 'fold' of haploscribe check or any other command; see --help",
    ),
    refused(
        "`--config`: a word for a number",
        config("window = 'wide'\n", "window"),
        "--config options.toml: window: 'wide': give a whole number of base pairs",
    ),
    refused(
        "`--config`: a number for a switch",
        config("assume-phased = 3\n"),
        "--config options.toml: assume_phased: '3' is not a valid boolean",
    ),
    refused(
        "`--config`: a number out of range, of `run`",
        config("folds = 1\n"),
        "--config options.toml: folds: 1: at least 2 are needed",
    ),
    refused(
        "`--config`: an unknown model, of `run`",
        config("models = ['blup', 'lasagne']\n", "models"),
        UNKNOWN,
    ),
    refused(
        "`--config`: an option as another program calls it",
        config("maf_threshold = 0.05\n"),
        "--config options.toml: no option maf_threshold: it is --maf here",
    ),
    accepted("`--config`: a byte-order mark and CRLF", config("\ufeffmaf = 0.0\r\n"), "is read", used()),
    refused(
        "an empty path",
        given("out", ""),
        "Invalid value for '--out': '' is no path; name a file or folder",
        verbs=("run", "predict", "haplotypes", "export predictdb", "simulate", "pretrain"),
    ),
    refused(
        "a file's name of 300 letters",
        given("out", "o" * 300),
        "'--out': a name in it is longer than 200 bytes; name another",
        verbs=("run", "predict", "haplotypes", "simulate"),
    ),
    refused(
        "`--out` is a file",
        given("out", COVARIATES),
        "covariates.txt",
        "name a folder",
        verbs=("run", "explain"),
    ),
    refused(
        "`--out` is a file, simulate",
        given("out", COVARIATES),
        "--out covariates.txt is a file; name a folder",
        verbs=("simulate",),
    ),
    refused(
        "`--store` is a file",
        given("store", COVARIATES),
        "covariates.txt is not an embedding store; name another path",
        verbs=("embed",),
    ),
    refused(
        "`--store` is another folder",
        folder_at("other", "store"),
        "other is not an embedding store; name another path, or remove it",
        verbs=("embed",),
    ),
    refused(
        "`--store` is the working folder",
        given("store", "."),
        "--store .: name a folder of its own",
        verbs=("embed",),
    ),
    _under_a_file("run", "out"),
    _under_a_file("embed", "store"),
    _under_a_file("predict", "out", ".tsv"),
    _under_a_file("haplotypes", "out", ".fa"),
    _under_a_file("explain", "out"),
    _under_a_file("export predictdb", "out", ".db"),
    _under_a_file("export fusion", "out"),
    _under_a_file("report", "figures"),
    _under_a_file("report", "multiqc", "_mqc.json"),
    _under_a_file("pretrain", "out"),
    *(
        refused(
            f"`--out` of a file is a folder, {verb}",
            folder_at(f"folder{suffix}", "out"),
            f"File 'folder{suffix}' is a directory",
            "haploscribe .* --help",
            verbs=(verb,),
        )
        for verb, suffix in (("predict", ".tsv"), ("haplotypes", ".fa"), ("export predictdb", ".db"))
    ),
    refused(
        "`--out` of haplotypes is an input",
        given("out", VARIANTS),
        "--out variants.vcf is an input; name another file",
        verbs=("haplotypes",),
    ),
    refused(
        "`--out` without a known suffix, predict",
        given("out", "p.csv"),
        "--out p.csv: name a file that ends in .parquet or .tsv",
        verbs=("predict",),
    ),
    refused(
        "`--out` without the suffix, export predictdb",
        given("out", "weights"),
        "weights does not end in .db",
        verbs=("export predictdb",),
    ),
    refused(
        "`--png` without `--figures`",
        given("png"),
        "--png needs a folder for the figures; add --figures DIR",
        verbs=("report",),
    ),
    refused(
        "`--pdf` without `--figures`",
        given("pdf"),
        "--pdf needs a folder for the figures; add --figures DIR",
        verbs=("report",),
    ),
    refused(
        "`--multiqc` without the suffix",
        given("multiqc", "chr22.json"),
        "--multiqc chr22.json: name a file that ends in _mqc.json, by which MultiQC knows it",
        verbs=("report",),
    ),
    refused(
        "`--multiqc` is a folder",
        folder_at("chr22_mqc.json", "multiqc"),
        "File 'chr22_mqc.json' is a directory",
        "haploscribe report --help",
        verbs=("report",),
    ),
    refused(
        "`--out` holds a finished run with other options",
        into_finished(folds=40),
        "--out results holds a finished run with --folds 2, this command has --folds 40; name another "
        "--out, or --force to replace it",
        verbs=("run",),
    ),
    refused(
        "`--out` holds a finished run on other data",
        changed_expression,
        "--out results holds a finished run on other content of --expression than that of expression.bed now",
        verbs=("run",),
    ),
    refused(
        "a refused model, added to a finished run",
        into_finished("blup,xpresso"),
        "--models: xpresso needs its weights; give the file with --xpresso FILE",
        verbs=("run",),
    ),
    accepted(
        "the command of a finished run",
        into_finished(),
        "it says that the run is complete, prints its table, and changes nothing",
        is_complete,
        verbs=("run",),
    ),
)
