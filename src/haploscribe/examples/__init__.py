"""The bundled real cohort."""
