"""Numerical solvers that estimators share."""
