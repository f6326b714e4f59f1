"""Directives about the registries: `backbone-table`, `model-table` and `model-classes`."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import cast

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from fragments import parsed, table
from haploscribe.config.options import DEFAULT_MODELS
from haploscribe.embedding.backbones.registry import BACKBONES, BackboneEntry
from haploscribe.estimators.registry import ESTIMATOR_NAMES, estimator_factories, shared_factories
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES


class BackboneTable(SphinxDirective):
    """The backbones that have a name, and where their weights are."""

    def run(self) -> list[nodes.Node]:
        """Make the two tables."""
        models = table(
            ("name", "family", "width", "layers", "longest tile", "multiple of", "licence of the weights"),
            [_backbone_row(entry) for entry in BACKBONES],
        )
        downloads = table(
            ("name", "on the Hugging Face hub", "revision"),
            [
                (f"`{entry.name}`", f"`{entry.hub_id}`", f"`{entry.revision[:12]}`")
                for entry in BACKBONES
                if entry.hub_id is not None
            ],
        )
        return parsed(self, f"{models}\n\n\\* {_UNSURE}\n\n{downloads}")


_UNSURE = "not read off the published files; the checkpoint's own value is what counts."


def _backbone_row(entry: BackboneEntry) -> tuple[str, ...]:
    unsure = "" if entry.confirmed else "\\*"
    return (
        f"`{entry.name}`",
        f"`{entry.family}`",
        f"{entry.dimension:,}{unsure}",
        f"{entry.n_layers}{unsure}" if entry.n_layers else "-",
        f"{entry.max_tile:,}\N{NO-BREAK SPACE}bp",
        f"{entry.tile_multiple}\N{NO-BREAK SPACE}bp",
        f"`{entry.licence}`" if entry.n_layers else "no weights",
    )


class ModelTable(SphinxDirective):
    """The models of `--models`."""

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        makers = _makers()
        rows = []
        for name in ESTIMATOR_NAMES:
            made = makers[name].func
            settings = ", ".join(f"`{key}={value}`" for key, value in _settings(makers[name]).items())
            link = f"{{py:class}}`~{_path(made)}`"
            default = "yes" if name in DEFAULT_MODELS else ""
            rows.append((f"`{name}`", _reads(name, makers[name]), link, settings, default))
        return parsed(self, table(("model", "reads", "class", "with", "by default"), rows))


class ModelClasses(SphinxDirective):
    """The classes behind the models, from their docstrings, each once."""

    def run(self) -> list[nodes.Node]:
        """Make the entries."""
        paths = dict.fromkeys(_path(maker.func) for maker in _makers().values())
        blocks = [f".. autoclass:: {path}\n   :no-index-entry:\n" for path in paths]
        return parsed(self, "```{eval-rst}\n" + "\n".join(blocks) + "\n```")


def _makers() -> Mapping[str, "partial[object]"]:
    made = {**estimator_factories(ESTIMATOR_NAMES, seed=0), **shared_factories(ESTIMATOR_NAMES, seed=0)}
    return {name: cast("partial[object]", made[name]) for name in ESTIMATOR_NAMES}


def _path(made: object) -> str:
    cls = cast("type", made)
    return f"{cls.__module__}.{cls.__qualname__}"


def _settings(maker: "partial[object]") -> dict[str, object]:
    return {key: value for key, value in maker.keywords.items() if key not in ("seed", "model")}


def _reads(name: str, maker: "partial[object]") -> str:
    return ", ".join(_inputs_of(name, maker))


def _inputs_of(name: str, maker: "partial[object]") -> Iterator[str]:
    if name in ZERO_SHOT_NAMES:
        yield "sequence"
        return
    model = maker()
    yield "deltas" if getattr(model, "reads_deltas", True) else "dosages"
    if getattr(model, "reads_wide", False):
        yield "1 Mb to either side"
    if getattr(model, "uses_other_genes", True):
        yield "other genes"


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directives."""
    app.add_directive("backbone-table", BackboneTable)
    app.add_directive("model-table", ModelTable)
    app.add_directive("model-classes", ModelClasses)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
