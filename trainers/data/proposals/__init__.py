"""Region proposals that are computed outside of the net."""
