#!/usr/bin/env python3
"""Makes small Keras models with random weights, inputs, and the outputs that Keras computes for them.

usage: make_keras_models.py FOLDER
Needs keras with TensorFlow (pip install tensorflow-cpu; PyTorch pads means in a way of its own); where
tf_keras is installed too, the models are also written by Keras 2. Writes NAME.h5 or NAME.keras beside
NAME.io.safetensors (input0, output0, ...).
"""

import importlib
import json
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import numpy  # noqa: E402


def cnn(keras):
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(3, 3, activation="relu", padding="same"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Conv2D(4, (2, 3), use_bias=False),
            layers.BatchNormalization(scale=False),
            layers.Activation("tanh"),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(6, activation="sigmoid"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.002), loss="sparse_categorical_crossentropy")
    return model


def shapes(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((11, 12, 2)),
            layers.Rescaling(0.5, offset=-0.25),
            layers.ZeroPadding2D(((1, 0), (2, 1))),
            layers.Conv2D(3, 3, strides=2, padding="same"),
            layers.UpSampling2D((2, 1)),
            layers.Cropping2D(((0, 1), (1, 0))),
            layers.MaxPooling2D(2, strides=2, padding="same"),
            layers.ReLU(),
            layers.AveragePooling2D((2, 1)),
            layers.Reshape((-1, 3)),
            layers.Dense(2),
            layers.Softmax(),
        ]
    )


def graph(keras):
    layers = keras.layers
    left, right = layers.Input((6, 6, 2), name="left"), layers.Input((6, 6, 2), name="right")
    shared = layers.Conv2D(2, 3, padding="same", name="shared")
    a, b = shared(left), shared(right)
    c = shared(layers.Add()([a, b]))
    d = layers.Concatenate()([c, layers.Multiply()([a, b, left])])
    e = layers.GlobalAveragePooling2D()(d)
    f = layers.GlobalMaxPooling2D(keepdims=True)(d)
    return keras.Model([left, right], [layers.Dense(2, activation="relu")(e), f])


def convolutions(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((9, 10, 4)),
            layers.DepthwiseConv2D(3, padding="same", activation="relu"),
            layers.SeparableConv2D(6, (2, 3), depth_multiplier=2, padding="same"),
            layers.Conv2D(8, 3, groups=2, padding="same"),
            layers.Conv2D(4, 2, dilation_rate=2, use_bias=False),
            layers.DepthwiseConv2D((3, 2), strides=2, padding="same", depth_multiplier=2, use_bias=False),
            layers.Conv2DTranspose(5, 3, strides=2, padding="same", activation="tanh"),
            layers.Conv2DTranspose(4, 2, strides=2),
            layers.Conv2DTranspose(3, 3, padding="same", use_bias=False),
            layers.AveragePooling2D(3, strides=2, padding="same"),
            layers.LayerNormalization(epsilon=0.01, center=False),
            layers.Conv2D(2, 3, strides=3, padding="same"),
        ]
    )


def words(keras):
    layers = keras.layers
    words, facts = layers.Input((4,), dtype="int32", name="words"), layers.Input((3,), name="facts")
    normal = layers.Normalization()
    normal.adapt(numpy.array([[1, 2, 3], [4, 6, 3], [0, 1, 3.5]], dtype="f4"))
    rows = layers.LayerNormalization()(layers.Embedding(7, 5)(words))
    both = layers.Concatenate()([layers.Flatten()(rows), normal(facts)])
    return keras.Model([words, facts], layers.Dense(2)(both))


def nested(keras):
    layers = keras.layers
    image = layers.Input((6, 6, 2))
    x = layers.BatchNormalization()(layers.Conv2D(3, 3, name="conv")(image))
    features = keras.Model(image, layers.GlobalAveragePooling2D()(layers.ReLU()(x)), name="features")
    head = keras.Sequential([layers.Dense(4, activation="tanh", name="first"), layers.Dense(2)], name="head")
    left, right = layers.Input((6, 6, 2)), layers.Input((6, 6, 2))
    a, b = features(left, training=False), features(right, training=False)
    features.trainable = False
    return keras.Model([left, right], layers.Add()([head(a), head(b)]))


def activations(keras):
    layers = keras.layers
    x = image = layers.Input((3, 4))
    for each in ("relu6", "elu", "gelu", "swish"):
        x = layers.Dense(5, activation=each)(x)
    x = layers.Rescaling(1.0, offset=-1)(x)
    slope = {"negative_slope" if keras.__version__.startswith("3") else "alpha": 0.15}
    parts = [layers.LeakyReLU(**slope)(x), layers.ELU(0.5)(x), layers.ReLU(max_value=0.5)(x)]
    return keras.Model(image, layers.Concatenate()([*parts, layers.ReLU(negative_slope=0.4)(x)]))


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, values in tensors.items():
        values = numpy.ascontiguousarray(values, dtype="<f4")
        end = len(data) + values.nbytes
        header[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": [len(data), end]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def randomise(model, random):
    values, adapted = [], set()  # Normalization computes with what it adapted to
    for layer in model.layers:
        if type(layer).__name__ == "Normalization":
            adapted.update(id(each) for each in layer.weights)
    for weight, value in zip(model.weights, model.get_weights()):
        if id(weight) in adapted:
            values.append(value)
            continue
        values.append(random.uniform(0.1, 1, value.shape) - 0.4 * (value.ndim > 1))
    model.set_weights(values)


def as_array(keras, tensor):
    return keras.ops.convert_to_numpy(tensor) if hasattr(keras, "ops") else numpy.asarray(tensor)


def input_for(tensor, random):
    shape = (2, *tensor.shape[1:])
    if "int" in str(tensor.dtype):
        return random.integers(0, 7, shape).astype("i4")
    return random.uniform(-1, 1, shape).astype("f4")


def write(keras, make, folder, name, suffix):
    random = numpy.random.default_rng(7)
    model = make(keras)
    randomise(model, random)
    inputs = [input_for(each, random) for each in model.inputs]
    outputs = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    tensors = {f"input{i}": each for i, each in enumerate(inputs)}
    tensors |= {f"output{i}": as_array(keras, each) for i, each in enumerate(outputs)}
    model.save(folder / (name + suffix))
    write_safetensors(folder / (name + ".io.safetensors"), tensors)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for module, version in (("keras", 3), ("tf_keras", 2)):
        try:
            keras = importlib.import_module(module)
        except ImportError:
            continue
        for make in (cnn, shapes, graph, convolutions, words, nested, activations):
            for kind in ("h5", "keras"):
                name = f"keras{version}_{kind}_{make.__name__}"
                write(keras, make, folder, name, "." + kind)


if __name__ == "__main__":
    sys.exit(main() if len(sys.argv) == 2 else __doc__)
