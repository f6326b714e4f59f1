"""Write the command line of a run again, from the options that it recorded."""

import shlex
from collections.abc import Mapping
from typing import Any

from haploscribe.config.fields import OptionField, option_fields
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions
from haploscribe.config.zero_shot import ZeroShotOptions
from haploscribe.results.provenance import plain_value

_KINDS = (CohortOptions, BackboneOptions, EvaluationOptions, ZeroShotOptions)


def changed_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of `run.json` that differ from their default, in their order."""
    fields = _fields()
    return {
        name: value
        for name, value in options.items()
        if name not in fields or fields[name].required or value != plain_value(fields[name].default)
    }


def command_line(options: Mapping[str, Any]) -> str:
    """Return the command that asks for these options of `run.json`; `DIR` stands for its folder."""
    fields, words = _fields(), ["haploscribe run"]
    for name, value in changed_options(options).items():
        field = fields.get(name)
        if field is None or value is None or value is False:
            continue
        flag = f"--{field.option.flag or name.replace('_', '-')}"
        if value is True:
            words.append(flag)
            continue
        several = [str(one) for one in value] if isinstance(value, list) else [str(value)]
        given = several if field.repeated else [",".join(several)]
        words.extend(f"{flag} {shlex.quote(one)}" for one in given)
    return " ".join([*words, "--out DIR"])


def _fields() -> dict[str, OptionField]:
    return {name: field for kind in _KINDS for name, field in option_fields(kind).items()}
