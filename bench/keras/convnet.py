"""The talk's program: a small convolutional network learns digits, on Keras.

    python convnet.py [--images N] [--epochs N] [--with settrace|monitoring]

The digits are made here, of MNIST's shape: nothing is fetched. The last line is JSON: seconds of
the training, callbacks of the tracer in this file.
"""

import argparse
import json
import os
import sys
import time

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy


def digits(count):
    """Images of 28 x 28, each class a pattern of its own under noise, and their classes."""
    random = numpy.random.default_rng(0)
    patterns = random.random((10, 28, 28, 1), dtype="float32")
    classes = random.integers(0, 10, count)
    noise = random.random((count, 28, 28, 1), dtype="float32")
    return patterns[classes] * 0.5 + noise * 0.5, keras.utils.to_categorical(classes, 10)


def network():
    """Two convolutions and a dense layer."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


def train(images, epochs):
    """Seconds of the training."""
    x, y = digits(images)
    model = network()
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    begin = time.perf_counter()
    model.fit(x, y, batch_size=128, epochs=epochs, validation_split=0.1, verbose=0)
    return time.perf_counter() - begin


# ---- the talk's tracers: they count, and do nothing else -----------------------------------------

callbacks = 0


def traced(frame, event, arg):
    """For sys.settrace: every event, and the lines within."""
    global callbacks
    callbacks += 1
    return traced


def called(code, offset, callable, arg0):
    """For sys.monitoring: CALL."""
    global callbacks
    callbacks += 1


def switch_on(how):
    if how == "settrace":
        import threading

        threading.settrace(traced)
        sys.settrace(traced)
    elif how == "monitoring":
        events = sys.monitoring.events
        sys.monitoring.use_tool_id(sys.monitoring.PROFILER_ID, "talk")
        sys.monitoring.register_callback(sys.monitoring.PROFILER_ID, events.CALL, called)
        sys.monitoring.set_events(sys.monitoring.PROFILER_ID, events.CALL)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--with", dest="how", choices=("settrace", "monitoring"))
    options = parser.parse_args()
    switch_on(options.how)
    seconds = train(options.images, options.epochs)
    sys.settrace(None)
    print(json.dumps({"seconds": seconds, "callbacks": callbacks}))


if __name__ == "__main__":
    main()
