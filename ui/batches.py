"""The batches of a use case as a strip of tiles: those that arrived, the next one, and those still to come."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape as escape_html
from typing import Literal

from ui.i18n import Translator
from ui.operations_answers import Batch, Collection
from ui.times import clock

# A source hands out ten batches; one that has more is shown with more, one that has fewer says when it is exhausted.
USUAL_BATCHES = 10

# Colours are of the text or mixed from it, so that they follow the theme; the three of the bars are told by words too.
STYLE = """<style>
ol.batches {display:grid; grid-template-columns:repeat(5,1fr); gap:.5rem; margin:0; padding:0 !important;
  list-style:none; --accepted:#2a9d74; --duplicate:#b98222; --quarantined:#d2483f}
.batches li {margin:0; padding:.5rem .6rem; border:1px solid color-mix(in srgb,currentColor 25%,transparent);
  border-radius:.5rem; display:flex; flex-direction:column; font-size:.8rem; line-height:1.35}
.batches b {font-size:1.15rem; line-height:1.3}
.batches .newest {border-color:var(--accepted); box-shadow:inset 0 0 0 1px var(--accepted)}
.batches .next, .batches .later, .batches .missed {border-style:dashed}
.batches .bar {display:flex; height:.4rem; border-radius:.2rem; overflow:hidden; margin-top:.3rem}
.batches .bar i {min-width:2px}
.batches .accepted {background:var(--accepted)} .batches .duplicate {background:var(--duplicate)}
.batches .quarantined {background:var(--quarantined)}
@media (max-width:640px) {ol.batches {grid-template-columns:repeat(2,1fr)}}
@media (prefers-reduced-motion:no-preference) {
  .batches .newest {animation:arrive 1.2s ease-out} @keyframes arrive {from {opacity:.2; transform:scale(.94)}}
}
</style>"""


@dataclass(frozen=True)
class Tile:
    """One batch of the strip; one that has not arrived has no numbers."""

    number: int
    state: Literal["arrived", "newest", "missed", "next", "later"]
    batch: Batch | None = None


def tiles(collection: Collection) -> list[Tile]:
    """The batches since the source last started, in order, then those still to come."""
    epoch = latest_epoch(collection.batches)
    arrived = {batch.batch_number: batch for batch in collection.batches if batch.epoch == epoch}
    newest = max(arrived, default=0)
    last = newest if collection.exhausted else max(newest, USUAL_BATCHES)
    strip = []
    for number in range(1, last + 1):
        if number in arrived:
            strip.append(Tile(number, "newest" if number == newest else "arrived", arrived[number]))
        elif number < newest:
            strip.append(Tile(number, "missed"))
        else:
            strip.append(Tile(number, "next" if number == newest + 1 else "later"))
    return strip


def latest_epoch(batches: Sequence[Batch]) -> int:
    """How many times the source has started again."""
    return max((batch.epoch for batch in batches), default=0)


def strip_html(strip: Sequence[Tile], t: Translator) -> str:
    """The strip as HTML: a list, so that a screen reader counts the batches."""
    items = "".join(f'<li class="{tile.state}">{_tile(tile, t)}</li>' for tile in strip)
    return f'{STYLE}<ol class="batches" aria-label="{escape_html(t("data.strip_label"))}">{items}</ol>'


def _tile(tile: Tile, t: Translator) -> str:
    title = escape_html(t("data.batch", number=tile.number))
    batch = tile.batch
    if batch is None:
        return f"<span>{title}</span><span>{escape_html(t(f'data.state.{tile.state}'))}</span>"
    lines = [f"<span>{title}</span>", f"<b>{batch.accepted:,}</b>", f"<span>{escape_html(t('data.accepted'))}</span>"]
    others = ((batch.duplicate, "data.duplicate"), (batch.quarantined, "data.in_quarantine"))
    lines += [f"<span>{count:,} {escape_html(t(key))}</span>" for count, key in others if count]
    if batch.last_at:
        lines.append(f"<span>{clock(batch.last_at)}</span>")
    parts = {"accepted": batch.accepted, "duplicate": batch.duplicate, "quarantined": batch.quarantined}
    bar = "".join(f'<i class="{name}" style="flex:{count}"></i>' for name, count in parts.items() if count)
    return "".join(lines) + f'<span class="bar" aria-hidden="true">{bar}</span>'
