#!/usr/bin/env bash
# The gradient of tf.image.crop_and_resize on a CPU, where many boxes overlap, as regions of a detector do in training.
#
# Guess: it is the sum over the boxes, within the rounding of float32, and the same in each run: it is said to be without
#        a fixed order on GPUs only. (Our region pooling was written on this assumption, which no sentence stated.)
# Seen:  with more than one thread, a part of the sum is lost, another one in each run: 512 boxes of 256 channels on two
#        cores have cells that are off by up to a fifth of the largest gradient. With op determinism, which takes
#        one thread, it is exact. Training does not fail: it is noisier. Compute this gradient otherwise.
# With:  tensorflow 2.21.0, Python 3.11, two cores.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet tensorflow==2.21.0
cat > "$folder/gradient.py" <<'END'
import sys

import numpy as np
import tensorflow as tf

if sys.argv[1] == "deterministic":
    tf.config.experimental.enable_op_determinism()
    tf.keras.utils.set_random_seed(0)
random = np.random.default_rng(0)
corners = random.uniform(0, 0.3, (512, 2))
boxes = tf.constant(np.concatenate([corners, corners + random.uniform(0.3, 0.6, (512, 2))], axis=1), tf.float32)
image = tf.zeros((1, 48, 48, 256))


@tf.function
def gradient():
    with tf.GradientTape() as tape:
        tape.watch(image)
        crops = tf.image.crop_and_resize(image, boxes, tf.zeros(512, tf.int32), (14, 14))
    return tape.gradient(crops, image)


# All channels have the same gradient, whose total is the number of samples: no sample is outside of the image.
wrong = 0
for _ in range(20):
    found = gradient().numpy()
    spread = np.ptp(found, axis=-1).max() / found.max()
    wrong += spread > 0.01
print("lost a part:", "in some runs" if wrong else "never")
END
seen=$(for order in any deterministic; do
  echo "order: $order"
  "$folder/env/bin/python" "$folder/gradient.py" "$order" 2> /dev/null
done)
echo "$seen"
diff <(echo "$seen") - <<'END'
order: any
lost a part: in some runs
order: deterministic
lost a part: never
END
