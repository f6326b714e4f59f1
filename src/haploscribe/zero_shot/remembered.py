"""Predictions kept in a file, by sequence, so that no sequence is ever predicted twice."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from haploscribe.errors import InputError
from haploscribe.utils.files import atomic_write
from haploscribe.utils.types import Float64Array
from haploscribe.zero_shot.protocol import SequenceModel

SCHEMA = pl.Schema({"sequence": pl.String, "predicted": pl.Float64})
"""The file's columns: a key of 32 hexadecimal digits, BLAKE2b's digest of the sequence, and the prediction.

Where the model read the reverse complement, the digest is personalised by that.
"""


class Remembered:
    """A `SequenceModel` that remembers what it once predicted.

    A prediction depends on its sequence alone, so it holds for every gene, person and cohort.

    Parameters
    ----------
    model
        The model.
    path
        Parquet file of this model, these weights and this reading; it need not be there yet.

    Attributes
    ----------
    name, upstream, downstream, strand_specific, reading
        The model's.
    forward_passes
        Sequences given to the model, this far.

    Raises
    ------
    InputError
        When the file is there but damaged.
    """

    def __init__(self, model: SequenceModel, path: Path) -> None:
        self.name, self.strand_specific = model.name, model.strand_specific
        self.upstream, self.downstream = model.upstream, model.downstream
        self.reading = model.reading
        self.forward_passes = 0
        self._model = model
        self._path = path
        self._known = _read(path)
        self._saved = len(self._known)

    def predict(self, sequences: Sequence[bytes], *, reverse_complement: bool = False) -> Float64Array:
        """Predict expression, float64 `(n,)`: see `SequenceModel.predict`.

        Raises
        ------
        InputError
            When the model says something that is no finite number.
        """
        keys = [_key(sequence, reverse_complement) for sequence in sequences]
        missing = {
            key: sequence for key, sequence in zip(keys, sequences, strict=True) if key not in self._known
        }
        if missing:
            predicted = self._model.predict(list(missing.values()), reverse_complement=reverse_complement)
            if not np.isfinite(predicted).all():
                raise InputError(f"{self.name} predicts no finite number; copy or download its weights again")
            self._known.update(zip(missing, predicted.tolist(), strict=True))
            self.forward_passes += len(missing)
        return np.array([self._known[key] for key in keys], dtype=np.float64)

    def save(self) -> None:
        """Write the file anew, where there is anything new.

        Raises
        ------
        InputError
            When it cannot be written.
        """
        if len(self._known) == self._saved:
            return
        columns = {"sequence": list(self._known), "predicted": list(self._known.values())}
        with atomic_write(self._path) as aside:
            pl.DataFrame(columns, schema=SCHEMA).write_parquet(aside)
        self._saved = len(self._known)


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
