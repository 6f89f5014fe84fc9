"""How the studio's widget looks: one style sheet on the colours of the notebook's own theme, light or dark."""

from __future__ import annotations

import ipywidgets as widgets

CSS = """
.mj-studio { max-width: 960px; gap: 8px; padding: 2px; }
.mj-studio .widget-box, .mj-studio .widget-gridbox, .mj-studio.widget-box { overflow: visible; }
.mj-studio .widget-html-content { line-height: 1.4; overflow-wrap: anywhere; }
.mj-studio .widget-html { margin: 0; min-height: 0; height: auto; }
.mj-studio, .mj-studio input, .mj-studio button {
  font-family: var(--jp-ui-font-family, system-ui),
    "Noto Sans SC", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei";
}
.mj-row { gap: 6px; align-items: center; flex-flow: row wrap; }
.mj-row > .widget-button { flex: 0 0 auto; }
.mj-row > .widget-button, .mj-row > .widget-text, .mj-row > .widget-dropdown { margin: 0; }
.mj-studio .mj-prompt input { height: 38px; font-size: 15px; padding: 4px 10px; }
.mj-studio .mj-imagine { height: 38px; font-weight: 600; }
.mj-studio .mj-chip {
  width: auto; height: 24px; line-height: 22px; padding: 0 10px; border-radius: 12px; font-size: 12px; margin: 0;
}
.mj-chips { gap: 4px; flex-flow: row wrap; align-items: center; }
.mj-hint { color: var(--jp-ui-font-color2, #666); font-size: 12px; }
.mj-message { border-left: 4px solid var(--jp-info-color1, #1976d2); padding: 4px 10px; }
.mj-message.mj-error { border-color: var(--jp-error-color1, #d32f2f); font-weight: 600; }
.mj-message pre { font-size: 11px; font-weight: 400; overflow: auto; max-height: 200px; }
.mj-title { font-size: 14px; }
.mj-desk { gap: 16px; flex-flow: row wrap; align-items: flex-start; }
.mj-pictures { gap: 8px; justify-content: start; }
.mj-slot { position: relative; gap: 0; }
.mj-slot .widget-image { margin: 0; display: block; border-radius: 4px; max-width: 100%; }
.mj-slot .widget-button {
  position: absolute; inset: 0 0 auto 0; width: 100%; height: calc(100% - 20px); margin: 0; padding: 0;
  background: transparent; color: transparent; border: 0; box-shadow: none; border-radius: 4px; cursor: pointer;
}
.mj-slot .widget-button:hover { box-shadow: inset 0 0 0 2px rgba(128, 128, 128, .6); }
.mj-slot .widget-button:focus-visible { outline: 3px solid var(--jp-brand-color1, #1976d2); outline-offset: 1px; }
.mj-slot.mj-chosen .widget-button { box-shadow: 0 0 0 3px var(--jp-brand-color1, #1976d2); }
.mj-caption { font-size: 12px; height: 20px; line-height: 20px; color: var(--jp-ui-font-color2, #666); }
.mj-under-way .widget-image { opacity: .85; }
.mj-studio .mj-side {
  flex: 1 1 230px; min-width: 230px; display: grid; gap: 10px 20px; align-content: start;
  grid-template-columns: repeat(auto-fit, minmax(230px, 1fr));
}
.mj-group { gap: 4px; }
.mj-star { padding: 0; font-size: 18px; }
.mj-star .fa { margin: 0; }
.mj-given { color: #d89000; }
.mj-head { font-weight: 600; font-size: 13px; }
.mj-card { width: 158px; gap: 2px; padding: 4px; border: 1px solid var(--jp-border-color2, #ccc); border-radius: 6px; }
.mj-card .widget-image { margin: 0 auto; border-radius: 3px; }
.mj-card .widget-html { height: 34px; overflow: hidden; font-size: 12px; }
.mj-card .widget-html-content { line-height: 17px; overflow: hidden; max-height: 34px; }
.mj-card .widget-button { flex: 1 1 0; width: auto; padding: 0; margin: 0; }
.mj-cards { gap: 8px; flex-flow: row wrap; }
.mj-cards .mj-row { gap: 4px; }
.mj-controls { gap: 2px 16px; grid-template-columns: repeat(auto-fill, minmax(270px, 1fr)); }
.mj-controls > * { width: auto; }
.mj-controls.mj-narrow { grid-template-columns: repeat(auto-fill, minmax(215px, 1fr)); }
.mj-narrow .widget-readout { min-width: 40px; }
.mj-region { gap: 0; background-size: 100% 100%; image-rendering: pixelated; }
.mj-region .widget-toggle-button {
  width: auto; height: auto; margin: 0; padding: 0; min-width: 0; border-radius: 0; color: transparent;
  background: transparent; border: 1px solid rgba(255, 255, 255, .35); box-shadow: none;
}
.mj-region .widget-toggle-button:hover { background: rgba(255, 255, 255, .3); }
.mj-region .widget-toggle-button:focus-visible { outline: 3px solid #1976d2; outline-offset: -3px; }
.mj-region .widget-toggle-button.mod-active {
  border-color: #fff;
  background: repeating-linear-gradient(45deg, rgba(211, 0, 80, .75) 0 4px, rgba(255, 255, 255, .55) 4px 8px);
}
.mj-flags code { white-space: nowrap; }
.mj-flags td { padding: 1px 10px 1px 0; vertical-align: top; }
.mj-info pre { white-space: pre-wrap; font-size: 12px; margin: 0; color: inherit; background: transparent; }
.mj-bar { display: inline-block; height: 8px; border-radius: 4px; background: var(--jp-brand-color1, #1976d2); }
"""


def style_sheet() -> widgets.HTML:
    """Return the style sheet as a widget that takes no room."""
    made = widgets.HTML(f"<style>{CSS}</style>")
    made.layout.display = "none"
    return made
