#!/usr/bin/env bash
# A convolution of a batch without images, as a replica has in the last step of an epoch with too few for all replicas.
#
# Guess: the result is empty, and has the shape that it has for other batches: (0, 32, 48, 8) of (0, 70, 102, 3).
# Seen:  with oneDNN, the default on processors with AVX-512, it has the shape of the input, (0, 70, 102, 3), and
#        the next layer fails ("Incompatible shapes: [8] vs. [0,70,102,3]"). Without oneDNN the shape is right.
#        A step must not run on an empty batch: pad it with an image whose loss has no weight, or drop the remainder.
# With:  tensorflow 2.21.0, Python 3.11, a processor with AVX-512.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet tensorflow==2.21.0
cat > "$folder/convolve.py" <<'END'
import tensorflow as tf


@tf.function(input_signature=[tf.TensorSpec([None, 70, 102, 3])])
def convolve(images):
    return tf.nn.conv2d(images, tf.zeros([7, 7, 3, 8]), 2, "VALID")


for count in (1, 0):
    print(count, "images:", *convolve(tf.zeros([count, 70, 102, 3])).shape)
END
seen=$(for onednn in 1 0; do
  echo "oneDNN $onednn"
  TF_ENABLE_ONEDNN_OPTS=$onednn "$folder/env/bin/python" "$folder/convolve.py" 2> /dev/null
done)
echo "$seen"
diff <(echo "$seen") - <<'END'
oneDNN 1
1 images: 1 32 48 8
0 images: 0 70 102 3
oneDNN 0
1 images: 1 32 48 8
0 images: 0 32 48 8
END
