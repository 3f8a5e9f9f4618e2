"""Without its library an index can be imported, and says how to install it when it is made."""

import sys

import pytest

from torch_rechub.serving import builder_factory
from torch_rechub.utils.match import Annoy, Faiss, Milvus
from warm_python import run_script


@pytest.mark.parametrize(
    ("make", "name", "library", "extra"),
    [
        (lambda: builder_factory("annoy", d=8), "AnnoyBuilder", "annoy", "annoy"),
        (lambda: builder_factory("faiss"), "FaissBuilder", "faiss", "faiss"),
        (lambda: builder_factory("milvus", d=8), "MilvusBuilder", "pymilvus", "milvus"),
        (lambda: builder_factory("usearch"), "UsearchBuilder", "usearch", "usearch"),
        (Annoy, "Annoy", "annoy", "annoy"),
        (lambda: Faiss(8), "Faiss", "faiss", "faiss"),
        (Milvus, "Milvus", "pymilvus", "milvus"),
    ],
)
def test_each_names_the_command_that_installs_its_library(make, name, library, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)  # as if it were not installed
    with pytest.raises(ImportError) as raised:
        make()
    assert str(raised.value) == f'{name} needs {library}: pip install "rechub-core[{extra}]"'


def test_importing_loads_no_library():
    code = """
import sys, torch_rechub.serving, torch_rechub.utils.match
print([name for name in ("annoy", "faiss", "pymilvus", "usearch") if name in sys.modules])
"""
    done = run_script(["-c", code])
    assert done.stdout.strip() == "[]", done.stderr
