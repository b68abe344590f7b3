#!/usr/bin/env bash
# `model.fit` of Keras 3 under a mirrored strategy, and a batch that the replicas cannot share evenly.
#
# Guess: as with one device, a batch's loss is the mean over its examples, wherever they are computed.
# Seen:  each replica takes the mean of its own share, and the shares' gradients are averaged as if they were equally
#        large: three examples on two replicas move the weight by 5 instead of 4. If the very first batch of a run is
#        uneven, `fit` raises InvalidArgumentError (AddN: inputs must have the same size and shape).
#        The last batch of an epoch is uneven in most data sets: `drop_remainder=True` in training, or a loop of one's own.
# With:  tensorflow 2.21.0, keras 3.15.1, Python 3.11, two logical CPU devices.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet tensorflow==2.21.0 keras==3.15.1
cat > "$folder/fit.py" <<'END'
import keras
import numpy as np
import tensorflow as tf

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, 2 * [tf.config.LogicalDeviceConfiguration()])
EXAMPLES = np.float32([[1], [1], [2], [0], [0]])  # The last two change nothing.


def weight(strategy, batches):
    """Returns the weight w after steps with learning rate 1 on the squared error of w * x against x, from 0 on."""
    with strategy.scope():
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
        model.compile(keras.optimizers.SGD(1.0), "mse")
    spec = tf.TensorSpec((None, 1))
    pairs = [2 * (EXAMPLES[start:end],) for start, end in batches]
    model.fit(tf.data.Dataset.from_generator(lambda: iter(pairs), output_signature=(spec, spec)), verbose=0)
    return model.get_weights()[0].item()


for name, batches in {"even": [(0, 4)], "uneven, later": [(3, 5), (0, 3)], "uneven, first": [(0, 3)]}.items():
    for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
        try:
            result = weight(tf.distribute.MirroredStrategy(devices), batches)
        except tf.errors.InvalidArgumentError as error:
            result = type(error).__name__
        print(f"{name}: {len(devices)} replicas, {result}")
END
seen=$("$folder/env/bin/python" "$folder/fit.py" 2> /dev/null)
echo "$seen"
diff <(echo "$seen") - <<'END'
even: 1 replicas, 3.0
even: 2 replicas, 3.0
uneven, later: 1 replicas, 4.0
uneven, later: 2 replicas, 5.0
uneven, first: 1 replicas, 4.0
uneven, first: 2 replicas, InvalidArgumentError
END
