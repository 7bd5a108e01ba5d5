"""``python -m lrdecay`` is the command line."""

from lrdecay.cli.app import main

main()
