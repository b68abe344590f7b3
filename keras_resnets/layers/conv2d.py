"""A convolution whose 1x1 kernel can have strides on all processors."""

import keras


@keras.saving.register_keras_serializable(package="keras_resnets")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, which with a 1x1 kernel takes every `strides`-th pixel first, and then has no strides.

    The function is the same. In TensorFlow 2.21 with oneDNN, which is the default on processors with AVX-512, the
    gradient of a 1x1 kernel with strides damages memory when there are few channels, and ends the process. So the nets
    and detectors of this package use this layer for each convolution whose strides are larger than its kernel. A
    pooling of one pixel takes the pixels: the gradient of a slice takes longer than the convolution's.

    The layer has the name of Keras's layer, since files of weights name layers by their class.

    With a 1x1 kernel, the input is (B, H, W, C) and the output (B, ceil(H / strides), ceil(W / strides), filters), both
    of a floating dtype. For arguments and other shapes, see `keras.layers.Conv2D`.
    """

    def convolution_op(self, inputs, kernel):
        """Returns the convolution of inputs and kernel, without bias: Keras calls it."""
        if self.kernel_size != (1, 1) or self.strides == (1, 1):
            return super().convolution_op(inputs, kernel)
        pixels = keras.ops.average_pool(inputs, 1, self.strides, data_format=self.data_format)
        return keras.ops.conv(pixels, kernel, data_format=self.data_format)


def skips_pixels(layer: keras.Layer) -> bool:
    """Returns whether a layer asks TensorFlow for a convolution whose strides are larger than its kernel."""
    return (
        isinstance(layer, keras.layers.Conv2D)
        and any(stride > size for stride, size in zip(layer.strides, layer.kernel_size))
        and not (isinstance(layer, Conv2D) and layer.kernel_size == (1, 1))
    )
