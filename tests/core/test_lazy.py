"""A package that imports what it offers only when it is asked for."""

from importlib import import_module

from lrdecay.core.lazy import make_lazy


def test_a_module_without_names_is_offered_itself():
    get, names_in, offered = make_lazy("lrdecay.core", {"text": "", "run": "Run SEMANTICS"})
    assert offered == names_in() == ["Run", "SEMANTICS", "text"]
    assert get("text") is import_module("lrdecay.core.text")
    assert get("Run") is import_module("lrdecay.core.run").Run
