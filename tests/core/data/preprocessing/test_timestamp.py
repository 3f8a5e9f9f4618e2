"""Moments as parts of the calendar, against datetime and zoneinfo."""

import datetime as dt
import math
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from torch_rechub.data.preprocessing import Preprocessor, Timestamp

UTC = dt.timezone.utc
PARTS = ("minute", "hour", "weekday", "weekend", "day", "dayofyear", "month", "quarter")
SIZES = {
    "minute": 60,
    "hour": 24,
    "weekday": 7,
    "weekend": 2,
    "day": 31,
    "dayofyear": 366,
    "month": 12,
    "quarter": 4,
}


def by_hand(moment):
    return {
        "minute": moment.minute, "hour": moment.hour, "weekday": moment.weekday(),
        "weekend": int(moment.weekday() >= 5), "day": moment.day - 1,
        "dayofyear": moment.timetuple().tm_yday - 1, "month": moment.month - 1,
        "quarter": (moment.month - 1) // 3,
    }  # fmt: skip


def encode(values, **options):
    preprocessor = Preprocessor([Timestamp("t", **{"parts": PARTS, **options})])
    return preprocessor, preprocessor.fit_transform({"t": values})


def assert_parts(found, moments):
    for part in PARTS:
        expected = [1 if m is None else 2 + by_hand(m)[part] for m in moments]
        assert found[f"t_{part}"].tolist() == expected, part
        assert found[f"t_{part}"].dtype == np.int32


SECONDS = [0, -1, 951_782_399, 951_782_400, 1_709_164_800, 1_735_689_599, 4_102_444_799]
MOMENTS = [dt.datetime.fromtimestamp(s, UTC) for s in SECONDS]
NAIVE = [m.replace(tzinfo=None) for m in MOMENTS]
FORMS = {
    "seconds": SECONDS,
    "seconds as text": [str(s) for s in SECONDS],
    "seconds as categories": pa.array([str(s) for s in SECONDS]).dictionary_encode(),
    "floats": [s + 0.999999 for s in SECONDS],
    "datetimes": NAIVE,
    "zoned": MOMENTS,
    "ISO text": [m.isoformat() for m in MOMENTS],
    "text without a zone": [m.isoformat(sep=" ") for m in NAIVE],
    "text ending in Z": [m.isoformat() + "Z" for m in NAIVE],
    "pandas": pd.Series(NAIVE),
    "numpy": np.array(NAIVE, "datetime64[ns]"),
    "polars": pl.Series(NAIVE),
    "Arrow milliseconds": pa.array(NAIVE, pa.timestamp("ms")),
    "dictionary": pa.array(NAIVE, pa.timestamp("s")).dictionary_encode(),
    "another zone": [m.astimezone(dt.timezone(dt.timedelta(hours=-9))) for m in MOMENTS],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_moments_has_the_same_parts(form):
    assert_parts(encode(FORMS[form])[1], MOMENTS)


@pytest.mark.parametrize(("unit", "factor"), [("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
@pytest.mark.parametrize("kind", ["numbers", "text"])
def test_numbers_count_in_their_unit_and_the_last_tick_of_an_hour_is_in_it(unit, factor, kind):
    ticks = [s * factor + factor - 1 for s in SECONDS]
    values = ticks if kind == "numbers" else [str(tick) for tick in ticks]
    assert_parts(encode(values, unit=unit)[1], MOMENTS)


def test_fractions_of_a_microsecond_do_not_pass_into_the_next_hour():
    assert_parts(
        encode([3599.9999999, 86399.9999998])[1],
        [MOMENTS[0].replace(minute=59), MOMENTS[0].replace(hour=23, minute=59)],
    )


def test_missing_cells_have_id_1():
    assert_parts(encode([None, 0, float("nan")])[1], [None, MOMENTS[0], None])
    assert_parts(encode([None, ""])[1], [None, None])
    assert_parts(encode(["", "1970-01-01"])[1], [None, MOMENTS[0]])
    assert_parts(encode(np.array(["NaT", "1970-01-01"], "M8[s]"))[1], [None, MOMENTS[0]])


def test_dates_are_midnight():
    days = [dt.date(2024, 2, 29), None, dt.date(1969, 12, 31)]
    midnights = [None if d is None else dt.datetime(d.year, d.month, d.day) for d in days]
    for values in (
        days,
        pa.array(days, pa.date64()),
        [None if d is None else str(d) for d in days],
    ):
        assert_parts(encode(values)[1], midnights)


def test_a_format_reads_text():
    values = ["29/02/2024 23:59", None]
    assert_parts(
        encode(values, format="%d/%m/%Y %H:%M")[1], [dt.datetime(2024, 2, 29, 23, 59), None]
    )
    assert_parts(encode(["20240229"], format="%Y%m%d")[1], [dt.datetime(2024, 2, 29)])
    zoned = ["2024-02-29 23:59 +0800", "2024-02-29 23:59 -0300"]
    in_utc = [dt.datetime.strptime(z, "%Y-%m-%d %H:%M %z").astimezone(UTC) for z in zoned]
    assert_parts(encode(zoned, format="%Y-%m-%d %H:%M %z")[1], in_utc)


@pytest.mark.parametrize(
    "zone", ["Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "UTC"]
)
def test_the_calendar_is_that_of_the_time_zone(zone):
    local = [m.astimezone(ZoneInfo(zone)) for m in MOMENTS]
    for values in (SECONDS, MOMENTS, [m.isoformat() for m in MOMENTS]):
        assert_parts(encode(values, timezone=zone)[1], local)


def test_offsets_may_differ_from_row_to_row():
    texts = ["2024-03-01T00:30:00+01:00", "2024-02-29T23:30:00Z", "2024-02-29T18:30:00-0500"]
    expected = [dt.datetime(2024, 2, 29, 23, 30)] * 3
    assert_parts(encode(texts)[1], expected)


def test_hours_that_clocks_skip_or_repeat():
    """02:30 did not exist on the 31st of March 2024; on the 27th of October it occurred twice."""
    zone = ZoneInfo("Europe/Berlin")
    repeated = dt.datetime(2024, 10, 27, 2, 30, tzinfo=zone, fold=1)
    fitted, found = encode(["2024-03-31T02:30:00", "2024-10-27T02:30:00"], timezone=str(zone))
    assert found["t_hour"].tolist() == [2 + 3, 2 + 2]
    high = dt.datetime.fromisoformat(fitted.describe().loc["t", "high"])
    assert high == repeated.astimezone(UTC)  # the second, in standard time


def test_cyclical_parts_are_sine_and_cosine():
    fitted, found = encode([*SECONDS, None], cyclical=True)
    for part in PARTS:
        angles = [2 * math.pi * by_hand(m)[part] / SIZES[part] for m in MOMENTS]
        for function in (math.sin, math.cos):
            expected = [*map(function, angles), 0]
            name = f"t_{part}_{function.__name__}"
            assert found[name].tolist() == pytest.approx(expected, abs=1e-6)
            assert found[name].dtype == np.float32
    assert [f.name for f in fitted.features()] == list(found)


def test_features_hold_every_value_of_a_part():
    sizes = {f.name: f.vocab_size for f in encode(SECONDS)[0].features()}
    assert sizes == {f"t_{part}": 2 + size for part, size in SIZES.items()}


@pytest.mark.parametrize(("values", "options", "message"), [
    ([0, 1, 1_709_164_800_000], {},
     r"column 't', row 2 of the dict: 1709164800000.0 s since 1970 is no moment: give the unit"),
    (["0", "0", "1709164800000"], {}, r"row 2 of the dict: 1709164800000.0 s since 1970"),
    (["2024-01-01", "2024-01-01", "soon"], {}, "row 2 of the dict: 'soon' is no moment in ISO"),
    (["2024-01-01T00:00:00Z", None, "2024-01-01T00:00:00"], {},
     r"row 2 of the dict: '2024-01-01T00:00:00' has no time zone, but other rows have"),
    (["2024-01-01", "2024-01-01", "20240101"], {},
     r"row 2 of the dict: '20240101' is a number, but other rows are dates"),
    (["31/01/2024", "2024-01-31"], {"format": "%d/%m/%Y"}, "row 1 of the dict: '2024-01-31'"),
    ([[1]], {}, "column 't'"),
])  # fmt: skip
def test_cells_that_are_no_moments_are_refused_with_row_and_remedy(values, options, message):
    with pytest.raises(ValueError, match=message):
        encode(values, **options)


@pytest.mark.parametrize(("options", "message"), [
    ({"parts": ("year",)}, "parts must be one of 'minute'"),
    ({"parts": "hour"}, r"parts must be a list such as \('hour',\), got 'hour'"),
    ({"parts": ()}, "parts must be a list"),
    ({"unit": "h"}, "unit must be one of 's', 'ms', 'us', 'ns'"),
    ({"timezone": "Mars/Base"}, "timezone must be a name such as 'Asia/Shanghai', got 'Mars/Base'"),
    ({"timezone": "../etc/passwd"}, "timezone must be a name"),
])  # fmt: skip
def test_settings_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        Timestamp("t", **options)


def test_the_range_of_shards_is_that_of_the_whole():
    parts = [Preprocessor([Timestamp("t")]).fit({"t": part}) for part in (SECONDS[:3], SECONDS[3:])]
    table = parts[1].merge(parts[0]).describe().loc["t"]
    bounds = [dt.datetime.fromisoformat(table[name]).timestamp() for name in ("low", "high")]
    assert bounds == [min(SECONDS), max(SECONDS)]
