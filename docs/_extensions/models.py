"""Directives about the registries: `backbone-table`, `model-table` and `model-classes`."""

from collections.abc import Iterator

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from fragments import parsed, table
from haploscribe.config.options import DEFAULT_MODELS
from haploscribe.embedding.backbones.registry import BACKBONES, BackboneEntry
from haploscribe.estimators.base import parameter_defaults
from haploscribe.estimators.registry import ESTIMATOR_NAMES, ModelSpec, model_specs


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
        rows = []
        for name, spec in model_specs(ESTIMATOR_NAMES, seed=0).items():
            settings = ", ".join(f"`{key}={value}`" for key, value in _settings(spec).items())
            link = f"{{py:class}}`~{_path(spec)}`"
            default = "yes" if name in DEFAULT_MODELS else ""
            rows.append((f"`{name}`", ", ".join(_inputs_of(spec)), link, settings, default))
        return parsed(self, table(("model", "reads", "class", "with", "by default"), rows))


class ModelClasses(SphinxDirective):
    """The classes behind the models, from their docstrings, each once."""

    def run(self) -> list[nodes.Node]:
        """Make the entries."""
        paths = dict.fromkeys(_path(spec) for spec in model_specs(ESTIMATOR_NAMES, seed=0).values())
        blocks = [f".. autoclass:: {path}\n   :no-index-entry:\n" for path in paths]
        return parsed(self, "```{eval-rst}\n" + "\n".join(blocks) + "\n```")


def _path(spec: ModelSpec) -> str:
    kind = type(spec.capabilities)
    return f"{kind.__module__}.{kind.__qualname__}"


def _settings(spec: ModelSpec) -> dict[str, object]:
    """Return the parameters that differ from the defaults of the class."""
    defaults = parameter_defaults(type(spec.capabilities))
    return {
        key: value
        for key, value in spec.parameters.items()
        if value != defaults[key] and key not in ("seed", "model")
    }


def _inputs_of(spec: ModelSpec) -> Iterator[str]:
    able = spec.capabilities
    if able.zero_shot:
        yield "sequence"
        return
    yield "deltas" if able.reads_deltas else "dosages"
    if able.reads_wide:
        yield "1 Mb to either side"
    if able.uses_other_genes or able.across_genes:
        yield "other genes"


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directives."""
    app.add_directive("backbone-table", BackboneTable)
    app.add_directive("model-table", ModelTable)
    app.add_directive("model-classes", ModelClasses)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
