"""Write the page of a finished run again, and its figures as files: the subcommand `report`."""

from pathlib import Path
from typing import NamedTuple

from haploscribe.report.canvas import PictureFormat
from haploscribe.report.figures import write_figures
from haploscribe.report.gene_details import saved_details
from haploscribe.report.page import write_report
from haploscribe.report.tables import gene_rows, models_in_order
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


def report(folder: Path, figures: Path | None = None, *, png: bool = False, pdf: bool = False) -> Reported:
    """Write the HTML page of a finished run again, and its figures as files.

    Parameters
    ----------
    folder
        Results folder of the run.
    figures
        Folder for the figures as SVG files; None for none.
    png, pdf
        Write these as PNG, or as PDF, too.

    Raises
    ------
    InputError
        When a file is missing or damaged or cannot be written.
    """
    results, written = read_results(folder), []
    if figures is not None:
        models = models_in_order(results)
        formats: list[PictureFormat] = ["svg"]
        formats += ["png"] if png else []
        formats += ["pdf"] if pdf else []
        details = saved_details(gene_rows(results.metrics, models), models, folder)
        written = write_figures(results, figures, details=details, formats=formats)
    return Reported(write_report(folder, results), written)
