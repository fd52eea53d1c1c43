"""A section of params.yaml -> the frozen dataclass that its stage declares, read strictly.

The dataclasses are pydantic's (`@section`): an unknown key, a missing key, a wrong type or a value
out of range is an `InputError` that names the key, what was given and what is allowed. Defaults
live in params.yaml alone, so that there is one place to read what a run used.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, cast, dataclass_transform, get_type_hints

import pydantic
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rhymes.common.errors import InputError

PARAMS_FILE = Path("params.yaml")

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Section = TypeVar("Section")


@dataclass_transform(frozen_default=True, field_specifiers=(pydantic.Field,))
def section(declared: type[Section]) -> type[Section]:
    """Decorate a class: it declares a parameter section, or a group of keys within one.

    `RENAMED: ClassVar[Mapping[str, str]]`, where the class has it, leads from a key's former name
    to today's, for the error that a file with the former one gets.
    """
    return cast(
        "type[Section]", pydantic.dataclasses.dataclass(declared, frozen=True, config=_STRICT)
    )


def one_of(list_names: Callable[[], Iterable[str]]) -> pydantic.AfterValidator:
    """Allow a text that is one of the names: a `Literal` of names that are listed elsewhere.

    Args:
        list_names: called whenever a value is checked.
    """

    def check(value: str) -> str:
        names = [repr(name) for name in list_names()]
        if repr(value) not in names:
            allowed = " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
            raise PydanticCustomError("name", "Input should be {allowed}", {"allowed": allowed})
        return value

    return pydantic.AfterValidator(check)


def load_params(path: Path = PARAMS_FILE) -> dict[str, Any]:
    """Read a YAML 1.2 file of parameters (`1e-3` is a float, `no` a string, keys are unique).

    DVC reads params.yaml with the same library, so what it tracks is what a stage gets. (PyYAML
    follows YAML 1.1, to which `1e-3` is a string.)

    Raises:
        InputError: the file is missing, is not YAML, or is not a mapping of sections.
    """
    try:
        params = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: not found; run this in the repository's root") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(params, dict):
        raise InputError(f"{path}: expected a mapping of sections, one a stage")
    return params


def load_section(name: str, declared: type[Section], path: Path = PARAMS_FILE) -> Section:
    """Read the section `name` of a params file into the dataclass that its stage declares.

    Raises:
        InputError: naming each offending key, the value given and what is allowed.
    """
    params = load_params(path)
    if name not in params:
        raise InputError(f"{path}: section '{name}' is missing; it needs {_keys(declared)}")
    return dict_to_section(params[name], declared, f"{path}: {name}")


def dict_to_section(value: object, declared: type[Section], where: str) -> Section:
    """Validate a mapping against a declared section; `where` opens each line of an error."""
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected a mapping with {_keys(declared)}, got {value!r}")
    try:
        # As JSON, because pydantic's strict mode takes mappings for dataclasses only from there.
        return TypeAdapter(declared).validate_json(json.dumps(value, default=str))
    except ValidationError as error:
        raise InputError("\n".join(_explanations(error, declared, where))) from None


def section_to_dict(value: object) -> dict[str, Any]:
    """Return a section's keys and values, groups as mappings."""
    return asdict(cast("Any", value))


def flatten(value: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each parameter's dotted name and its value; lists are values."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from flatten(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inner


def _explanations(error: ValidationError, declared: type, where: str) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        path, holder = _locate(problem["loc"], declared)
        key = ".".join([where, *path])
        match problem["type"]:
            case "unexpected_keyword_argument":
                if renamed := getattr(holder, "RENAMED", {}).get(path[-1]):
                    yield f"{key}: is called {renamed} now"
                    continue
                close = difflib.get_close_matches(path[-1], _names(holder), n=1)
                hint = f"did you mean '{close[0]}'? " if close else ""
                yield f"{key}: unknown key; {hint}allowed: {_keys(holder)}"
            case "missing":
                yield f"{key}: missing; needed are {_keys(holder)}"
            case _:
                yield f"{key}: got {problem['input']!r}; {_lower(problem['msg'])}"


def _locate(location: tuple[int | str, ...], declared: type) -> tuple[list[str], type]:
    """Cut pydantic's location to the keys a user wrote; with the group that holds the last one.

    Behind the key pydantic names the branch of a union that failed, which is not a key.
    """
    path: list[str] = []
    holder, group = declared, declared
    for part in map(str, location):
        path.append(part)
        holder, group = group, get_type_hints(group).get(part, object)
        if not is_dataclass(group):
            break
    return path, holder


def _names(declared: type) -> list[str]:
    return [field.name for field in fields(declared)]


def _keys(declared: type) -> str:
    return ", ".join(_names(declared))


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
