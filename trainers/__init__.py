"""Command lines that train, evaluate, export and use the nets of `keras_resnets`."""

from trainers.runtime import deferred, quiet_start

if quiet_start.is_command():
    deferred.defer()
