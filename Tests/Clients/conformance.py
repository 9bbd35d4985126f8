"""The scenarios of the official conformance suite, driven over the wire; `docs/conformance.md` lists them."""

import itertools
import sys

import conformance_asking
import conformance_features
import conformance_http
import conformance_rounds
import conformance_stateless
import harness

PARTS = (
    conformance_features,
    conformance_asking,
    conformance_rounds,
    conformance_stateless,
    conformance_http,
)


def trials(servers, transcript):
    return itertools.chain.from_iterable(part.scenarios.bound(servers, transcript) for part in PARTS)


if __name__ == "__main__":
    sys.exit(harness.main("conformance", trials))
