"""What the description of the API says in words only, for schemathesis."""

import atexit
import base64
import itertools
import json
import os

import schemathesis
from hypothesis import strategies as st
from schemathesis.openapi.checks import EnsureResourceAvailability, IgnoredAuth

CREATE = "POST /api/v1alpha/token"
ROTATE = "POST /api/v1alpha/token/{jwt_token_id}/rotate"
REVOKE = "POST /api/v1alpha/revoke"

# What an administrator does, here to the own tokens.
OF_USER = "/api/v1alpha/users/{user}/token"
CREATE_FOR = f"POST {OF_USER}"

UNITS = ["s", "secs", "seconds", "m", "min", "h", "hrs", "Hours", "d", "DAYS", "w", "weeks", "month", "years"]

terms = st.tuples(st.integers(1, 999), st.sampled_from(["", " "]), st.sampled_from(UNITS)).map(
    lambda term: "".join(map(str, term))
)
clocks = st.tuples(st.integers(0, 999), st.integers(0, 99), st.integers(1, 99)).map(
    lambda fields: "{}:{:02}:{:02}".format(*fields)
)
durations = st.one_of(
    st.integers(1, 10**9).map(str),
    clocks,
    st.lists(terms, min_size=1, max_size=4).map(", ".join),
)
schemathesis.openapi.format("human-duration", durations)

numbers = itertools.count()

# The ids of tokens that were ended by other means than DELETE.
ended = set()

# The ids of tokens that were made last, for an administrator.
made = []

# The operations that have succeeded.
fulfilled = set()


@schemathesis.hook
def before_call(context, case, kwargs):
    """A description is unlike that of every other token, and an idempotency key unlike that of every other creation."""
    if case.operation.path.startswith(OF_USER):
        # No other name is that of a user.
        case.path_parameters["user"] = os.environ["LATCHKEY_NAME"]
        if "jwt_token_id" in case.path_parameters and made:
            case.path_parameters["jwt_token_id"] = made[-1]
            if case.method.upper() == "DELETE":
                ended.add(made.pop())
    for values in (case.query, case.body):
        for name in ("scope", "jwt_token_scope"):
            if isinstance(values, dict) and isinstance(values.get(name), str):
                values[name] = with_short_words(values[name])
    if case.operation.label not in (CREATE, CREATE_FOR):
        return
    suffix = f"-{next(numbers)}"
    if isinstance(case.body, dict) and isinstance(case.body.get("jwt_token_description"), str):
        case.body["jwt_token_description"] = ending(case.body["jwt_token_description"], suffix, 256)
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = ending(case.headers["Idempotency-Key"], suffix, 128)


def with_short_words(scope):
    """The scope with words that have together at most 1,024 characters. What is longer than any scope stays so."""
    is_cut = len(scope) <= 1024 + 31 and len(scope.replace(" ", "")) > 1024
    return scope[:1024].strip() if is_cut else scope


def ending(text, suffix, longest):
    """The text with this suffix; what is invalid stays so, and what is not no longer than it may be."""
    trimmed = text.strip()
    if not trimmed or len(trimmed) > longest:
        return text
    return trimmed[: longest - len(suffix)] + suffix


@schemathesis.hook
def after_call(context, case, response):
    if 200 <= response.status_code < 300:
        fulfilled.add(case.operation.label)
    if case.operation.label == CREATE_FOR and response.status_code == 201:
        made.append(response.json()["jwt_token_id"])
    if case.operation.label == ROTATE and response.status_code == 201:
        ended.add(case.path_parameters["jwt_token_id"])
    if case.operation.label == REVOKE and response.status_code == 200:
        ended.add(id_of(case.body["token"]))


def id_of(token):
    """The id that the token claims, if it is one."""
    try:
        claims = token.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(claims + "=="))["jwt_token_id"]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None


@schemathesis.hook
def filter_failure(context, failure, case, response):
    if isinstance(failure, IgnoredAuth):
        # The probes fail to sign in again and again under one name, and are told to wait: nobody is let in.
        return "got `429 Too Many Requests`" not in failure.message
    if isinstance(failure, EnsureResourceAvailability):
        # It knows of DELETE only.
        return case.path_parameters["jwt_token_id"] not in ended
    return True


@atexit.register
def report():
    """For the test that runs this."""
    if path := os.environ.get("LATCHKEY_FULFILLED"):
        with open(path, "w") as file:
            json.dump(sorted(fulfilled), file)
