"""Match the samples of the inputs by name."""

from collections.abc import Sequence
from dataclasses import dataclass

from haploscribe.errors import InputError
from haploscribe.expression.text_tables import listed


@dataclass(frozen=True, slots=True)
class SampleMatch:
    """Samples that all inputs have in common.

    Attributes
    ----------
    shared
        Sorted, so that no result depends on the order of a file's columns.
    left_out
        For each input (`genotypes`, `expression`, and `covariates` if given), its samples that another
        input lacks, sorted.
    """

    shared: tuple[str, ...]
    left_out: dict[str, tuple[str, ...]]

    def describe(self) -> str:
        """Return one line with the number of shared samples and those left out of each input."""
        parts = [f"{len(self.shared)} samples shared"]
        parts += [
            f"{len(names)} of {source} left out ({listed(names)})"
            for source, names in self.left_out.items()
            if names
        ]
        return "; ".join(parts)


def match_samples(
    genotype_ids: Sequence[str], expression_ids: Sequence[str], covariate_ids: Sequence[str] | None = None
) -> SampleMatch:
    """Return the samples that genotypes, expression and covariates (if given) have in common.

    Raises
    ------
    InputError
        When no sample is shared; shows the sample names of each input.
    """
    sources = {"genotypes": set(genotype_ids), "expression": set(expression_ids)}
    if covariate_ids is not None:
        sources["covariates"] = set(covariate_ids)
    shared = set.intersection(*sources.values())
    if not shared:
        names = "; ".join(f"{source}: {listed(sorted(ids)) or 'nobody'}" for source, ids in sources.items())
        transposed = " (rows are covariates, columns samples)" if covariate_ids is not None else ""
        raise InputError(
            f"{' and '.join(sources)} share no sample ({names}); "
            f"name the samples alike in every file{transposed}"
        )
    return SampleMatch(
        tuple(sorted(shared)), {source: tuple(sorted(ids - shared)) for source, ids in sources.items()}
    )
