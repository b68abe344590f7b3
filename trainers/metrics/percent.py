"""Metrics in words."""


def percent(share: float | None) -> str:
    """Returns a share, from 0 to 1, in percent; "undefined" for None."""
    return "undefined" if share is None else f"{share:.2%}"
