"""AlphaGenome against its package with random weights, and its reading against a network made up for that."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from haploscribe.errors import InputError
from haploscribe.genome.haplotypes import reverse_complement
from haploscribe.zero_shot.alphagenome.configuration import (
    HEADS,
    HUB_FILE,
    HUB_NAMES,
    find_tracks,
    named_tracks,
)
from haploscribe.zero_shot.alphagenome.model import AlphaGenome, AlphaGenomeNetwork, read_alphagenome
from haploscribe.zero_shot.base import one_hot
from haploscribe.zero_shot.configuration import Track
from tests.fixtures.enformer_weights import drawn_sequence
from tests.fixtures.hub import serve, use_hub

WINDOW, WIDTH = 2_048, 6
TSS = WINDOW // 2
pytestmark = pytest.mark.usefixtures("one_thread")


class MadeUpHead(nn.Module):
    """Positive signals of each base from its own embedding."""

    def __init__(self, n_tracks: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(n_tracks, WIDTH))

    def forward(self, embedded: dict[int, Tensor], organism: Tensor) -> dict[int, Tensor]:
        assert (organism.dtype, organism.tolist()) == (torch.long, [0])
        return {1: (self.weights @ embedded[1]).exp().transpose(1, 2)}


class MadeUp(nn.Module):
    """A network in the form of the package's: the embedding of a base is of those near it and of all."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.convolution = nn.Conv1d(4, WIDTH, 9, padding=4)
        self.heads = nn.ModuleDict({head.name: MadeUpHead(head.width) for head in HEADS.values()})

    def encode(
        self, bases: Tensor, organism: Tensor, *, resolutions: tuple[int, ...], channels_last: bool
    ) -> dict[str, Tensor]:
        assert (organism.dtype, organism.tolist()) == (torch.long, [0])
        assert resolutions == (1,)
        assert not channels_last
        near = self.convolution(bases.transpose(1, 2))
        return {"embeddings_1bp": near + 300.0 * near.mean(dim=2, keepdim=True)}


@pytest.fixture
def network() -> MadeUp:
    return MadeUp().eval()


def model(network: nn.Module, *tracks: str) -> AlphaGenome:
    return AlphaGenome(AlphaGenomeNetwork(network, WINDOW), find_tracks(tracks), WINDOW)


def signals(network: MadeUp, sequence: bytes, head: str) -> Tensor:
    """All bases and tracks of a head, float64 `(n_bases, n_tracks)`."""
    with torch.inference_mode():
        bases = torch.from_numpy(one_hot(sequence))[None]
        embedded = network.encode(bases, torch.zeros(1).long(), resolutions=(1,), channels_last=False)
        found = network.heads[HEADS[head].name]({1: embedded["embeddings_1bp"]}, torch.zeros(1).long())
    one: Tensor = found[1][0]
    return one.double()


def with_exons(sequence: bytes, *exons: slice) -> bytes:
    """The sequence with some bases in lower case."""
    letters = bytearray(sequence)
    for exon in exons:
        letters[exon] = letters[exon].lower()
    return bytes(letters)


def test_the_signal_is_summed_over_501_bases_around_the_tss(network: MadeUp) -> None:
    sequence = drawn_sequence(1, WINDOW)
    around = slice(TSS - 250, TSS + 251)
    cage = signals(network, sequence, "CAGE")[around, 156].sum()
    procap = signals(network, sequence, "PROCAP")[around, 5].sum()
    found = model(network, "CAGE:GM12878", "PROCAP:5").predict([sequence])
    np.testing.assert_allclose(found, (cage + procap) / 2, rtol=1e-6)


def test_rna_is_averaged_over_exons_on_both_strands(network: MadeUp) -> None:
    plain, exons = drawn_sequence(7, WINDOW), (slice(5, 30), slice(TSS, TSS + 400), slice(WINDOW - 3, None))
    sequence = with_exons(plain, *exons)
    bases = np.concatenate([np.arange(WINDOW)[exon] for exon in exons])
    own = signals(network, plain, "RNA")[bases, 7].mean()
    turned = signals(network, reverse_complement(plain), "RNA").flip(0)[bases, 9].mean()
    rna = model(network, "RNA:7/9")
    assert rna.reads_exons
    np.testing.assert_allclose(rna.predict([sequence]), own, rtol=1e-6)
    np.testing.assert_allclose(rna.predict([sequence], reverse_complement=True), turned, rtol=1e-6)
    assert rna.predict([plain]) == 0.0  # a haplotype without exons


def test_each_track_is_read_in_its_own_way(network: MadeUp) -> None:
    plain = drawn_sequence(8, WINDOW)
    cage = signals(network, plain, "CAGE")[TSS - 250 : TSS + 251, 156].sum()
    rna = signals(network, plain, "RNA")[40:90, 5].mean()
    both = model(network, "CAGE:GM12878", "RNA:5")
    sequence = with_exons(plain, slice(40, 90))
    expression, signal = both.read(sequence, [(0, 7)])
    np.testing.assert_allclose(expression, [cage, rna], rtol=1e-6)
    np.testing.assert_allclose(signal[0, 1], signals(network, plain, "RNA")[[0, 7], 5], rtol=1e-6)
    np.testing.assert_allclose(both.predict([sequence]), (cage + rna) / 2, rtol=1e-6)
    np.testing.assert_array_equal(both.pseudocounts, [1.0, 0.001])


def test_exons_may_be_more_bases_than_are_read_at_once(network: MadeUp) -> None:
    window = 40_960
    plain, exons = drawn_sequence(9, window), slice(100, 40_000)
    rna = AlphaGenome(AlphaGenomeNetwork(network, window), find_tracks(["RNA:5"]), window)
    expected = signals(network, plain, "RNA")[exons, 5].mean()
    np.testing.assert_allclose(rna.predict([with_exons(plain, exons)]), expected, rtol=1e-6)


def test_the_reverse_complement_is_read_in_the_other_strands_track(network: MadeUp) -> None:
    sequence = drawn_sequence(2, WINDOW)
    turned = signals(network, reverse_complement(sequence), "PROCAP").flip(0)
    expected = turned[TSS - 250 : TSS + 251, 9].sum()
    found = model(network, "PROCAP:3/9").predict([sequence], reverse_complement=True)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_signals_of_some_bases_are_those_of_all(network: MadeUp) -> None:
    sequence = drawn_sequence(3, WINDOW)
    groups = [(3, 900, 2_047), (0, 1, 2)]
    _, found = model(network, "CAGE:7", "RNA:666").read(sequence, groups)
    for bases, of_group in zip(groups, found, strict=True):
        for head, index, values in zip(("CAGE", "RNA"), (7, 666), of_group, strict=True):
            expected = signals(network, sequence, head)[list(bases), index]
            np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_every_base_of_the_input_is_predicted(network: MadeUp) -> None:
    found = model(network, "CAGE:7")
    assert found.bins == tuple(range(TSS - 250, TSS + 251))
    assert found.bins_around(0) == found.bins
    assert found.bins_around(-774) == tuple(range(501))
    assert found.bins_around(-775) is None
    assert found.bins_around(773) == tuple(range(WINDOW - 501, WINDOW))
    assert found.bins_around(774) is None


@pytest.mark.parametrize(("head", "n_stranded"), [("CAGE", 273), ("PROCAP", 6), ("RNA", 271)])
def test_every_track_has_a_name(head: str, n_stranded: int) -> None:
    tracks = {name: indices for name, indices in named_tracks().items() if name.startswith(f"{head}:")}
    found = find_tracks([*tracks])
    first = find_tracks([f"{head}:0"])[0].index
    stranded = [track for track in found if track.opposite_index is not None]
    assert [track.index - first for track in stranded] == list(range(n_stranded))
    assert [(track.opposite_index or 0) - first - n_stranded for track in stranded] == list(range(n_stranded))
    others = [track.index - first for track in found if track.opposite_index is None]
    assert others == list(range(2 * n_stranded, HEADS[head].n_tracks))


def test_names_are_in_the_order_of_the_heads() -> None:
    cage = [name for name in named_tracks() if name.startswith("CAGE:") and ":LQ:" not in name]
    assert cage == sorted(cage)
    # The metadata has RNA-seq by term, then by assay, and GTEx by its term too.
    rna = [name for name in named_tracks() if name.startswith("RNA:") and ":gtex:" not in name]
    stranded = [name for name in rna if "/" in named_tracks()[name]]
    assert stranded == sorted(stranded, key=lambda name: (name.split(":", 2)[2], name))
    unstranded = rna[len(stranded) :]
    assert unstranded == sorted(unstranded, key=lambda name: name.split(":", 2)[2])
    assert (len(stranded), len(unstranded)) == (271, 71)


def test_known_tracks_are_where_the_metadata_has_them() -> None:
    # GM12878, K562, liver, and blood of little RNA.
    assert find_tracks(["CAGE:GM12878"]) == find_tracks(["CAGE:EFO:0002784"]) == (Track(156, 429),)
    names = ("CAGE:EFO:0002067", "CAGE:UBERON:0002107", "CAGE:LQ:UBERON:0012168")
    assert all(track.opposite_index == track.index + 273 for track in find_tracks(names))
    rna, first = find_tracks(["RNA:GM12878", "RNA:gtex:Whole_Blood"]), 640 + 128
    assert rna == find_tracks(["RNA:polyA:EFO:0002784", named_tracks_of("RNA:gtex:Whole_Blood")])
    assert rna[0] == Track(first + 132, first + 403, over_exons=True)
    assert rna[1].opposite_index is None


def named_tracks_of(name: str) -> str:
    """A track by head and index."""
    return f"{name.partition(':')[0]}:{named_tracks()[name]}"


def test_tracks_are_those_of_the_heads_one_behind_the_other() -> None:
    found = find_tracks(["CAGE:GM12878", "CAGE:0", "PROCAP:2/8", "RNA:666"])
    assert found == (Track(156, 429), Track(0), Track(642, 648), Track(768 + 666, over_exons=True))
    assert [track.name for track in found] == ["CAGE:GM12878", "CAGE:0", "PROCAP:2/8", "RNA:666"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "give at least one, each once"),
        (["RNA:1", "RNA:1"], "give at least one, each once"),
        (["RNA:blood"], "has no track 'RNA:blood'; give CAGE:GM12878, RNA:GM12878, a biosample's term"),
        (["ATAC:1"], "a HEAD of CAGE, PROCAP, RNA"),
        (["CAGE:546"], "CAGE has 546 human tracks, 0 to 545"),
        (["PROCAP:1/12"], "PROCAP has 12 human tracks, 0 to 11"),
        (["CAGE:1/2/3"], "has no track 'CAGE:1/2/3'"),
        (["CAGE:-1"], "has no track 'CAGE:-1'"),
    ],
)
def test_unknown_tracks_are_refused(names: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        find_tracks(names)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ((3, 11), r"needs Python 3\.12 or newer, this is 3\.11"),
        ((3, 13), r"pip install 'haploscribe\[alphagenome\]'"),
    ],
)
def test_without_the_package_the_extra_is_named(
    version: tuple[int, int], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Version(tuple[int, int]):
        major, minor = version

    monkeypatch.setitem(sys.modules, "alphagenome_pytorch", None)
    monkeypatch.setattr(sys, "version_info", Version(version))
    with pytest.raises(InputError, match=said):
        read_alphagenome(None)


class Package:
    """Stands for the package, whose network is not reached."""

    AlphaGenome = MadeUp


def test_a_window_that_takes_more_memory_than_there_is_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "alphagenome_pytorch", Package)
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4_096, "SC_PHYS_PAGES": 6 << 18}.__getitem__)
    with pytest.raises(InputError, match=r"--alphagenome-window 524,288: on a CPU it takes about 19 GiB"):
        read_alphagenome(str(tmp_path), window=524_288)
    with pytest.raises(InputError, match="cannot read"):
        read_alphagenome(str(tmp_path), window=65_536)


def test_weights_are_read_from_a_file_or_its_folder(
    network: MadeUp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "alphagenome_pytorch", Package)
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    sequence = drawn_sequence(4, WINDOW)
    expected = model(network, "CAGE:GM12878").predict([sequence])
    for source in (tmp_path, tmp_path / "model.safetensors"):
        found, file = read_alphagenome(str(source), window=WINDOW)
        assert file == tmp_path / "model.safetensors"
        np.testing.assert_array_equal(found.predict([sequence]), expected)


def test_a_tensor_that_is_missing_is_refused(
    network: MadeUp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "alphagenome_pytorch", Package)
    tensors = network.state_dict()
    del tensors["heads.cage.weights"]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"heads\.cage\.weights"):
        read_alphagenome(str(tmp_path), window=WINDOW)


def test_by_name_one_file_is_downloaded_and_the_terms_are_printed(
    network: MadeUp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "alphagenome_pytorch", Package)
    (hub_id,) = HUB_NAMES
    published, sequence = tmp_path / "published", drawn_sequence(6, WINDOW)
    published.mkdir()
    save_file(network.state_dict(), published / HUB_FILE)
    save_file(network.state_dict(), published / "model_fold_0.safetensors")
    with serve() as hub:
        use_hub(monkeypatch, hub.endpoint, tmp_path / "cache")
        hub.add(hub_id, published, "main")
        found, file = read_alphagenome(None, window=WINDOW)
        assert hub.fetched() == {HUB_FILE}
        hub.repositories.clear()
        hub.add(hub_id, published, "main", without=HUB_FILE)
        use_hub(monkeypatch, hub.endpoint, tmp_path / "other")
        with pytest.raises(InputError, match=f"{hub_id} at revision main has no {HUB_FILE}"):
            read_alphagenome(hub_id, window=WINDOW)
    assert file.name == HUB_FILE
    expected = model(network, "CAGE:GM12878").predict([sequence])
    np.testing.assert_array_equal(found.predict([sequence]), expected)
    assert "for non-commercial use: https://deepmind.google.com" in capsys.readouterr().err


def test_folds_over_exons_are_those_of_the_package(network: MadeUp) -> None:
    scoring: Any = pytest.importorskip(
        "alphagenome_pytorch.variant_scoring",
        reason="needs the packages alphagenome-pytorch and alphagenome, and so Python 3.12",
    )
    sequence, exons = drawn_sequence(10, WINDOW), (slice(900, 1_050), slice(1_080, 1_200))
    changed = sequence[:1_100] + reverse_complement(sequence[1_100:1_101]) + sequence[1_101:]

    class Annotation:
        def get_exon_mask(self, **_: object) -> Tensor:
            mask = torch.zeros(WINDOW, dtype=torch.bool)
            for exon in exons:
                mask[exon] = True
            return mask

        def get_gene_info(self, gene_id: str) -> None:
            return None

    (expected,) = scoring.GeneMaskLFCScorer(requested_output=scoring.OutputType.RNA_SEQ).score(
        *({"rna_seq": {1: signals(network, one, "RNA")[None]}} for one in (sequence, changed)),
        scoring.Variant("chr1", 1_101, "A", "T"),
        scoring.Interval("chr1", 0, WINDOW),
        organism_index=0,
        gene_annotation=Annotation(),
        gene_ids=["g"],
    )
    rna = model(network, "RNA:133")
    before, after = (
        np.log(rna.read(with_exons(one, *exons), [])[0] + rna.pseudocounts) for one in (sequence, changed)
    )
    np.testing.assert_allclose(after - before, expected.scores[133].item(), rtol=1e-5)
    assert expected.scores[133] != 0.0


@pytest.mark.slow
def test_signals_are_those_of_the_package(tmp_path: Path) -> None:
    """Random weights in 16 bits, written and read, as the network itself predicts from them."""
    package: Any = pytest.importorskip(
        "alphagenome_pytorch", reason="needs the package alphagenome-pytorch, and so Python 3.12"
    )
    torch.manual_seed(3)
    network = package.AlphaGenome().eval()
    tensors = {name: tensor.half() for name, tensor in network.state_dict().items()}
    tensors["heads.cage.track_means"] = torch.rand(2, 640).half() + 0.5
    tensors["heads.rna_seq.track_means"] = torch.rand(2, 768).half() + 0.5
    save_file(tensors, tmp_path / "weights.safetensors")
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    sequence = drawn_sequence(5, WINDOW)
    bases = torch.from_numpy(one_hot(sequence))[None]
    with torch.inference_mode():
        found = network(bases, torch.zeros(1).long(), resolutions=(1,), heads=("cage", "procap", "rna_seq"))
    del network
    ours, _ = read_alphagenome(
        str(tmp_path / "weights.safetensors"),
        tracks=["CAGE:GM12878", "PROCAP:11", "RNA:17"],
        window=WINDOW,
    )
    chosen = [(0, 1, 2, 1_500), tuple(range(TSS - 2, TSS + 2))]
    _, signal = ours.read(sequence, chosen)
    for bins, values in zip(chosen, signal, strict=True):
        for head, index, of_track in zip(("cage", "procap", "rna_seq"), (156, 11, 17), values, strict=True):
            expected = found[head][1][0, list(bins), index].double()
            np.testing.assert_allclose(of_track, expected, rtol=1e-5)
    del tensors["heads.cage.track_means"]
    save_file(tensors, tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match=r"heads\.cage\.track_means"):
        read_alphagenome(str(tmp_path / "weights.safetensors"), window=WINDOW)
