"""Every public object carries a numpydoc docstring that matches its signature."""

import enum
import importlib
import inspect
import pkgutil

import pytest
from numpydoc.validate import validate

import congruence

CHECKED = {"GL08", "SS01", "SS02", "SS04", "PR01", "PR02", "PR03", "PR05", "PR07", "PR10", "RT01", "YD01"}  # fmt: skip


def public_modules():
    yield "congruence"
    for info in pkgutil.walk_packages(congruence.__path__, "congruence."):
        if not any(part.startswith("_") for part in info.name.split(".")):
            yield info.name


def is_member(value):
    if isinstance(value, property):
        return value.fset is None
    return inspect.isfunction(value) or isinstance(value, classmethod | staticmethod)


def targets(module):
    """Yield (dotted name, codes to leave out) of everything public in a module."""
    for name in getattr(module, "__all__", ()):
        thing = inspect.getattr_static(module, name, None)
        path = f"{module.__name__}.{name}"
        if inspect.isfunction(thing):
            yield path, set()
        elif inspect.isclass(thing):
            protocol = getattr(thing, "_is_protocol", False) or hasattr(thing, "model_fields")
            inherited = "__init__" not in vars(thing) or issubclass(thing, enum.Enum) or protocol
            yield path, {"PR01"} if inherited else set()
            if protocol:
                continue
            for member, value in vars(thing).items():
                if not member.startswith("_") and is_member(value):
                    yield f"{path}.{member}", set()


@pytest.mark.parametrize("name", list(public_modules()))
def test_public_docstrings_match_their_signatures(name):
    module = importlib.import_module(name)
    assert (module.__doc__ or "").strip(), f"{name} has no docstring"
    if name == "congruence":
        return
    problems = [
        f"{target}: {code} {text}"
        for target, without in targets(module)
        for code, text in validate(target)["errors"]
        if code in CHECKED - without
    ]
    assert not problems, "\n".join(problems)
