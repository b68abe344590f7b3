#!/usr/bin/env bash
# A machine without a GPU, TensorFlow's deterministic operations, and XLA.
#
# Guess: on a CPU, `enable_op_determinism` costs speed at most; with `jit_compile=True` a step is compiled as before.
# Seen:  the gradient of max pooling cannot be compiled then, and the error speaks of GPUs:
#        "UnimplementedError: GPU MaxPool gradient ops do not yet have a deterministic XLA implementation."
#        Without XLA, or without determinism, the same gradient is computed. Nearly every net for images pools by maxima,
#        so that a training script that is to be repeatable and compiled ends at its first step.
# With:  tensorflow 2.21.0, keras 3.15.1, Python 3.11, x86-64, no GPU.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet tensorflow==2.21.0 keras==3.15.1
cat > "$folder/gradient.py" <<'END'
import sys

import tensorflow as tf

deterministic, compiled = (word == "True" for word in sys.argv[1:])
if deterministic:
    tf.config.experimental.enable_op_determinism()


@tf.function(jit_compile=compiled)
def gradient(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(tf.nn.max_pool2d(x, 2, 2, "VALID"))
    return tape.gradient(loss, x)


try:
    print(int(tf.reduce_sum(gradient(tf.random.stateless_normal((2, 8, 8, 3), [0, 0])))))
except tf.errors.UnimplementedError as error:
    print(error.message.splitlines()[0])
END
seen=$(for deterministic in False True; do for compiled in False True; do
    echo "deterministic $deterministic, compiled $compiled:" \
        "$("$folder/env/bin/python" "$folder/gradient.py" $deterministic $compiled 2> /dev/null)"
done; done)
echo "$seen"
diff <(echo "$seen") - <<'END'
deterministic False, compiled False: 96
deterministic False, compiled True: 96
deterministic True, compiled False: 96
deterministic True, compiled True: GPU MaxPool gradient ops do not yet have a deterministic XLA implementation.
END
