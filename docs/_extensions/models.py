"""The directives `model-table` and `model-classes`: the estimators of `--models`, from their registry."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import cast

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from haploscribe.config.options import DEFAULT_MODELS
from haploscribe.estimators.registry import ESTIMATOR_NAMES, estimator_factories, shared_factories
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES
from tables import MarkdownDirective, table


class ModelTable(MarkdownDirective):
    """The models of `--models`."""

    def markdown(self) -> str:
        """Write the table."""
        makers = _makers()
        rows = []
        for name in ESTIMATOR_NAMES:
            made = makers[name].func
            settings = ", ".join(f"`{key}={value}`" for key, value in _settings(makers[name]).items())
            link = f"{{py:class}}`~{_path(made)}`"
            default = "yes" if name in DEFAULT_MODELS else ""
            rows.append((f"`{name}`", _reads(name, makers[name]), link, settings, default))
        return table(("model", "reads", "class", "with", "by default"), rows)


class ModelClasses(MarkdownDirective):
    """The classes behind the models, from their docstrings, each once."""

    def markdown(self) -> str:
        """Write the entries."""
        paths = dict.fromkeys(_path(maker.func) for maker in _makers().values())
        blocks = [f".. autoclass:: {path}\n   :no-index-entry:\n" for path in paths]
        return "```{eval-rst}\n" + "\n".join(blocks) + "\n```"


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
    app.add_directive("model-table", ModelTable)
    app.add_directive("model-classes", ModelClasses)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
