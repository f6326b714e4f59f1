"""The stages of a run, each cut into pieces that workers do: survey, embedding, lessons, fits."""
