"""Sweeps by name: which file is meant, here or among those that come with lrdecay."""

import json

import pytest
from helpers.commands import call
from helpers.frames import make_tables, write_folder
from helpers.paths import SWEEPS

from lrdecay.core.errors import InputError
from lrdecay.sweep.reading import load_sweep
from lrdecay.sweep.sweep_file import find_sweep_file, list_shipped

TINY = "dataset: digits\nepochs: 1\nschedulers: {a: {class: constant}}\nseeds: 1\n"
TOP = [
    *("budgets", "digits", "digits_chosen", "families", "families_schedule_free", "fashion_mnist"),
    *("fmnist_resnet20", "mnist", "mnist_one_rate", "tutorial"),
]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty folder, the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---- which file it is


def test_every_sweep_that_comes_with_it_has_a_name():
    shipped = list_shipped()
    assert list(shipped)[: len(TOP)] == TOP
    assert all(name.startswith("published/") for name in list(shipped)[len(TOP) :])
    assert sorted(shipped.values()) == sorted(SWEEPS.rglob("*.yaml"))
    for name, path in shipped.items():
        assert find_sweep_file(name) == path == SWEEPS / f"{name}.yaml"
        assert load_sweep(name).text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", ["digits", "digits.yaml", "digits.yml"])
def test_a_file_here_goes_before_what_comes_with_it(here, file):
    (here / file).write_text(TINY)
    assert find_sweep_file("digits").name == file
    assert not find_sweep_file("digits").is_absolute()
    assert load_sweep("digits").epochs == (1,)
    assert find_sweep_file("mnist") == SWEEPS / "mnist.yaml"


def test_names_work_in_other_folders_and_a_path_with_its_ending_is_never_a_name(here):
    (here / "sub").mkdir()
    (here / "sub" / "mine.yaml").write_text(TINY)
    assert str(find_sweep_file("sub/mine")) == "sub/mine.yaml"
    assert str(find_sweep_file(here / "sub" / "mine.yaml")) == f"{here}/sub/mine.yaml"
    assert str(find_sweep_file("digits.yaml")) == "digits.yaml"  # which is not there


@pytest.mark.parametrize("kind", ["folder", "link to nothing"])
def test_what_is_no_file_hides_a_sweep_only_if_it_is_no_folder(here, kind):
    """A folder of data or results has the name of its sweep; a link that is broken is a mistake."""
    if kind == "folder":
        (here / "digits").mkdir()
        assert find_sweep_file("digits") == SWEEPS / "digits.yaml"
    else:
        (here / "digits").symlink_to("nowhere")
        with pytest.raises(InputError, match=r"^digits: No such file or directory; did you mean"):
            load_sweep("digits")


@pytest.mark.parametrize(
    ("given", "start"),
    [
        ("digit", "sweep 'digit' is unknown; did you mean digits? (choices: budgets, "),
        ("Digits", "sweep 'Digits' is unknown; did you mean digits? (choices: "),
        ("mnist_exampel", "sweep 'mnist_exampel' is unknown; did you mean published/mnist_example"),
        ("qqq", f"sweep 'qqq' is unknown; choices: {', '.join(TOP)}, published/cifar10_3c3d, "),
        ("../shipped/digits", "sweep '../shipped/digits' is unknown; choices: budgets, "),
        ("a\nb", r"sweep 'a\nb' is unknown; choices: "),
        ("a\0b", r"sweep 'a\x00b' is unknown; choices: "),
        ("x" * 5000, "sweep 'xxx"),
    ],
)
def test_an_unknown_name_is_one_error_with_all_names_the_nearest_first(here, given, start):
    with pytest.raises(InputError) as caught:
        load_sweep(given)
    message = str(caught.value)
    assert message.startswith(start)
    assert all(name in message for name in list_shipped())
    assert message.endswith(f"; nor is there a file of that name, with .yaml or without, in {here}")
    assert message.isprintable()


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("digits.yaml", "digits"),
        ("bench/sweeps/mnist.yaml", "mnist"),
        ("published/mnist_example.yml", "published/mnist_example"),
    ],
)
def test_a_path_without_a_file_is_an_error_that_names_the_sweep(given, name):
    with pytest.raises(InputError) as caught:
        load_sweep(given)
    assert str(caught.value) == (
        f"{given}: No such file or directory; did you mean {name}, which comes with lrdecay?"
    )
    with pytest.raises(InputError, match=r"^other\.yaml: No such file or directory$"):
        load_sweep("other.yaml")


# ---- what the commands say and do


def sweeps_trained(monkeypatch) -> list:
    """Have `lrdecay sweep` train nothing; returns the sweeps that it would have trained."""
    trained = []

    def refuse(sweep, *_, **__):
        trained.append(sweep)
        raise InputError("not now")

    monkeypatch.setattr("lrdecay.runner.run_sweep", refuse, raising=False)
    return trained


def test_sweep_and_plan_say_where_the_file_is_unless_it_was_given(here, monkeypatch):
    trained = sweeps_trained(monkeypatch)
    (here / "mine.yaml").write_text(TINY)
    said = {
        "digits": f"Sweep file: {SWEEPS}/digits.yaml\n",
        "published/mnist_example": f"Sweep file: {SWEEPS}/published/mnist_example.yaml\n",
        "mine": "Sweep file: mine.yaml\n",
        "mine.yaml": "",
    }
    for given, line in said.items():
        assert call("sweep", given).stderr == f"{line}lrdecay: not now\n"
    assert [sweep.name for sweep in trained] == ["digits", "mnist_example", "mine", "mine"]
    planned = call("plan", "mine", "--workers", 1)
    assert (planned.exit_code, planned.stderr) == (0, "Sweep file: mine.yaml\n")
    assert "1 cell x 1 seed = 1 run" in planned.stdout


def test_nothing_given_is_sweep_yaml_here_else_the_digits(here, monkeypatch):
    trained = sweeps_trained(monkeypatch)
    taken = f"No sweep.yaml in {here}, so digits, which comes with lrdecay\n"
    assert call("sweep").stderr == f"{taken}Sweep file: {SWEEPS}/digits.yaml\nlrdecay: not now\n"
    assert call("plan", "--device", "nowhere").exit_code == 2  # as with a file
    (here / "mine.yaml").write_text(TINY)  # another name is not guessed at
    assert call("sweep").stderr.startswith(taken)
    (here / "sweep.yaml").write_text(TINY)
    assert call("sweep").stderr == "Sweep file: sweep.yaml\nlrdecay: not now\n"
    assert [sweep.name for sweep in trained] == ["digits", "digits", "sweep"]
    assert trained[0].text == (SWEEPS / "digits.yaml").read_text(encoding="utf-8")


@pytest.mark.usefixtures("empty_figures")
def test_a_small_sweep_of_an_empty_folder_trains_and_is_reported_without_any_name(here):
    (here / "sweep.yaml").write_text(TINY)
    trained = call("sweep", "--workers", 0)
    assert trained.exit_code == 0, trained.output
    assert "results/sweep: 1 run, 1 trained now (0 diverged, 0 failed)" in trained.stdout
    reported = call("report")
    assert (reported.exit_code, reported.stdout) == (0, "results/sweep/report.html\n")
    assert (here / "results" / "sweep" / "report.html").stat().st_size > 10_000


def test_compare_takes_a_name_for_its_results(here):
    folder = write_folder(here / "results" / "digits", make_tables(seeds=8, n_epochs=1))
    expected = call("compare", folder.relative_to(here), "--format", "json")
    assert expected.exit_code == 0, expected.output
    for given in (["digits"], []):
        named = call("compare", *given, "--format", "json")
        assert named.stdout == expected.stdout
        assert json.loads(named.stdout)["contrasts"]
        assert named.stderr.endswith(f"Sweep file: {SWEEPS}/digits.yaml\n")
    elsewhere = call("compare", "mnist")
    assert elsewhere.exit_code == 2
    assert "no results in results/mnist: `lrdecay sweep FILE`" in elsewhere.stderr


def test_a_results_folder_or_file_is_no_name_for_compare_and_report(here):
    write_folder(here / "digits", make_tables(seeds=1, n_epochs=1))
    assert call("compare", "digits").exit_code == 0
    (here / "mnist").write_text(TINY)
    for given in ("mnist", "nowhere", "published"):
        for command in ("compare", "report"):
            refused = call(command, given)
            assert refused.exit_code == 2
            assert refused.stderr.startswith(f"lrdecay: no results in {given}")


def test_the_list_has_every_sweep_with_its_runs_and_says_where_they_are():
    listed = call("sweep", "--list")
    assert listed.exit_code == 0, listed.output
    rows = listed.stdout.splitlines()
    names = list(list_shipped())
    assert [row.split()[0] for row in rows[1 : 1 + len(names)]] == names
    families = load_sweep("families")
    first = ", ".join(list(families.schedulers)[:4])
    runs = families.cells * (len(families.seeds) + 5 * 3)  # five rates, three seeds
    others = len(families.schedulers) - 4
    assert (
        rows[1 + names.index("families")].split()
        == f"families digits {first} and {others} more {runs}".split()
    )
    assert rows[-2] == f"The files are in {SWEEPS}"
    assert "lrdecay plan NAME" in rows[-1]
    assert "unless given sweep.yaml here, else digits." in " ".join(
        call("sweep", "--help").stdout.replace("│", " ").split()
    )
