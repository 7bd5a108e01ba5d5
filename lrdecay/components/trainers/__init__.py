"""Training loops of the user's own: their names, and the values that a sweep file gives them."""

from lrdecay.components.trainers.signature import TRAINERS

__all__ = ["TRAINERS"]
