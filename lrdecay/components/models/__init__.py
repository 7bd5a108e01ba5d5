"""Networks, and the dropout in them."""

from lrdecay.components.models.spec import ModelSpec

__all__ = ["ModelSpec"]
