"""Changes to built nets: folded or removed batch normalization, truncated SVD, any image size."""

from keras_resnets.surgery import fold_batch_norm as fold_batch_norm
from keras_resnets.surgery import fully_convolutional as fully_convolutional
from keras_resnets.surgery import graph as graph
from keras_resnets.surgery import truncated_svd as truncated_svd
from keras_resnets.surgery import without_batch_norm as without_batch_norm
