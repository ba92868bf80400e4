"""Read the times at which the flows run by themselves."""

import asyncio
from datetime import datetime, timedelta
from difflib import get_close_matches
from zoneinfo import ZoneInfo, available_timezones

from prefect.schedules import Schedule
from prefect.server.schemas.schedules import CronSchedule
from pydantic import ValidationError

from ocrnet.errors import ParamsError


def nightly_schedule(cron: str, timezone: str = "") -> Schedule:
    """Return the schedule on which the pipeline runs by itself.

    Args:
        cron: Times in the syntax of cron; empty if the pipeline does not run by itself.
        timezone: Name of the time zone of these times; UTC by default.

    Raises:
        ParamsError: The times or the zone are not valid, or no date matches these times.
    """
    zone = timezone or "UTC"
    if zone not in available_timezones():
        near = get_close_matches(zone, available_timezones(), n=3)
        hint = f" Similar ones: {', '.join(near)}." if near else ""
        raise ParamsError(
            f"--timezone {zone}: this zone does not exist. Write one such as Europe/Berlin.{hint}"
        )
    if cron:
        try:
            next_run(cron, zone)
        except ValidationError:
            raise ParamsError(
                f"--nightly {cron!r}: this is not the syntax of cron. Write MINUTE HOUR DAY MONTH WEEKDAY: '0 3 * * *'."
            ) from None
        except ValueError:
            raise ParamsError(
                f"--nightly {cron!r}: no date matches these times. Write MINUTE HOUR DAY MONTH WEEKDAY: '0 3 * * *'."
            ) from None
    return Schedule(cron=cron or "0 3 * * *", timezone=zone, active=bool(cron))


def watch_schedule(seconds: int) -> Schedule:
    """Return the schedule of the checks for new raw data.

    Args:
        seconds: Time between two checks; 0 for no checks.

    Raises:
        ParamsError: `seconds` is negative.
    """
    if seconds < 0:
        raise ParamsError(f"--watch {seconds}: write seconds from 1, or leave it out.")
    return Schedule(interval=timedelta(seconds=seconds or 600), active=bool(seconds))


def next_run(cron: str, timezone: str) -> datetime:
    """Return the next time of a schedule.

    Raises:
        ValueError: No date matches these times.
    """
    dates = asyncio.run(CronSchedule(cron=cron, timezone=timezone).get_dates(1))
    if not dates:
        raise ValueError("no date matches these times")
    return dates[0].astimezone(ZoneInfo(timezone))
