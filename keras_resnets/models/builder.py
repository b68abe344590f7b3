"""What all builders share: the arguments of keras.applications, from the input to the classifier and the weights."""

import inspect
import numbers

import keras

from keras_resnets.errors import ArgumentError
from keras_resnets.weights import load_weights
from keras_resnets.weights.published import resolve

DEFAULT_ACTIVATION = "softmax"


def global_average(x):
    """(B, H, W, C) to (B, C)."""
    return keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)


def image_model(
    trunk,
    *,
    include_top,
    weights,
    input_tensor,
    input_shape,
    pooling,
    classes,
    classifier_activation,
    name,
    default_size,
    minimum_size,
    default_classes=1000,
    head=global_average,
    fixed_size=False,
    extend=None,
):
    """Builds a functional model: input, `trunk`, head and classifier; then loads `weights`.

    Args:
        trunk: function from the image tensor (B, H, W, C) to the last feature map.
        include_top ... name: as in `keras_resnets.ResNet`.
        default_size: side of the input when `input_shape` is None and the classifier is included.
        minimum_size: smallest side of an image, in pixels, so that the last map has one pixel.
        default_classes: the default of `classes`, to tell whether it was given.
        head: function from the last feature map to the classifier's input (B, F).
        fixed_size: whether the classifier needs height and width to be given.
        extend: function from the model to one with more outputs, or None.

    Returns:
        A flat `keras.Model`.
    """
    _check_head(include_top, pooling, classes, classifier_activation, default_classes)
    if input_tensor is not None and not keras.backend.is_keras_tensor(input_tensor):
        raise ArgumentError(f"input_tensor is a {type(input_tensor).__name__}: pass a Keras tensor, as of keras.Input.")
    image = input_tensor
    if image is None:
        default_shape = (default_size, default_size, 3) if include_top else (None, None, 3)
        image = keras.Input(input_shape or default_shape)
    _check_image(image, input_tensor, input_shape, minimum_size, include_top and fixed_size)
    x = trunk(image)
    if include_top:
        x = classifier(head(x), classes, classifier_activation)
    elif pooling == "avg":
        x = global_average(x)
    elif pooling == "max":
        x = keras.layers.GlobalMaxPooling2D(name="max_pool")(x)
    inputs = keras.utils.get_source_inputs(image)
    model = keras.Model(inputs[0] if len(inputs) == 1 else inputs, x, name=name)
    if extend is not None:
        model = extend(model)
    if weights is not None:
        load_weights(model, weights)
    return model


def classifier(x, classes, activation, name="predictions"):
    """The last layer; its softmax is in full precision also under a mixed policy."""
    dtype = keras.config.dtype_policy().variable_dtype
    return keras.layers.Dense(int(classes), activation=activation, dtype=dtype, name=name)(x)


def check_dropout(dropout_rate, include_top, default):
    """Raises ArgumentError for a rate that cannot work."""
    if not isinstance(dropout_rate, numbers.Real) or not 0 <= dropout_rate < 1:
        raise ArgumentError(f"dropout_rate={dropout_rate!r} must be in [0, 1).")
    if not include_top and dropout_rate != default:
        raise ArgumentError(f"dropout_rate={dropout_rate} has no effect with include_top=False: leave it out.")


def _check_head(include_top, pooling, classes, classifier_activation, default_classes):
    if pooling not in (None, "avg", "max"):
        raise ArgumentError(f"pooling={pooling!r} is unknown: use None, 'avg' or 'max'.")
    if not isinstance(classes, numbers.Integral) or classes < 1:
        raise ArgumentError(f"classes={classes!r} must be a positive integer.")
    if not include_top and classes != default_classes:
        raise ArgumentError(f"classes={classes} has no effect with include_top=False: leave it out.")
    if not include_top and classifier_activation != DEFAULT_ACTIVATION:
        raise ArgumentError(
            f"classifier_activation={classifier_activation!r} has no effect with include_top=False: leave it out."
        )


def _check_image(image, input_tensor, input_shape, minimum_size, fixed_size):
    if keras.config.image_data_format() != "channels_last":
        raise ArgumentError(
            "keras.config.image_data_format() is 'channels_first', and these nets are channels last: "
            "call keras.config.set_image_data_format('channels_last')."
        )
    shape = tuple(image.shape[1:])
    if input_tensor is not None and input_shape is not None and tuple(input_shape) != shape:
        raise ArgumentError(f"input_shape={tuple(input_shape)} is not input_tensor's {shape}: leave one of them out.")
    if len(shape) != 3 or shape[-1] is None:
        raise ArgumentError(f"input_shape={shape} must be (height, width, channels), with the channels given.")
    if any(side is not None and side < minimum_size for side in shape[:2]):
        raise ArgumentError(
            f"input_shape={shape} is too small: height and width must be at least {minimum_size} pixels, or None."
        )
    if fixed_size and None in shape:
        raise ArgumentError(
            f"input_shape={shape} must have a height and a width: this classifier is for maps of one size."
        )


RESOLVING = ("include_top", "classes", "width", "stem")  # arguments that say whether published weights fit


def variant(general, function_name, summary, *, name, **fixed):
    """Binds arguments of a general builder, as `functools.partial` does, and gives the result a name and a docstring.

    Args:
        general: the family's builder, e.g. `ResNet`.
        function_name: the public name, e.g. "ResNet50".
        summary: first paragraph of the docstring.
        name: default of the builder's argument `name`; if any, the net's name in the registry.
        **fixed: the arguments that make the variant; they are no longer accepted.

    Returns:
        A function with the remaining arguments of `general`, in their order.
    """
    parameters = inspect.signature(general).parameters
    signature = inspect.Signature(
        [p.replace(default=name) if p.name == "name" else p for p in parameters.values() if p.name not in fixed]
    )

    def build(*args, **kwargs):
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{function_name}() {error}") from None
        given.apply_defaults()
        if name is not None:
            arguments = given.arguments
            choices = {choice: arguments[choice] for choice in RESOLVING if choice in arguments}
            arguments["weights"] = resolve(arguments["weights"], name, **choices)
        return general(**fixed, **given.arguments)

    row = ", ".join(f"{argument}={value!r}" for argument, value in fixed.items())
    build.__name__ = build.__qualname__ = function_name
    build.__module__ = general.__module__
    build.__signature__ = signature
    build.__doc__ = f"{summary}\n\n`{general.__name__}` with {row}; the other arguments are explained there."
    return build
