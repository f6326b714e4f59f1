"""R's save format, read back by R."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haploscribe.workflows.export import r_data as rdata
from tests.fixtures.r_session import r_session


def load(objects: Mapping[str, bytes], script: str, folder: Path) -> list[str]:
    """Save objects, load them in R and give what the script prints."""
    rdata.write_rdata(folder / "x.RDat", objects)
    return r_session(f'load("x.RDat"); {script}', folder)


def test_r_finds_each_object_identical_to_its_own(tmp_path: Path) -> None:
    frame = {
        "V1": rdata.integer([1, -2]),
        "V2": rdata.text(["rs1", "é;'\""]),
        "V3": rdata.real(np.array([1.5, 2])),
    }
    objects = {
        "number": rdata.real(np.array([np.pi, -0.0, np.nan, 5e-324, -np.inf])),
        "whole": rdata.integer([2**31 - 1, -(2**31) + 1]),
        "words": rdata.text(["", "a\tb", "é", "NA"]),
        "table": rdata.real_matrix(np.arange(6.0).reshape(3, 2), ["a", "b", "c"], ["x", "y"]),
        "listed": rdata.named_list({"one": rdata.real(np.array([1.0])), "two": rdata.text(["b"])}),
        "frame": rdata.data_frame(frame, 2),
    }
    script = r"""
    words. <- c("", "a\tb", "\u00e9", "NA")
    table. <- matrix(c(0, 2, 4, 1, 3, 5), 3, dimnames = list(c("a", "b", "c"), c("x", "y")))
    frame. <- data.frame(V1 = c(1L, -2L), V2 = c("rs1", "\u00e9;'\""), V3 = c(1.5, 2))
    cat(identical(number, c(pi, -0, NA, 5e-324, -Inf), num.eq = FALSE),
        identical(whole, c(.Machine$integer.max, -.Machine$integer.max)),
        identical(words, words.) && !anyNA(words),
        identical(table, table.),
        identical(listed, list(one = 1, two = "b")),
        identical(frame, frame.), sep = "\n")
    """
    assert load(objects, script, tmp_path) == ["TRUE"] * 6


def test_matrices_without_rows_or_columns_load(tmp_path: Path) -> None:
    objects = {"m": rdata.real_matrix(np.zeros((0, 2)), [], ["x", "y"]), "f": rdata.data_frame({}, 0)}
    assert load(objects, "cat(dim(m), dim(f))", tmp_path) == ["0 2 0 0"]


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(words=st.lists(texts, min_size=30), numbers=st.lists(st.floats(allow_nan=False), min_size=30))
def test_r_reads_any_text_and_number_to_the_bit(
    words: list[str], numbers: list[float], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("r")
    objects = {"w": rdata.text(words), "n": rdata.real(np.array(numbers))}
    script = r"""
    writeLines(vapply(w, function(x) paste(charToRaw(x), collapse = ""), ""))
    writeLines(apply(matrix(writeBin(n, raw(), endian = "big"), 8), 2, paste, collapse = ""))
    """
    expected = [word.encode().hex() for word in words] + [np.array(x, ">f8").tobytes().hex() for x in numbers]
    assert load(objects, script, folder) == expected


def test_the_same_objects_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        rdata.write_rdata(tmp_path / name, {"x": rdata.real(np.arange(9.0))})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
