"""Names of the files of a simulated cohort's folder."""

VARIANTS = "genotypes.vcf.gz"
REFERENCE = "reference.fa.gz"
EXPRESSION = "expression.bed.gz"
TRUTH = "truth.tsv"
GENES = "genes.tsv"
GENETIC_VALUES = "genetic_values.parquet"
RECORD = "simulation.json"

INDEXES = (f"{VARIANTS}.tbi", f"{VARIANTS}.csi", f"{REFERENCE}.fai", f"{REFERENCE}.gzi")
FILES = frozenset({VARIANTS, REFERENCE, EXPRESSION, TRUTH, GENES, GENETIC_VALUES, RECORD, *INDEXES})
