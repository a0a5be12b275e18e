"""Invented penguins, for an environment without the ``palmerpenguins`` package."""

import numpy as np

SPECIES = ("Adelie", "Chinstrap", "Gentoo")
SPECIES_SHARES = (0.44, 0.20, 0.36)
ISLANDS = ("Biscoe", "Dream", "Torgersen")
ISLAND_SHARES = {"Adelie": (0.29, 0.37, 0.34), "Chinstrap": (0, 1, 0), "Gentoo": (1, 0, 0)}
# Mean and standard deviation by species, and what a male adds and a female takes off.
MEASUREMENTS = {
    "bill_length_mm": ({"Adelie": 38.8, "Chinstrap": 48.8, "Gentoo": 47.5}, 2.2, 1.7),
    "bill_depth_mm": ({"Adelie": 18.3, "Chinstrap": 18.4, "Gentoo": 15.0}, 0.8, 0.7),
    "flipper_length_mm": ({"Adelie": 190.0, "Chinstrap": 195.8, "Gentoo": 217.2}, 5.6, 2.9),
    "body_mass_g": ({"Adelie": 3700.0, "Chinstrap": 3733.0, "Gentoo": 5076.0}, 300.0, 340.0),
}
LIMITS = {
    "bill_length_mm": (30, 62),
    "bill_depth_mm": (12, 22.5),
    "flipper_length_mm": (165, 240),
    "body_mass_g": (2500, 6600),
}
MEASURED_TO = {"bill_length_mm": 0.1, "bill_depth_mm": 0.1, "flipper_length_mm": 1, "body_mass_g": 25}
MISSING_SEX, MISSING_MEASUREMENTS = 0.03, 0.006


def penguins_columns(rows: int, rng: np.random.Generator) -> dict[str, list[str]]:
    """Draw penguins: a species, an island it lives on, then measurements around the species' means."""
    species = rng.choice(SPECIES, rows, p=SPECIES_SHARES)
    island = np.empty(rows, dtype="<U9")
    for name, shares in ISLAND_SHARES.items():
        of_species = species == name
        island[of_species] = rng.choice(ISLANDS, int(of_species.sum()), p=shares)
    male = rng.random(rows) < 0.5
    unmeasured = rng.random(rows) < MISSING_MEASUREMENTS
    sex = np.where(unmeasured | (rng.random(rows) < MISSING_SEX), "", np.where(male, "male", "female"))
    columns = {"species": species.tolist(), "island": island.tolist(), "sex": sex.tolist()}
    for name, (means, deviation, of_sex) in MEASUREMENTS.items():
        mean = np.select([species == one for one in SPECIES], [means[one] for one in SPECIES])
        values = rng.normal(mean + np.where(male, of_sex, -of_sex), deviation).clip(*LIMITS[name])
        decimals = 1 if MEASURED_TO[name] < 1 else 0
        texts = [f"{value:.{decimals}f}" for value in (np.round(values / MEASURED_TO[name]) * MEASURED_TO[name])]
        columns[name] = ["" if gone else text for gone, text in zip(unmeasured.tolist(), texts, strict=True)]
    columns["year"] = rng.integers(2007, 2010, rows).astype(str).tolist()
    return columns
