"""Write what Keras makes of CLIPNET's layers: its description of them, and predictions.

In an environment with tensorflow-cpu 2.15 (Keras 2) and h5py, from the root of the repository:

    PYTHONPATH=. python -m tests.zero_shot.clipnet.make_fixture
"""

import json
import tempfile
from pathlib import Path

import h5py
import numpy as np
import tensorflow as tf  # type: ignore[import-untyped]
from tensorflow.keras import layers  # type: ignore[import-untyped]

from tests.fixtures.clipnet_files import CONFIG, EXPECTED, drawn_array


def network() -> tf.keras.Model:
    """CLIPNET's layers, in the order in which its authors make them."""
    first = layers.Input(shape=(1000, 4))
    hidden = layers.BatchNormalization()(first)
    for filters, width, function in ((64, 8, "elu"), (128, 4, "relu")):
        hidden = layers.Conv1D(filters, width)(hidden)
        hidden = layers.Activation(function)(layers.BatchNormalization()(hidden))
        hidden = layers.MaxPooling1D(pool_size=2)(hidden)
    hidden = layers.Conv1D(64, 1)(hidden)
    for block in range(9):
        beside = layers.Conv1D(64, 3, padding="same", dilation_rate=2**block)(hidden)
        beside = layers.Activation("relu")(layers.BatchNormalization()(beside))
        hidden = layers.BatchNormalization()(layers.Add()([hidden, beside]))
        hidden = layers.Activation("relu")(hidden)
    hidden = layers.MaxPooling1D(pool_size=2)(hidden)
    profile = layers.BatchNormalization()(layers.Dense(1000)(layers.Flatten()(hidden)))
    profile = layers.Dropout(0.3, name="shape")(layers.Activation("relu")(profile))
    quantity = layers.BatchNormalization()(layers.Dense(1)(layers.GlobalAvgPool1D()(hidden)))
    quantity = layers.Dropout(0.3, name="sum")(layers.Activation("relu")(quantity))
    return tf.keras.Model(first, [profile, quantity])


def main() -> None:
    """Write both files."""
    model = network()
    for layer in model.layers:
        layer.set_weights([drawn_array(w.name, tuple(w.shape)) for w in layer.weights])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.h5"
        model.save(path)
        with h5py.File(path) as file:
            weights = {
                name: {
                    text: list(file[f"model_weights/{name}/{text}"].shape)
                    for text in file[f"model_weights/{name}"].attrs["weight_names"].astype(str)
                }
                for name in file["model_weights"].attrs["layer_names"].astype(str)
            }
            config = json.loads(file.attrs["model_config"])
    CONFIG.write_text(json.dumps({"model_config": config, "weights": weights}) + "\n")
    draw = np.random.default_rng(0)
    bases = 2.0 * np.eye(5, 4, dtype=np.float32)[draw.integers(0, 5, (3, 1000))]
    profile, quantity = model.predict(bases)
    np.savez_compressed(EXPECTED, bases=bases.astype(np.int8), profile=profile, quantity=quantity[:, 0])
    print(model.count_params(), quantity[:, 0], profile.sum(axis=1), (profile > 0).mean())


if __name__ == "__main__":
    main()
