"""Finding and loading the compiled kernel, and what is said where that fails."""

import re

import pytest
from helpers import kernels
from helpers.kernels import compile_kernel, find_compiler, is_there, need_kernel

from lrdecay.engine.native import library
from lrdecay.engine.native.library import VARIANTS, KernelError, explain_absence, load_kernel

HELP = "install a C++ compiler (such as g++), and lrdecay again from its sources"


@pytest.fixture
def _forgotten():
    """What was loaded is loaded anew, before and after."""
    load_kernel.cache_clear()
    yield
    load_kernel.cache_clear()


def test_each_variant_is_what_it_says(variant):
    table = load_kernel(variant)
    assert table.number_bytes == 4
    assert table.lanes == {"avx512": 16, "avx2": 8, "portable": 4}[variant]


@pytest.mark.usefixtures("needs_kernel")
def test_the_fastest_variant_is_taken():
    fastest = next(filter(is_there, VARIANTS))
    assert load_kernel().lanes == load_kernel(fastest).lanes
    assert is_there("portable")
    assert explain_absence() is None


@pytest.mark.usefixtures("needs_kernel", "_forgotten")
def test_slower_variants_are_there_for_other_processors(monkeypatch):
    """As a processor without AVX-512 has it, and one with neither."""
    for known in (("avx2", "portable"), ("portable",)):
        load_kernel.cache_clear()
        monkeypatch.setattr(library, "VARIANTS", ("unheard_of", *known))
        assert load_kernel().lanes in {8, 4}
    assert load_kernel().lanes == 4


@pytest.mark.usefixtures("needs_kernel")
def test_a_variant_that_is_not_there_is_an_error():
    with pytest.raises(KernelError, match=r"^this processor cannot run its variant sse9$"):
        load_kernel("sse9")


@pytest.mark.usefixtures("_forgotten")
def test_a_library_that_was_not_compiled_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(library, "_FOLDER", tmp_path)
    expected = f"its kernel was not compiled when lrdecay was installed; {HELP}"
    with pytest.raises(KernelError, match=f"^{re.escape(expected)}$"):
        load_kernel()
    assert explain_absence() == expected


@pytest.mark.usefixtures("_forgotten")
def test_a_file_that_is_no_library_is_said(monkeypatch, tmp_path):
    path = tmp_path / "_kernel.abi3.so"
    path.write_text("no library")
    monkeypatch.setattr(library, "_FOLDER", tmp_path)
    said = explain_absence()
    assert said.startswith(f"{path} cannot be loaded (")
    assert said.endswith(f"); {HELP}")


@pytest.mark.slow
def test_a_library_of_something_else_is_said(tmp_path):
    source = tmp_path / "other.cpp"
    source.write_text("int other() { return 0; }")
    path = kernels._compile(tmp_path / "other.so", source)
    with pytest.raises(
        KernelError, match=r"other\.so cannot be loaded \(.*lrdecay_find_kernel.*\)"
    ):
        load_kernel(path=path)


@pytest.mark.slow
def test_a_library_of_another_version_is_said(tmp_path):
    old = tmp_path / "old.cpp"
    old.write_text(
        "const long long table[] = {4, 16};  // as it began before it had a number\n"
        'extern "C" const void* lrdecay_find_kernel(const char*) { return table; }\n'
    )
    path = kernels._compile(tmp_path / "old.so", old)
    with pytest.raises(KernelError) as raised:
        load_kernel(path=path)
    assert str(raised.value) == f"{path} is of another version of lrdecay; {HELP}"


@pytest.mark.slow
def test_a_library_elsewhere_can_be_named(tmp_path):
    path = compile_kernel(tmp_path, "-O0")
    assert load_kernel("portable", path).lanes == 4
    assert path.read_bytes() != (library._find_library() or tmp_path / "other.cpp").read_bytes()


def test_a_kernel_is_missed_where_there_is_a_compiler(monkeypatch):
    """So a build that is broken fails the tests, and does not leave them out."""
    monkeypatch.setattr(kernels, "explain_absence", lambda: "none was compiled")
    monkeypatch.setattr(kernels, "find_compiler", lambda: "/usr/bin/g++")
    with pytest.raises(pytest.fail.Exception, match="a compiler is here, and no kernel: none was"):
        need_kernel()
    monkeypatch.setattr(kernels, "find_compiler", lambda: None)
    with pytest.raises(pytest.skip.Exception, match=r"^none was compiled$"):
        need_kernel()


def test_a_compiler_called_false_is_none(monkeypatch, tmp_path):
    for name in ("g++", "cc+"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for given, found in [
        ({}, "g++"),
        ({"CXX": "false"}, None),
        ({"CXX": "cc+ -m64"}, "cc+"),
        ({"CXX": "not_there"}, "g++"),
    ]:
        with monkeypatch.context() as patch:
            patch.delenv("CXX", raising=False)
            for name, value in given.items():
                patch.setenv(name, value)
            assert find_compiler() == (found and str(tmp_path / found))
