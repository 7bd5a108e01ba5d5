"""One file per command."""

from lrdecay.cli.app import app, main

__all__ = ["app", "main"]
