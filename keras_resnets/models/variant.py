"""Makes the public function of one variant out of a family's general form and a row of its table."""

import inspect

from keras_resnets.weights.published import resolve

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
