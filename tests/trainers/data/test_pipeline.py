"""Batches."""

import numpy as np
import pytest
from labelled_images import as_is, context, labels_and_seeds

from trainers.data.classification_dataset import grayscale_split
from trainers.data.pipeline import evaluation_batches, training_batches
from trainers.data.registry import open_dataset


def numbered(count):
    return grayscale_split(np.zeros((count, 2, 2), "uint8"), np.arange(count))


def test_every_epoch_holds_each_example_once_in_a_new_order():
    batches, seeds = labels_and_seeds(training_batches(numbered(10), as_is, batch_size=4, first_step=0, seed=3).take(5))
    stream = sum(batches, [])
    assert sorted(stream[:10]) == sorted(stream[10:]) == list(range(10)) and stream[:10] != stream[10:]
    assert len({tuple(seed) for batch in seeds for seed in batch}) == 20


def test_a_resumed_stream_goes_on_where_it_stopped():
    def batches(first_step, seed=3):
        return labels_and_seeds(
            training_batches(numbered(10), as_is, batch_size=4, first_step=first_step, seed=seed).take(8 - first_step)
        )

    for first_step in (1, 2, 3, 5, 8):
        assert batches(first_step) == tuple(part[first_step:] for part in batches(0))
    assert batches(0) != batches(0, seed=4)


def test_batches_larger_than_the_data_set():
    batches, _ = labels_and_seeds(training_batches(numbered(3), as_is, batch_size=7, first_step=0, seed=0).take(2))
    assert [len(batch) for batch in batches] == [7, 7] and set(batches[0]) == {0, 1, 2}


@pytest.mark.parametrize("machines, replicas_each", [(1, 2), (2, 1), (2, 3)])
def test_replicas_share_the_batches_of_one_device(machines, replicas_each):
    def batches(context, count):
        stream = training_batches(numbered(30), as_is, batch_size=12, first_step=1, seed=3, context=context)
        return labels_and_seeds(stream.take(count))[0]

    steps = batches(None, 4)
    shares = [batches(context(machines, i, replicas_each), 4 * replicas_each) for i in range(machines)]
    for step, batch in enumerate(steps):
        parts = [share[step * replicas_each : (step + 1) * replicas_each] for share in shares]
        assert sum((labels for part in parts for labels in part), []) == batch


@pytest.mark.parametrize("size", [1, 7, 10, 12])
@pytest.mark.parametrize("machines, replicas_each", [(1, 1), (1, 3), (2, 1), (3, 2)])
def test_evaluation_sees_every_example_once_in_full_batches(size, machines, replicas_each):
    lengths, seen = set(), []
    for machine in range(machines):
        batches = list(
            evaluation_batches(numbered(size), as_is, batch_size=2, context=context(machines, machine, replicas_each))
        )
        lengths.add(len(batches))
        for batch in batches:
            assert batch["label"].shape == (2,)
            seen += batch["label"].numpy()[batch["weight"] > 0].tolist()
    assert sorted(seen) == list(range(size))
    # All replicas have the same number of batches.
    assert len(lengths) == 1 and lengths.pop() % replicas_each == 0


def test_pipelines_are_not_tuned_by_tensorflow():
    """Its tuner can keep an iterator that has ended for as long again."""
    split = open_dataset("digits").test
    assert not split.keys(None).options().autotune.enabled
    training = training_batches(split, as_is, batch_size=4, first_step=0, seed=0)
    evaluation = evaluation_batches(split, lambda example: {"label": example["label"]}, batch_size=4)
    assert not training.options().autotune.enabled and not evaluation.batch(2).options().autotune.enabled
