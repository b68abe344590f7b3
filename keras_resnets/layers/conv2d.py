"""A convolution that can have strides without leaving pixels out by itself."""

import keras


@keras.saving.register_keras_serializable(package="keras_resnets")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, but with a 1x1 kernel it takes every `strides`-th pixel first, and has no strides then.

    That is the same function. The gradient of a 1x1 kernel with strides damages memory inside of TensorFlow 2.21 with
    oneDNN, which is on by itself on processors with AVX-512, when there are few channels, and ends the process. So no
    net or detector of this package has another layer than this one for a convolution whose strides are larger than its
    kernel. The pixels are taken by a pooling of one pixel: the gradient of a slice takes longer than the convolution's.

    It has the name of Keras's layer, since files of weights name layers by their class.

    Input and output (B, H, W, C) and (B, ceil(H / strides), ceil(W / strides), filters) of a floating dtype, with a 1x1
    kernel; arguments and other shapes: see `keras.layers.Conv2D`.
    """

    def convolution_op(self, inputs, kernel):
        """Returns the convolution of inputs and kernel, without bias: Keras calls it."""
        if self.kernel_size != (1, 1) or self.strides == (1, 1):
            return super().convolution_op(inputs, kernel)
        pixels = keras.ops.average_pool(inputs, 1, self.strides, data_format=self.data_format)
        return keras.ops.conv(pixels, kernel, data_format=self.data_format)


def skips_pixels(layer):
    """Returns whether a layer asks TensorFlow for a convolution whose strides are larger than its kernel."""
    return (
        isinstance(layer, keras.layers.Conv2D)
        and any(stride > size for stride, size in zip(layer.strides, layer.kernel_size))
        and not (isinstance(layer, Conv2D) and layer.kernel_size == (1, 1))
    )
