"""Checks of a method's code: its factory and class when it is registered, its instance when a run makes it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Generator, Sequence
from functools import cached_property, partial
from types import FunctionType
from typing import TYPE_CHECKING, Any

from matekd_bench.errors import PluginError, defined_at
from matekd_bench.methods.method import Method, NoParams, Params
from matekd_bench.methods.perturbation import (
    Perturbation,
    TextPerturbation,
    TokenPerturbation,
    params_of,
    types_in_brackets,
    wrong_result,
)
from matekd_bench.methods.rows import Cycle
from matekd_bench.spelling import kind_in_words, match_name, nearest

if TYPE_CHECKING:
    from matekd_bench.methods.context import Context, Models
    from matekd_bench.methods.perturbation import Views
    from matekd_bench.methods.views import Batch, Joint

FORMER = {"state": "state_dict", "restore": "load_state_dict"}  # names in version 0.1, and names now
# The base classes, the nearest first, each with the methods of which a class must define one, the usual one first.
BASES: dict[type[Perturbation[Any]], tuple[str, ...]] = {
    TextPerturbation: ("perturb", "perturb_segment", "rewrite", "ahead", "views"),
    TokenPerturbation: ("perturb", "views"),
    Perturbation: ("views",),
}
INITIAL = ("params", "context")  # what Perturbation.__init__ sets
# Attributes that the suite reads: name, test and rule.
ATTRIBUTES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("cycle", lambda value: value is None or isinstance(value, Cycle), "None or a Cycle"),
    ("notices", lambda value: isinstance(value, (list, tuple)), "a list of sentences"),
    ("variants", lambda value: isinstance(value, int) and value > 0, "a whole number of at least 1"),
    ("segments", lambda value: value in ("both", "first", "second"), "'both', 'first' or 'second'"),
)


def code_problem(method: Method) -> str | None:
    """Describe what is wrong with a record's factory or method class; None if nothing is."""
    factory = method.factory
    if not callable(factory):
        return f"factory is {kind_in_words(factory)}; it must be callable with (params, context)"
    cls = factory.func if isinstance(factory, partial) else factory
    if not (isinstance(cls, type) and issubclass(cls, Perturbation)):
        return _signature_problem(factory, method)
    return class_problem(cls) or _signature_problem(factory, method) or _params_problem(cls, method)


def class_problem(cls: type[Perturbation[Any]]) -> str | None:
    """Describe what is wrong with a class's methods: names, kinds, arguments, or a missing one."""
    if cls in BASES:
        return None
    if former := _former_methods(cls):
        return former
    base = _base_of(cls)
    for name in _interface(base):
        own, model = _static(cls, name), _static(base, name)
        if own is not model and (problem := _method_problem(own, model)):
            return f"{cls.__name__}.{name} {problem}{defined_at(own)}"
    # An __init__ may set the missing method, so the search is repeated once there is an instance.
    plain = _static(cls, "__init__") is _static(base, "__init__")
    return (_missing_method(cls) if plain else None) or _misspelled_method(cls, base)


def make_perturbation(method: Method, params: Params, context: Context, name: str) -> Perturbation[Any]:
    """Call a method's factory for one run; raise PluginError unless it makes a valid `Perturbation`."""
    try:
        perturbation: object = method.factory(params, context)
    except AttributeError as error:
        if isinstance(error.obj, Perturbation) and error.name in INITIAL:
            raise PluginError(f"method '{name}': {_no_super(type(error.obj))}.") from error
        raise
    if not isinstance(perturbation, Perturbation):
        raise PluginError(
            f"method '{name}': its factory returned {kind_in_words(perturbation)}; return a Perturbation."
        )
    if problem := class_problem(type(perturbation)) or _instance_problem(perturbation, params):
        raise PluginError(f"method '{name}': {problem}.")
    return perturbation


def as_joint(item: object, name: str) -> Joint:
    """Return what a method yields as a `Joint`; raise PluginError if it holds anything but views."""
    from matekd_bench.methods.views import Joint, View

    joint = item if isinstance(item, Joint) else Joint(item if isinstance(item, tuple) else (item,))
    for view in joint.views:
        if not isinstance(view, View):
            raise PluginError(
                f"method '{name}' yields {kind_in_words(view)}: yield a View, a tuple of views or a Joint."
            )
    return joint


def views_of_update(method: Perturbation[Any], batch: Batch, models: Models) -> Views:
    """Call a method's `views` for some rows; raise PluginError if it does not return a generator."""
    views: object = method.views(batch, models)
    if not isinstance(views, Generator):
        raise wrong_result(method.views, kind_in_words(views), "yield the views")
    return views


def _former_methods(cls: type) -> str | None:
    """Describe the methods that a class defines under their names of version 0.1; None if there are none."""
    # The suite would not call them: a resumed run would lose the method's state.
    messages = [
        f"{old}() is now called {new}()" for old, new in FORMER.items() if callable(getattr(cls, old, None))
    ]
    return (
        f"{' and '.join(messages)}; without the new names a resumed run loses its state" if messages else None
    )


def _signature_problem(factory: Callable[..., Any], method: Method) -> str | None:
    """Describe what is wrong with the arguments of a factory; None if nothing is."""
    names = [*INITIAL, *(("inner",) if method.wraps else ())]
    if _takes(factory, names):
        return None
    function, name = factory, getattr(factory, "__name__", "factory")
    if isinstance(factory, type) and isinstance(initialize := _static(factory, "__init__"), FunctionType):
        function, name, names = initialize, f"{name}.__init__", ["self", *names]
    return f"{name}{_arguments(function)} must take {_listed(names)}{defined_at(function)}"


def _params_problem(cls: type[Perturbation[Any]], method: Method) -> str | None:
    """Describe a mismatch between the record's parameters and those in the class brackets; None if they match."""
    wanted = params_of(cls)
    if foreign := [kind for kind in types_in_brackets(cls) if not issubclass(kind, Params)]:
        return f"{foreign[0].__name__} in the brackets of {cls.__name__}'s base class must extend matekd_bench.Params"
    # Parameters that the class does not declare are not checked: it may read them by name.
    if wanted is NoParams or (isinstance(method.params, type) and issubclass(method.params, wanted)):
        return None
    name = getattr(method.params, "__name__", repr(method.params))
    written = "has no params" if method.params is NoParams else f"has params={name}"
    return f"its record {written}, but {cls.__name__} takes {wanted.__name__}: write params={wanted.__name__}"


def _method_problem(own: Any, base: Any) -> str | None:
    """Describe what is wrong with a class attribute that replaces a method of the base class; None if nothing is."""
    function, model = getattr(own, "__func__", own), getattr(base, "__func__", base)
    of_class, names = isinstance(base, classmethod), list(inspect.signature(model).parameters)
    header = f"`{'@classmethod ' * of_class}def {model.__name__}{_listed(names)}`"
    if isinstance(own, (property, cached_property)) or not (callable(function) or hasattr(own, "__get__")):
        return f"is {kind_in_words(own)}, not a method: write {header}"
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return f"is asynchronous: write {header}, without `async`"
    if inspect.isgeneratorfunction(function) and model.__name__ != "views":
        return "yields: it must return its result"
    # Python binds `self` only to plain functions; the suite calls class methods on the class.
    gets_self = isinstance(own, FunctionType) and not of_class
    target = own if function is own else own.__get__(None, object)
    if not isinstance(function, FunctionType) or _takes(target, names if gets_self else names[1:]):
        return None
    return f"is written with {_arguments(function)}: write {header}"


def _base_of(cls: type[Perturbation[Any]]) -> type[Perturbation[Any]]:
    """Return the nearest of the suite's base classes that a class extends."""
    return next(base for base in BASES if issubclass(cls, base))


def _missing_method(cls: type[Perturbation[Any]], set_later: Container[str] = ()) -> str | None:
    """Describe the missing method of a class that defines none of those it needs; None if it defines one."""
    base = _base_of(cls)
    if any(name in set_later or _static(cls, name) is not _static(base, name) for name in BASES[base]):
        return None
    usual = BASES[base][0]
    sentence = f"{cls.__name__} does not define {usual}{_arguments(_static(base, usual))}"
    near = nearest(usual, set(_own_names(cls)) - {"__init__", *_interface(base)})
    return f"{sentence}: rename '{near}'" if near else sentence


def _misspelled_method(cls: type[Perturbation[Any]], base: type[Perturbation[Any]]) -> str | None:
    """Describe a method whose name is one of the suite's apart from underscores and case: it would never be called."""
    interface = _interface(base)
    for name in _own_names(cls):
        meant = match_name(name, interface)
        if name not in interface and meant in interface and _static(cls, meant) is _static(base, meant):
            return f"{cls.__name__}.{name} would never be called: rename it to '{meant}'"
    return None


def _instance_problem(perturbation: Perturbation[Any], params: Params) -> str | None:
    """Describe what is wrong with the attributes of an instance; None if nothing is."""
    cls = type(perturbation)
    if not (hasattr(perturbation, "context") and isinstance(getattr(perturbation, "params", None), Params)):
        return _no_super(cls)
    if cls not in BASES and (missing := _missing_method(cls, vars(perturbation))):
        return missing
    # A class that extends another method may pass parameters of the other's type, made from its own, to the other.
    if type(perturbation.params) is type(params) and perturbation.params != params:
        return f"{cls.__name__}.__init__ changes self.params, which the record names: use another attribute"
    for name, is_right, rule in ATTRIBUTES:
        if hasattr(perturbation, name) and not is_right(value := getattr(perturbation, name)):
            return f"{cls.__name__}.{name} is {value!r}; it must be {rule}"
    return None


def _no_super(cls: type) -> str:
    """Describe a class that does not initialize its base class, or not first."""
    place = defined_at(_static(cls, "__init__"))
    return f"{cls.__name__}.__init__ must begin with super().__init__(params, context){place}"


def _interface(base: type[Perturbation[Any]]) -> list[str]:
    """Return the names of the public methods of a base class."""
    attributes = {name: value for cls in base.__mro__ if cls in BASES for name, value in vars(cls).items()}
    kinds = (FunctionType, classmethod)
    return [name for name, value in attributes.items() if isinstance(value, kinds) and name[0] != "_"]


def _own_names(cls: type[Perturbation[Any]]) -> list[str]:
    """Return the names of the functions that a class and its bases define, except the suite's base classes."""
    parts = [part for part in cls.__mro__ if issubclass(part, Perturbation) and part not in BASES]
    return [name for part in parts for name, value in vars(part).items() if isinstance(value, FunctionType)]


def _static(cls: type, name: str) -> Any:
    """Return an attribute of a class as it is written, so that a property or a class method can be recognized."""
    return inspect.getattr_static(cls, name)


def _takes(function: Callable[..., Any], names: Sequence[str]) -> bool:
    """Return True if a function can be called with arguments in these places."""
    try:
        inspect.signature(function).bind(*names)
    except TypeError:
        return False
    except ValueError:  # written in C without a signature
        return True
    return True


def _arguments(function: Callable[..., Any]) -> str:
    """Return the arguments of a function as they are written, without types: `(self, text)`."""
    parameters = inspect.signature(function).parameters.values()
    return _listed([str(parameter.replace(annotation=parameter.empty)) for parameter in parameters])


def _listed(names: Sequence[str]) -> str:
    return f"({', '.join(names)})"
