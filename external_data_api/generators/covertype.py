"""Invented forest cells, shaped like the UCI Covertype data: its units, ranges and names; classes that overlap."""

import numpy as np

COVER_TYPES = ("1", "2", "3", "4", "5", "6", "7")
AREAS = ("Rawah", "Neota", "Commanche", "Cache")

# One row per cover type, in their order.
AREA_SHARES = np.array(
    [
        [0.56, 0.03, 0.41, 0.00],
        [0.59, 0.01, 0.39, 0.01],
        [0.00, 0.00, 0.23, 0.77],
        [0.00, 0.00, 0.00, 1.00],
        [0.39, 0.00, 0.61, 0.00],
        [0.00, 0.00, 0.33, 0.67],
        [0.30, 0.00, 0.70, 0.00],
    ]
)
# Elevation of the nearest water (m), by cover type and area: a cell lies its vertical distance above it.
WATER_ELEVATION = np.array(
    [
        [3080, 3120, 3090, 3080],
        [2880, 2990, 2910, 2480],
        [2570, 2570, 2560, 2210],
        [2190, 2190, 2190, 2180],
        [2710, 2750, 2750, 2750],
        [2590, 2590, 2580, 2250],
        [3250, 3290, 3290, 3290],
    ]
)
WATER_ELEVATION_DEVIATION = np.array([150, 165, 130, 90, 95, 130, 95])
SLOPE_MEAN = np.array([12.7, 13.2, 20.9, 18.4, 16.5, 19.6, 14.1])
# Means of distances (m).
TO_WATER_MEAN = np.array([265, 290, 216, 104, 208, 181, 364])
TO_ROAD_MEAN = np.array([2650, 2530, 860, 916, 1320, 1035, 2950])
TO_FIRE_MEAN = np.array([2060, 2200, 900, 856, 1550, 1050, 2240])
# A forest grows in stands: cells of one stand share their area and height and are about as far from roads and fires.
# This is what a model can learn beyond the average of a cover type.
STANDS_PER_COVER_TYPE = 12
SOILS_PER_STAND = 4
BETWEEN_STANDS, WITHIN_STAND = 0.8, 0.4  # times the deviation above; heights above the water add the rest
# Shapes of the gamma distributions of slopes and distances: the larger, the closer to their mean.
SLOPE_SHAPE, TO_WATER_SHAPE, STAND_DISTANCE_SHAPE, CELL_DISTANCE_SHAPE = 4.0, 1.4, 3.0, 12.0
# Weights of the soil types a cover type mostly stands on.
SOIL_WEIGHTS = (
    {"C7745": 22, "C7202": 19, "C7756": 11, "C7201": 11, "C7757": 7, "C7755": 6, "C7700": 6, "C7746": 5, "C8771": 4,
     "C8772": 3, "C8776": 2, "C7102": 2, "C4744": 2},
    {"C7745": 29, "C7756": 12, "C4744": 11, "C7757": 7, "C7202": 7, "C7746": 6, "C7755": 5, "C7700": 4, "C4758": 3,
     "C7102": 3, "C7201": 2, "C4703": 2, "C4704": 2},
    {"C4703": 42, "C2717": 13, "C2703": 12, "C2705": 12, "C2702": 7, "C2704": 5, "C4704": 4, "C2706": 3, "C6102": 2},
    {"C2704": 37, "C6102": 17, "C2717": 12, "C4703": 8, "C2702": 6, "C5101": 6, "C2705": 6, "C2703": 4, "C6101": 2},
    {"C7746": 22, "C4758": 15, "C7745": 11, "C7202": 8, "C4704": 7, "C2705": 6, "C6102": 6, "C7756": 5, "C7755": 4,
     "C7757": 4, "C2703": 3, "C4703": 3, "C6731": 2},
    {"C4703": 48, "C2717": 10, "C2703": 9, "C2702": 5, "C2706": 4, "C6102": 4, "C7757": 4, "C4758": 4, "C4704": 3,
     "C7102": 2, "C2705": 2},
    {"C8771": 30, "C8772": 29, "C8776": 13, "C8703": 5, "C7745": 4, "C7202": 4, "C7756": 4, "C7757": 4, "C8708": 2,
     "C7755": 1},
)  # fmt: skip
# Every area and soil type occurs, if rarely: so many cells have another area or soil than their stand.
STRAY_SHARE = 0.04
SOILS = (
    "C2702", "C2703", "C2704", "C2705", "C2706", "C2717", "C3501", "C3502", "C4201", "C4703", "C4704", "C4744", "C4758",
    "C5101", "C5151", "C6101", "C6102", "C6731", "C7101", "C7102", "C7103", "C7201", "C7202", "C7700", "C7701", "C7702",
    "C7709", "C7710", "C7745", "C7746", "C7755", "C7756", "C7757", "C7790", "C8703", "C8707", "C8708", "C8771", "C8772",
    "C8776",
)  # fmt: skip
# Azimuth and altitude (°) of the sun for the three hillshade columns, fitted to real cells.
SUN = {"Hillshade_9am": (114.0, 58.8), "Hillshade_Noon": (218.0, 68.8), "Hillshade_3pm": (269.0, 37.8)}


def covertype_columns(rows: int, rng: np.random.Generator) -> dict[str, list[str]]:
    """Draw cells: a cover type (all equally frequent), one of its stands, and then what is found there."""
    stand_kind = np.repeat(np.arange(len(COVER_TYPES)), STANDS_PER_COVER_TYPE)
    stand_area = _choose(AREA_SHARES[stand_kind], rng)
    stand_soils = _soil_shares(stand_kind, rng)
    deviation = WATER_ELEVATION_DEVIATION[stand_kind]
    stand_water = rng.normal(WATER_ELEVATION[stand_kind, stand_area], BETWEEN_STANDS * deviation)
    stand_road = _gamma(TO_ROAD_MEAN[stand_kind], STAND_DISTANCE_SHAPE, rng)
    stand_fire = _gamma(TO_FIRE_MEAN[stand_kind], STAND_DISTANCE_SHAPE, rng)

    stand = rng.integers(0, len(stand_kind), rows)
    kind = stand_kind[stand]
    strays = rng.random(rows) < STRAY_SHARE
    area = np.where(strays, _choose(AREA_SHARES[kind], rng), stand_area[stand])
    soil = _choose(stand_soils[stand], rng)
    slope = _gamma(SLOPE_MEAN[kind], SLOPE_SHAPE, rng).clip(0, 60)
    aspect = rng.uniform(0, 360, rows)
    to_water = _gamma(TO_WATER_MEAN[kind], TO_WATER_SHAPE, rng).clip(0, 1390)
    above_water = (to_water * rng.normal(0.22, 0.2, rows)).clip(-170, 600)
    elevation = rng.normal(stand_water[stand], WITHIN_STAND * deviation[stand]) + above_water
    numbers = {
        "Elevation": elevation.clip(1860, 3860),
        "Aspect": aspect,
        "Slope": slope,
        "Horizontal_Distance_To_Hydrology": to_water,
        "Vertical_Distance_To_Hydrology": above_water,
        "Horizontal_Distance_To_Roadways": _gamma(stand_road[stand], CELL_DISTANCE_SHAPE, rng).clip(0, 7100),
        "Horizontal_Distance_To_Fire_Points": _gamma(stand_fire[stand], CELL_DISTANCE_SHAPE, rng).clip(0, 7100),
    }
    for name, (azimuth, altitude) in SUN.items():
        numbers[name] = (hillshade(aspect, slope, azimuth, altitude) + rng.normal(0, 0.7, rows)).clip(0, 254)
    columns = {name: list(map(str, np.rint(values).astype(int).tolist())) for name, values in numbers.items()}
    columns["Wilderness_Area"] = [AREAS[index] for index in area.tolist()]
    columns["Soil_Type"] = [SOILS[index] for index in soil.tolist()]
    columns["Cover_Type"] = [COVER_TYPES[index] for index in kind.tolist()]
    return columns


def hillshade(aspect: np.ndarray, slope: np.ndarray, azimuth: float, altitude: float) -> np.ndarray:
    """Illumination of a slope, 0 to 255; angles in degrees.

    References
    ----------
    B. K. P. Horn, "Hill shading and the reflectance map", Proceedings of the IEEE 69(1), 1981.
    """
    zenith, steepness = np.radians(90 - altitude), np.radians(slope)
    facing = np.cos(np.radians(azimuth - aspect))
    light = np.cos(zenith) * np.cos(steepness) + np.sin(zenith) * np.sin(steepness) * facing
    return 255 * light.clip(0, 1)


def _soil_shares(stand_kind: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the few soil types of each stand; shares, of shape (stands, soil types)."""
    weights = np.array([[of_kind.get(code, 0) for code in SOILS] for of_kind in SOIL_WEIGHTS], dtype=float)
    shares = np.zeros((len(stand_kind), len(SOILS)))
    for stand, kind in enumerate(stand_kind):
        usual = weights[kind] / weights[kind].sum()
        found = rng.choice(len(SOILS), SOILS_PER_STAND, replace=False, p=usual)
        shares[stand, found] = usual[found] / usual[found].sum()
    return (1 - STRAY_SHARE) * shares + STRAY_SHARE / len(SOILS)


def _gamma(mean: np.ndarray, shape: float, rng: np.random.Generator) -> np.ndarray:
    return rng.gamma(shape, mean / shape)


def _choose(shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Choose one column per row, with the probabilities of that row; array of shape (rows,)."""
    upper = shares.cumsum(axis=1)
    chosen = (rng.random((len(shares), 1)) * upper[:, -1:] >= upper).sum(axis=1)
    return np.minimum(chosen, shares.shape[1] - 1)
