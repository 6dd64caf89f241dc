"""The page's colours and fonts: those of the machine, none from elsewhere; page.css goes on."""

from __future__ import annotations

import gradio as gr

_FONTS = ["system-ui", "-apple-system", "Segoe UI", "sans-serif"]
_MONO = ["ui-monospace", "Menlo", "monospace"]
_BLUE = "#0b57a4"  # dark enough for white letters on it
_LINE = ("#c9ced6", "#3d4654")
_PLAIN = ("#ffffff", "#1d242e")
_RED = ("#a3241b", "#ff9d94")
_NONE = ("0px", "0px")

_EACH = {  # light, dark
    "button_primary_background_fill": (_BLUE, _BLUE),
    "button_primary_background_fill_hover": ("#084685", "#084685"),
    "button_primary_border_color": (_BLUE, _BLUE),
    "button_secondary_background_fill": _PLAIN,
    "button_secondary_background_fill_hover": ("#eef2f7", "#2a3340"),
    "button_secondary_border_color": _LINE,
    "button_cancel_background_fill": _PLAIN,
    "button_cancel_background_fill_hover": ("#fdf0ef", "#3a2326"),
    "button_cancel_text_color": _RED,
    "button_cancel_border_color": _RED,
    "button_border_width": ("1px", "1px"),
    "block_border_width": _NONE,
    "block_background_fill": ("transparent", "transparent"),
    "block_title_text_color": ("#3f4a59", "#c3ccd8"),
    "input_background_fill": ("#ffffff", "#161c24"),
    "input_border_width": ("1px", "1px"),
    "input_border_color": ("#8b95a3", "#5b6675"),
    "input_placeholder_color": ("#5f6b7a", "#98a4b3"),
    "checkbox_label_background_fill": _PLAIN,
    "checkbox_label_background_fill_selected": ("#e5eef8", "#23364b"),
    "checkbox_label_border_width": ("1px", "1px"),
    "checkbox_label_border_color": _LINE,
    "body_background_fill": ("#ffffff", "#12171e"),
    "background_fill_primary": ("#ffffff", "#12171e"),
}


def theme() -> gr.themes.Base:
    found = gr.themes.Base(primary_hue="blue", font=_FONTS, font_mono=_MONO)
    light = {name: values[0] for name, values in _EACH.items()}
    dark = {f"{name}_dark": values[1] for name, values in _EACH.items()}
    return found.set(
        color_accent=_BLUE, slider_color=_BLUE, checkbox_background_color_selected=_BLUE,
        block_padding="0", block_title_text_size="*text_sm", block_title_text_weight="600",
        layout_gap="1rem",
        **light, **dark,
    )  # fmt: skip
