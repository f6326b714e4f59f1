"""Write the page of a finished run again, and its figures as files: the subcommand `report`."""

from pathlib import Path
from typing import NamedTuple

from haploscribe.config.options import MODELS_NAME
from haploscribe.report.figures import write_figures
from haploscribe.report.page import write_report
from haploscribe.report.region_data import saved_regions
from haploscribe.results.tables import read_results


class Reported(NamedTuple):
    """Files that `report` wrote.

    Attributes
    ----------
    page
        The HTML page.
    figures
        The figures; empty where none were wanted.
    """

    page: Path
    figures: list[Path]


def report(folder: Path, figures: Path | None = None, *, png: bool = False) -> Reported:
    """Write the HTML page of a finished run again, and its figures as files.

    Parameters
    ----------
    folder
        Results folder of the run.
    figures
        Folder for the figures as SVG files; None for none.
    png
        Write these as PNG too.

    Raises
    ------
    InputError
        When a file is missing or damaged or cannot be written, or PNG needs a library or a font.
    """
    results, written = read_results(folder), []
    if figures is not None:
        regions = saved_regions(results, folder / MODELS_NAME)
        written = write_figures(results, figures, regions=regions, png=png)
    return Reported(write_report(folder, results), written)
