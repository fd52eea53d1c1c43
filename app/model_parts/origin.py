"""What the served version was built from, and what the server says of each version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from app import backend
from app.metrics import compare_metrics
from app.notices import explained
from app.plain_text import plain
from app.repository import VERIFICATION, load_json
from app.versions import choose_version
from rhymes.client.description import ModelDescription
from rhymes.common.params import flatten


def show() -> None:
    """Show the part."""
    with explained():
        _show_states()
        model = backend.describe(choose_version("origin"))
        _show_origin(model)
    with explained():
        _show_verification()


def _show_states() -> None:
    st.subheader("Versions on the server", anchor=False)
    st.dataframe(
        pd.DataFrame(
            [
                {"Version": each.version, "State": each.state, "Error": each.error}
                for each in backend.versions()
            ]
        ),
        hide_index=True,
    )


def _show_origin(model: ModelDescription) -> None:
    st.subheader(f"What version {model.version} was built from", anchor=False)
    if not model.info:
        st.caption("It does not say: it was not exported by this pipeline.")
        return
    info = model.info
    rows = [
        ("architecture", info.get("model")),
        ("classes", len(model.class_names)),
        *flatten(info.get("params") or {}, "train."),
        ("pretrained weights (SHA-256)", _hash_of(info.get("pretrained")) or "none"),
        ("training data (SHA-256)", _hash_of(info.get("data"))),
        ("training code (SHA-256)", _hash_of(info.get("code"))),
        *flatten(info.get("environment") or {}, "trained with "),
        ("these very files (SHA-256 of the manifest)", model.identity),
    ]
    known = [(name, str(value)) for name, value in rows if value is not None]
    st.dataframe(pd.DataFrame(known, columns=["What", "Value"]), hide_index=True)
    st.download_button(
        "All that it says of itself (JSON)",
        json.dumps(info, indent=1, ensure_ascii=False),
        f"version_{model.version}.json",
        "application/json",
        on_click="ignore",
        icon=":material/data_object:",
    )
    metrics = (info.get("validation") or {}).get("metrics")
    if isinstance(metrics, Mapping):
        st.caption("On the validation split, when it was trained:")
        st.dataframe(compare_metrics({"validation": metrics}), hide_index=True)
    with st.expander(f"Its {len(model.class_names)} classes"):
        names = [name for _, name in sorted(model.class_names.items())]
        st.dataframe(pd.DataFrame({"Class": names}), hide_index=True)


def _hash_of(value: Any) -> str | None:
    return value.get("sha256") if isinstance(value, Mapping) else None


def _show_verification() -> None:
    verified = load_json(VERIFICATION / "metrics.json")
    st.success(
        f"Version {plain(verified['version'])} was verified: what is served is what was exported "
        f"and what was trained, on {plain(verified['images'])} images.",
        icon=":material/check:",
    )
