"""The directives `model-table` and `model-classes`: the estimators of `--models`, from their registry."""

from collections.abc import Iterator

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from haploscribe.config.options import DEFAULT_MODELS
from haploscribe.estimators.base import parameter_defaults
from haploscribe.estimators.registry import ESTIMATOR_NAMES, ModelSpec, model_specs
from tables import MarkdownDirective, table


class ModelTable(MarkdownDirective):
    """The models of `--models`."""

    def markdown(self) -> str:
        """Write the table."""
        rows = []
        for name, spec in model_specs(ESTIMATOR_NAMES, seed=0).items():
            settings = ", ".join(f"`{key}={value}`" for key, value in _settings(spec).items())
            link = f"{{py:class}}`~{_path(spec)}`"
            default = "yes" if name in DEFAULT_MODELS else ""
            rows.append((f"`{name}`", ", ".join(_inputs_of(spec)), link, settings, default))
        return table(("model", "reads", "class", "with", "by default"), rows)


class ModelClasses(MarkdownDirective):
    """The classes behind the models, from their docstrings, each once."""

    def markdown(self) -> str:
        """Write the entries."""
        paths = dict.fromkeys(_path(spec) for spec in model_specs(ESTIMATOR_NAMES, seed=0).values())
        blocks = [f".. autoclass:: {path}\n   :no-index-entry:\n" for path in paths]
        return "```{eval-rst}\n" + "\n".join(blocks) + "\n```"


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
    app.add_directive("model-table", ModelTable)
    app.add_directive("model-classes", ModelClasses)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
