"""CITATION.cff is valid by the schema 1.2.0, and says what pyproject.toml and LICENSE say."""

import tomllib

import yaml
from helpers.paths import HOME

REQUIRED = {"cff-version", "message", "title", "authors"}
ALLOWED = REQUIRED | {"type", "abstract", "version", "license", "keywords"}
"""Of the keys of the schema those that hold nothing that is not known."""
OF_ENTITY = {"name"}

CITATION = yaml.safe_load((HOME / "CITATION.cff").read_text("utf-8"))
PROJECT = tomllib.loads((HOME / "pyproject.toml").read_text("utf-8"))["project"]


def test_its_keys_are_those_of_the_schema() -> None:
    assert REQUIRED <= CITATION.keys() <= ALLOWED
    assert CITATION["cff-version"] == "1.2.0"
    assert CITATION["type"] in ("software", "dataset")
    texts = ("message", "title", "abstract", "version", "license")
    assert all(isinstance(CITATION[name], str) and CITATION[name] for name in texts)
    keywords = CITATION["keywords"]
    assert all(isinstance(word, str) for word in keywords)
    assert len(set(keywords)) == len(keywords) >= 1


def test_it_says_what_the_project_says() -> None:
    assert CITATION["title"] == PROJECT["name"]
    assert CITATION["version"] == PROJECT["version"]
    assert CITATION["license"] == PROJECT["license"]
    assert CITATION["abstract"] == PROJECT["description"]


def test_its_author_is_the_one_of_the_license_and_nobody_is_invented() -> None:
    (author,) = CITATION["authors"]
    assert author.keys() == OF_ENTITY
    assert f"{author['name']}\n" in (HOME / "LICENSE").read_text("utf-8")
    assert "authors" not in PROJECT  # whom it would have to name
