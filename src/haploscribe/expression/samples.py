"""Which samples the inputs share, by name."""

from collections.abc import Sequence
from dataclasses import dataclass

from haploscribe.errors import InputError
from haploscribe.expression.text_tables import listed


@dataclass(frozen=True, slots=True)
class SampleMatch:
    """The samples that all inputs have.

    Attributes
    ----------
    shared
        Their names, sorted, so that no result depends on the order of a file's columns.
    left_out
        For each input (`genotypes`, `expression`, and `covariates` where given), the names, sorted, that
        it has and another lacks.
    """

    shared: tuple[str, ...]
    left_out: dict[str, tuple[str, ...]]

    def describe(self) -> str:
        """Say in one line how many are shared, and who is left out of what."""
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
    """Find the samples that the genotypes, the expression and the covariates (where given) share.

    Raises
    ------
    InputError
        When no sample is shared; shows how each input names its samples.
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
