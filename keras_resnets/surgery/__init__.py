"""Changes to built nets: folded or removed batch normalization, truncated SVD, any image size."""

from keras_resnets.surgery.fold_batch_norm import fold_batch_norm as fold_batch_norm
from keras_resnets.surgery.fully_convolutional import any_size as any_size
from keras_resnets.surgery.fully_convolutional import fully_convolutional as fully_convolutional
from keras_resnets.surgery.graph import stage_outputs as stage_outputs
from keras_resnets.surgery.truncated_svd import truncated_svd as truncated_svd
from keras_resnets.surgery.without_batch_norm import without_batch_normalization as without_batch_normalization
