"""ALT alleles one by one: what a dosage column counts."""

from typing import NamedTuple

from haploscribe.genome.variants import Variants


class Alternate(NamedTuple):
    """One ALT allele of a record.

    Attributes
    ----------
    position
        0-based.
    reference, alternate
        The record's REF, and the allele.
    identifier
        The record's, `.` where it has none.
    """

    position: int
    reference: bytes
    alternate: bytes
    identifier: str = "."

    def name(self, contig: str) -> str:
        """Give the identifier, or `chr:pos:ref:alt`, 1-based, where there is none."""
        if self.identifier != ".":
            return self.identifier
        return f"{contig}:{self.position + 1}:{self.reference.decode()}:{self.alternate.decode()}"


def alternates(variants: Variants) -> list[Alternate]:
    """List the ALT alleles of all records, in the order of the columns of `dosages`."""
    return [
        Alternate(position, record[0], alternate, name)
        for position, record, name in zip(
            variants.positions.tolist(), variants.alleles, variants.identifiers, strict=True
        )
        for alternate in record[1:]
    ]
