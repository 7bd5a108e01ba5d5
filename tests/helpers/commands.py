"""Commands, called in this process."""

from typer.testing import CliRunner

from lrdecay.cli.app import app


def call(*arguments: object):
    """Run a command in this process; its output lines are not wrapped."""
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(a) for a in arguments])
