"""Links in a results folder that someone else made lead nowhere."""

import pytest
from helpers.commands import call
from helpers.folders import TEXT, filled
from helpers.frames import make_tables, write_folder
from helpers.rights import open_folder, without_root

from lrdecay.core.errors import InputError
from lrdecay.report.page import write_report
from lrdecay.store.reader import read_plan, read_runs

SECRET = "# private key of somebody\n"


def test_a_sweep_file_that_is_a_link_is_not_read(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    folder = tmp_path / "theirs"
    filled(folder)
    (folder / "plan.parquet").unlink()
    assert read_plan(folder).sweep_text == TEXT
    (folder / "sweep.yaml").unlink()
    (folder / "sweep.yaml").symlink_to(secret)
    assert read_plan(folder).sweep_text == ""
    assert read_plan(folder).runs == 3


@pytest.mark.usefixtures("empty_figures")
def test_no_report_shows_what_a_link_leads_to(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    folder = write_folder(tmp_path / "theirs", make_tables(("constant", "step"), (0.3,), 2, 1))
    (folder / "sweep.yaml").symlink_to(secret)
    assert SECRET.strip() not in write_report(folder).read_text()


@pytest.mark.parametrize("kind", ["repeats", "export"])
def test_nothing_is_written_where_a_linked_folder_leads(tmp_path, kind):
    folder, elsewhere = tmp_path / "theirs", tmp_path / "elsewhere"
    filled(folder)
    filled(elsewhere)
    for path in elsewhere.rglob("runs.parquet"):
        path.write_bytes(b"damaged")
    (folder / kind).symlink_to(elsewhere)
    there = sorted(elsewhere.rglob("*"))
    commands = {"repeats": ["verify", folder], "export": ["export", folder, "--to", "csv"]}
    result = call(*commands[kind])
    assert (result.exit_code, result.output) == (
        2,
        f"lrdecay: {folder / kind}: a link; a results folder must hold its {kind} itself\n",
    )
    assert sorted(elsewhere.rglob("*")) == there


def test_the_folder_itself_may_be_a_link(tmp_path):
    filled(tmp_path / "s")
    (tmp_path / "link").symlink_to("s")
    assert call("verify", tmp_path / "link").exit_code == 0
    exported = call("export", tmp_path / "link", "--to", "csv")
    assert (exported.exit_code, exported.output) == (0, f"{tmp_path / 'link' / 'export' / 'csv'}\n")
    assert (tmp_path / "s" / "export" / "csv" / "runs.csv").is_file()


def test_a_neighbour_that_nobody_may_look_into_hides_nothing():
    with open_folder() as home:
        (home / "aaa").mkdir(mode=0o700)
        filled(home / "mine")
        with without_root(), pytest.raises(InputError) as caught:
            read_runs(home)
        assert str(caught.value) == (
            f"no results in {home}: give one of the folders in it, such as {home / 'mine'}"
        )
