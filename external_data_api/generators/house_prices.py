"""Invented house listings in real cities: prices follow place, size, rooms and lot, with noise and gaps as in listings.

Price levels are rough (USD per square foot about 2024), the rest is made up.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PLACES_CSV = Path(__file__).parents[1] / "resources" / "places.csv"

AGENCIES, STREETS = 4_000, 200_000
# A city has a postal code for about so many thousand people; the log of their price levels has this deviation.
PEOPLE_PER_ZIP, ZIPS_AT_MOST, ZIP_DEVIATION = 25, 60, 0.18
STATUS_SHARES = {"for_sale": 0.62, "sold": 0.365, "ready_to_build": 0.015}
NOISE = 0.16
TYPICAL_LOG_SIZE = 7.5  # 1,808 sq ft
# Share of listings that leave a value out.
MISSING = {
    "brokered_by": 0.005,
    "bed": 0.12,
    "bath": 0.13,
    "acre_lot": 0.14,
    "street": 0.005,
    "city": 0.001,
    "zip_code": 0.001,
    "house_size": 0.16,
    "prev_sold_date": 0.3,
}
FIRST_SALE, LAST_SALE = np.datetime64("1990-01-01"), np.datetime64("2024-12-31")


@dataclass(frozen=True)
class _Zips:
    """The postal codes, as parallel arrays: where each is, how often it is drawn, and its price level."""

    code: np.ndarray
    city: np.ndarray
    state: np.ndarray
    share: np.ndarray
    log_usd_per_sqft: np.ndarray


def house_prices_columns(rows: int, rng: np.random.Generator) -> dict[str, list[str]]:
    """Draw listings: a postal code, a house, then its price; each gap after the price was made from the true value."""
    zips = _draw_zips(rng)
    place = rng.choice(len(zips.code), rows, p=zips.share)
    status = rng.choice(list(STATUS_SHARES), rows, p=list(STATUS_SHARES.values()))
    size, bed, bath, lot = _draw_houses(zips.log_usd_per_sqft[place], rng)
    log_price = (
        zips.log_usd_per_sqft[place]
        + TYPICAL_LOG_SIZE
        + 0.85 * (np.log(size) - TYPICAL_LOG_SIZE)
        + 0.03 * (bed - 3)
        + 0.06 * (bath - 2)
        + 0.07 * np.log(lot / 0.25)
        + np.where(status == "ready_to_build", 0.1, np.where(status == "sold", -0.04, 0.0))
        + rng.normal(0, NOISE, rows)
    )
    price = (np.exp(log_price) / 100).round() * 100
    days = rng.integers(0, int((LAST_SALE - FIRST_SALE).astype(int)) + 1, rows)
    columns = {
        "brokered_by": list(map(str, (AGENCIES * rng.random(rows) ** 2).astype(int).tolist())),
        "status": status.tolist(),
        "price": [f"{value:.0f}" for value in price.clip(5_000, 90_000_000).tolist()],
        "bed": [f"{value:.0f}" for value in bed.tolist()],
        "bath": [f"{value:.0f}" for value in bath.tolist()],
        "acre_lot": [f"{value:.2f}" for value in lot.tolist()],
        "street": list(map(str, rng.integers(1, STREETS, rows).tolist())),
        "city": zips.city[place].tolist(),
        "state": zips.state[place].tolist(),
        "zip_code": zips.code[place].tolist(),
        "house_size": [f"{value:.0f}" for value in size.tolist()],
        "prev_sold_date": (FIRST_SALE + days).astype(str).tolist(),
    }
    # A house that is yet to be built has not been sold before.
    unsold = (status == "ready_to_build").tolist()
    columns["prev_sold_date"] = _blank(columns["prev_sold_date"], unsold)
    for name, share in MISSING.items():
        columns[name] = _blank(columns[name], (rng.random(rows) < share).tolist())
    return columns


def _draw_houses(level: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Draw size (sq ft), bedrooms, bathrooms and lot (acres); where living is dear, houses and lots are smaller."""
    rows = len(level)
    size = np.exp(rng.normal(TYPICAL_LOG_SIZE - 0.15 * (level - 5.4), 0.42)).clip(350, 14_000).round()
    bed = np.rint(size / 620 + rng.normal(0.4, 0.7, rows)).clip(1, 12)
    bath = np.rint(size / 850 + rng.normal(0.1, 0.5, rows)).clip(1, 10)
    lot = np.exp(rng.normal(-1.4 - 0.5 * (level - 5.4), 0.9)).clip(0.01, 400).round(2)
    return size, bed, bath, lot


def _draw_zips(rng: np.random.Generator) -> _Zips:
    with PLACES_CSV.open(encoding="utf-8", newline="") as file:
        places = list(csv.DictReader(file))
    codes, cities, states, weights, levels = [], [], [], [], []
    for place in places:
        people = float(place["weight"])
        count = int(np.clip(people / PEOPLE_PER_ZIP, 2, ZIPS_AT_MOST))
        codes += [f"{int(place['zip']) + index:05d}" for index in range(count)]
        cities += [place["city"]] * count
        states += [place["state"]] * count
        # By the root: a large city is drawn more often, and does not drown the others.
        weights += [people**0.5 / count] * count
        levels += (np.log(float(place["usd_per_sqft"])) + rng.normal(0, ZIP_DEVIATION, count)).tolist()
    share = np.array(weights) / sum(weights)
    return _Zips(np.array(codes), np.array(cities), np.array(states), share, np.array(levels))


def _blank(values: list[str], missing: list[bool]) -> list[str]:
    return ["" if gone else value for value, gone in zip(values, missing, strict=True)]
