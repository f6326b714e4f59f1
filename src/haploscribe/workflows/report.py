"""Write the page of a finished run again, its figures, and its table for MultiQC: the subcommand `report`."""

from pathlib import Path
from typing import NamedTuple

from haploscribe.config.options import MODELS_NAME
from haploscribe.report.canvas import PictureFormat
from haploscribe.report.figures import write_figures
from haploscribe.report.gene_details import saved_details
from haploscribe.report.multiqc import write_multiqc
from haploscribe.report.page import write_report
from haploscribe.report.tables import gene_rows, models_in_order
from haploscribe.results.saved_models import SavedModels
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


def report(
    folder: Path,
    figures: Path | None = None,
    *,
    png: bool = False,
    pdf: bool = False,
    multiqc: Path | None = None,
) -> Reported:
    """Write the HTML page of a finished run again, its figures as files, and its table for MultiQC.

    Parameters
    ----------
    folder
        Results folder of the run.
    figures
        Folder for the figures as SVG files; None for none.
    png, pdf
        Write these as PNG, or as PDF, too.
    multiqc
        File for the table of models as MultiQC reads it, `NAME_mqc.json`; None for none.

    Raises
    ------
    InputError
        When a file is missing or damaged or cannot be written.
    """
    results, written = read_results(folder), []
    if multiqc is not None:
        write_multiqc(multiqc, folder, results, _delta_models(folder))
    if figures is not None:
        models = models_in_order(results)
        formats: list[PictureFormat] = ["svg"]
        formats += ["png"] if png else []
        formats += ["pdf"] if pdf else []
        details = saved_details(gene_rows(results.metrics, models), models, folder)
        written = write_figures(results, figures, details=details, formats=formats)
    return Reported(write_report(folder, results), written)


def _delta_models(folder: Path) -> list[str]:
    """Return the models of a run that read deltas; none where older versions left no models."""
    if not (folder / MODELS_NAME).is_dir():
        return []
    specs = SavedModels(folder / MODELS_NAME).specs
    return [name for name, spec in specs.items() if spec.capabilities.reads_deltas]
