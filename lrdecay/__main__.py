"""``python -m lrdecay`` is the command line."""

from lrdecay.cli import main

main()
