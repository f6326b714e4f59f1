"""What users install, wheel or sdist, is whole: it works where there is no repository."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import polars as pl
import pytest

REPOSITORY = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (REPOSITORY / "src").is_dir(), reason="there is no repository to build from"),
]


def build(kind: str, source: Path, folder: Path) -> Path:
    """Build a wheel or an sdist with the project's backend, as pip does."""
    code = f"import sys; from hatchling.build import build_{kind}; print(build_{kind}(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=source, capture_output=True, text=True, check=True
    )
    return folder / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel built from the repository, and that built from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    sdist = build("sdist", REPOSITORY, folder)
    shutil.unpack_archive(sdist, folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    return {
        "repository": build("wheel", REPOSITORY, folder / "direct"),
        "sdist": build("wheel", source, folder / "of-sdist"),
    }


def test_the_wheel_of_the_sdist_is_the_wheel_of_the_repository(wheels: dict[str, Path]) -> None:
    assert wheels["repository"].read_bytes() == wheels["sdist"].read_bytes()


def test_the_demo_runs_from_the_wheel_in_an_empty_folder(wheels: dict[str, Path], tmp_path: Path) -> None:
    """With the bundled people and the bundled weights; the repository is not on the path."""
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    with zipfile.ZipFile(wheels["sdist"]) as wheel:
        wheel.extractall(site)
    script = (
        f"import haploscribe.cli.main as c; assert c.__file__.startswith({str(site)!r}), c.__file__; c.main()"
    )
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, "demo", "--out", "results"],
        cwd=empty,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    metrics = pl.read_csv(empty / "results" / "metrics.tsv", separator="\t")
    assert metrics["gene_id"].n_unique() == 17
    assert "nano" in (empty / "results" / "summary.json").read_text()
    assert (empty / "results" / "report.html").stat().st_size > 100_000
