"""What all builders share: the arguments of keras.applications, from the input to the classifier and the weights.

A family is a function with its own arguments, decorated with `builder`, which adds those of keras.applications. The
function defines the trunk and calls `image_model`. A member of a family is a `variant` of it.
"""

import functools
import inspect
import numbers
import os
import re
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, TypedDict, TypeVar

import keras

from keras_resnets.errors import ArgumentError, check_choice
from keras_resnets.models.blocks import classifier, global_average, global_maximum
from keras_resnets.weights import load_weights
from keras_resnets.weights.published import resolve


class KerasArguments(TypedDict, total=False):
    """The arguments of keras.applications, in its order; `DEFAULTS` and `DOCUMENTATION` belong to them."""

    include_top: bool
    weights: str | os.PathLike[str] | None
    input_tensor: keras.KerasTensor | None
    input_shape: Sequence[int | None] | None
    pooling: str | None
    classes: int
    classifier_activation: str | Callable | None
    name: str | None


DEFAULTS: KerasArguments = {
    "include_top": True,
    "weights": None,
    "input_tensor": None,
    "input_shape": None,
    "pooling": None,
    "classes": 1000,
    "classifier_activation": "softmax",
    "name": None,
}
DOCUMENTATION = """\
include_top: whether to end in the pooling and the classifier.
    weights: None for random weights; the path of a file: see `keras_resnets.weights.load_weights`; or published ones,
        which are downloaded once and kept: "imagenet", a tag of `keras_resnets.list_weights(net)`, such as
        "timm:resnet50.a1_in1k", or a repository of the Hugging Face Hub, such as "hf://timm/resnet50.a1_in1k".
    input_tensor: Keras tensor to use as the image, or None.
    input_shape: (height, width, channels), with None for a height or width that may change; by default
        ({size}, {size}, 3), or (None, None, 3) without the classifier.
    pooling: without the classifier, None for the last map (B, h, w, C), "avg" or "max" for the pooled map (B, C). With
        the classifier, it has no effect, as in keras.applications.
    classes: number of classes.
    classifier_activation: "softmax", or None for logits.
    name: name of the model."""
MARKER = "{keras_arguments}"  # in a family's docstring, where DOCUMENTATION belongs
RESULT = """

Returns:
    A `keras.Model` with output (B, classes); without the classifier, see `pooling`.

Raises:
    ArgumentError: (a ValueError) for an argument that cannot work."""
OF_THE_HEAD = ("classes", "classifier_activation", "dropout_rate", "auxiliary_head")  # no effect without classifier

Family = TypeVar("Family", bound=Callable[..., keras.Model])


def builder(name: str | None = None, *, size: int = 224, classes: int = 1000) -> Callable[[Family], Family]:
    """Returns a decorator that adds the arguments of keras.applications to a function that builds a net.

    The function takes them as `**arguments: Unpack[KerasArguments]`, all of them and checked, and passes them on to
    `image_model`. The decorated function takes them after the function's positional arguments, by position or by name.
    Its signature and docstring have them all; in the docstring, they replace `MARKER` at the beginning of a line under
    "Args:", which is the last section.

    Args:
        name: default of `name`, and the net's name in the registry, for published weights; None if the function sets
            both.
        size: side of the default image, in pixels.
        classes: default of `classes`.
    """
    defaults = {**DEFAULTS, "classes": classes, "name": name}
    types = inspect.get_annotations(KerasArguments)
    added = [
        inspect.Parameter(key, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=value, annotation=types[key])
        for key, value in defaults.items()
    ]

    def decorate(function: Family) -> Family:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        positional = [p for p in own if p.kind is not p.KEYWORD_ONLY]
        signature = signature.replace(parameters=[*positional, *added, *own[len(positional) :]])

        @functools.wraps(function)
        def build(*args, **kwargs):
            arguments = _bound(signature, function.__name__, args, kwargs)
            _check(arguments, signature.parameters)
            if arguments["input_tensor"] is None and arguments["input_shape"] is None:
                arguments["input_shape"] = (size, size, 3) if arguments["include_top"] else (None, None, 3)
            if name is not None:
                arguments["weights"] = resolve(arguments["weights"], name, arguments)
            return function(**arguments)

        own_documentation = inspect.cleandoc(function.__doc__ or "")
        build.__doc__ = own_documentation.replace(MARKER, DOCUMENTATION.format(size=size)) + RESULT
        return _with_signature(build, signature)

    return decorate


def variant(
    family: Callable[..., keras.Model],
    function_name: str,
    summary: str,
    *,
    name: str | None,
    hidden: Sequence[str] = (),
    **fixed: Any,
) -> Callable[..., keras.Model]:
    """Returns a builder with some arguments of a family's builder bound, as `functools.partial` does.

    Args:
        family: the family's builder, e.g. `ResNet`.
        function_name: the public name, e.g. "ResNet50".
        summary: first paragraph of the docstring.
        name: default of the argument `name`, and the net's name in the registry, for published weights; None if the
            family sets both.
        hidden: names of arguments that have no effect on the variant; it does not accept them, either.
        **fixed: the arguments that make the variant; it does not accept them.
    """
    parameters, left_out = inspect.signature(family).parameters, {*fixed, *hidden}
    signature = inspect.Signature(
        [p.replace(default=name) if p.name == "name" else p for p in parameters.values() if p.name not in left_out],
        return_annotation=keras.Model,
    )

    def build(*args, **kwargs):
        arguments = _bound(signature, function_name, args, kwargs)
        if name is not None:
            arguments["weights"] = resolve(arguments["weights"], name, arguments)
        return family(**fixed, **arguments)

    row = ", ".join(f"{argument}={value!r}" for argument, value in fixed.items())
    build.__name__ = build.__qualname__ = function_name
    build.__module__ = family.__module__
    arguments = _documented_arguments(family, left_out)
    build.__doc__ = f"{summary}\n\n`{family.__name__}` with {row}.\n\nArgs:\n{arguments}{RESULT}"
    return _with_signature(build, signature)


def image_model(
    trunk: Callable[[keras.KerasTensor], keras.KerasTensor],
    arguments: KerasArguments,
    *,
    minimum_size: int,
    default_name: str | None = None,
    head: Callable[[keras.KerasTensor], keras.KerasTensor] = global_average,
    fixed_size: bool = False,
    extend: Callable[[keras.Model], keras.Model] | None = None,
) -> keras.Model:
    """Builds a functional model of input, `trunk`, head and classifier, and loads its weights.

    Args:
        trunk: function from the image tensor (B, H, W, C) to the last feature map.
        arguments: of keras.applications, as `builder` completes them.
        minimum_size: smallest side of an image, in pixels, so that the last map has one pixel.
        default_name: the model's name if the arguments have none.
        head: function from the last feature map to the classifier's input (B, F).
        fixed_size: whether the classifier needs images of a given height and width.
        extend: function from the model to one with more outputs, or None.

    Returns:
        A flat `keras.Model`.

    Raises:
        ArgumentError: (a ValueError) for an image that the net cannot take, or weights that do not fit.
    """
    include_top = arguments["include_top"]
    image = _image(arguments, minimum_size, include_top and fixed_size)
    x = trunk(image)
    if include_top:
        x = classifier(head(x), arguments["classes"], arguments["classifier_activation"])
    elif arguments["pooling"] == "avg":
        x = global_average(x)
    elif arguments["pooling"] == "max":
        x = global_maximum(x)
    inputs = keras.utils.get_source_inputs(image)
    model = keras.Model(inputs[0] if len(inputs) == 1 else inputs, x, name=arguments["name"] or default_name)
    if extend is not None:
        model = extend(model)
    if arguments["weights"] is not None:
        load_weights(model, arguments["weights"])
    return model


def _with_signature(function: Any, signature: inspect.Signature) -> Any:
    function.__signature__ = signature
    function.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()} | {"return": keras.Model}
    return function


def _documented_arguments(family: Callable, left_out: Set[str]) -> str:
    """Returns the lines below "Args:" in a family's docstring, without those of the arguments that are left out."""
    lines = (family.__doc__ or "").partition("\nArgs:\n")[2].removesuffix(RESULT)
    entries = re.split(r"\n(?=    \w)", lines)
    return "\n".join(entry for entry in entries if not {*entry.partition(":")[0].strip().split(", ")} <= left_out)


def _bound(signature: inspect.Signature, function_name: str, args: tuple, kwargs: dict) -> dict[str, Any]:
    """Returns all arguments by name, with the defaults of those that were not given."""
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{function_name}() {error}") from None
    bound.apply_defaults()
    return bound.arguments


def _check(arguments: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter]) -> None:
    """Raises ArgumentError for arguments that cannot work, whatever the net."""
    check_choice("pooling", arguments["pooling"], [None, "avg", "max"])
    classes, dropout_rate = arguments["classes"], arguments.get("dropout_rate", 0)
    if not isinstance(classes, numbers.Integral) or classes < 1:
        raise ArgumentError(f"classes={classes!r} must be a positive integer.")
    if not isinstance(dropout_rate, numbers.Real) or not 0 <= float(dropout_rate) < 1:
        raise ArgumentError(f"dropout_rate={dropout_rate!r} must be in [0, 1).")
    for name in OF_THE_HEAD:
        if not arguments["include_top"] and name in arguments and arguments[name] != parameters[name].default:
            raise ArgumentError(f"{name}={arguments[name]!r} has no effect with include_top=False: leave it out.")


def _image(arguments: KerasArguments, minimum_size: int, fixed_size: bool) -> keras.KerasTensor:
    """Returns the image tensor, or raises ArgumentError for one that the net cannot take."""
    if keras.config.image_data_format() != "channels_last":
        raise ArgumentError(
            "keras.config.image_data_format() is 'channels_first', and these nets are channels last: "
            "call keras.config.set_image_data_format('channels_last')."
        )
    image, input_shape = arguments["input_tensor"], arguments["input_shape"]
    if image is None:
        image = keras.Input(input_shape)
    elif not keras.backend.is_keras_tensor(image):
        raise ArgumentError(f"input_tensor is a {type(image).__name__}: pass a Keras tensor, such as keras.Input's.")
    shape = tuple(image.shape[1:])
    if input_shape is not None and tuple(input_shape) != shape:
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
    return image
