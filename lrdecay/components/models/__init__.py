"""Networks, and the dropout in them."""

from lrdecay.components.models.spec import ModelSpec as ModelSpec
