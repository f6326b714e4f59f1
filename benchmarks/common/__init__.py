"""Options, the cohort, pages and clocks that benchmarks share."""
