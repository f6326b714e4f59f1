"""Cache a sequence model's predictions in a file, by sequence."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from haploscribe.errors import InputError
from haploscribe.utils.files import atomic_write
from haploscribe.utils.types import Float64Array
from haploscribe.zero_shot.base import SequenceModel

SCHEMA = pl.Schema({"sequence": pl.String, "predicted": pl.Float64})
"""Columns of the file: BLAKE2b's digest of the sequence in 32 hexadecimal digits, and the prediction.

For reverse complements the digest is personalised with `reverse`.
"""


class CachedModel:
    """Wrap a `SequenceModel` so that no sequence is predicted twice.

    A prediction depends on its sequence alone, so it holds for every gene, sample and cohort.

    Parameters
    ----------
    model
        The model.
    path
        Parquet file for this model, these weights and this `reading`; it need not exist yet.

    Attributes
    ----------
    name, upstream, downstream, strand_specific, logarithmic, reads_exons, reading
        The model's.
    forward_passes
        Sequences that the model has predicted so far.

    Raises
    ------
    InputError
        When the file exists but is damaged.
    """

    def __init__(self, model: SequenceModel, path: Path) -> None:
        self.name, self.strand_specific = model.name, model.strand_specific
        self.upstream, self.downstream = model.upstream, model.downstream
        self.logarithmic, self.reads_exons, self.reading = model.logarithmic, model.reads_exons, model.reading
        self.forward_passes = 0
        self._model = model
        self._path = path
        self._cache = _read(path)
        self._saved = len(self._cache)

    def predict(self, sequences: Sequence[bytes], *, reverse_complement: bool = False) -> Float64Array:
        """Predict expression, float64 `(n,)`: see `SequenceModel.predict`.

        Raises
        ------
        InputError
            When a prediction is not finite.
        """
        keys = [_key(sequence, reverse_complement) for sequence in sequences]
        missing = {
            key: sequence for key, sequence in zip(keys, sequences, strict=True) if key not in self._cache
        }
        if missing:
            predicted = self._model.predict(list(missing.values()), reverse_complement=reverse_complement)
            if not np.isfinite(predicted).all():
                raise InputError(f"{self.name} predicts no finite number; copy or download its weights again")
            self._cache.update(zip(missing, predicted.tolist(), strict=True))
            self.forward_passes += len(missing)
        return np.array([self._cache[key] for key in keys], dtype=np.float64)

    def save(self) -> None:
        """Write the file if there are new predictions.

        Raises
        ------
        InputError
            When it cannot be written.
        """
        if len(self._cache) == self._saved:
            return
        columns = {"sequence": list(self._cache), "predicted": list(self._cache.values())}
        with atomic_write(self._path) as aside:
            pl.DataFrame(columns, schema=SCHEMA).write_parquet(aside)
        self._saved = len(self._cache)


def _key(sequence: bytes, reverse_complement: bool) -> str:
    person = b"reverse" if reverse_complement else b""
    return hashlib.blake2b(sequence, digest_size=16, person=person).hexdigest()


def _read(path: Path) -> dict[str, float]:
    if not path.exists():
        return {}
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path} cannot be read ({str(error).splitlines()[0]}); delete it") from None
    if frame.schema != SCHEMA:
        raise InputError(f"{path} has columns {', '.join(frame.columns)}, not {', '.join(SCHEMA)}; delete it")
    return dict(frame.iter_rows())
