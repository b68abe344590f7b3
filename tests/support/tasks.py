"""Tasks that several tests train."""

import keras

from trainers.tasks.classification import Classification


def with_dropout(model):
    """Returns the net with dropout before its classifier."""
    *_, pooled, classifier = model.layers
    return keras.Model(model.input, classifier(keras.layers.Dropout(0.5, seed=1)(pooled.output)))


class Dropout(Classification):
    """The task with a random layer in its net."""

    def build_model(self, classifier_activation=None):
        return with_dropout(super().build_model(classifier_activation))
