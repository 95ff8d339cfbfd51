//! Java's calendar: Gregorian since 15 October 1582, Julian before, as `java.util.GregorianCalendar` counts days.
//!
//! A year is astronomical: 0 is 1 BC. Days are counted from 1 January 1970.

/// 15 October 1582, the first Gregorian day, which follows 4 October.
const FIRST_GREGORIAN_DAY: i64 = -141_427;
const DAYS_BEFORE_MONTH: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CivilDay {
    pub year: i64,
    /// From 1.
    pub month: u32,
    /// From 1.
    pub day: u32,
}

impl CivilDay {
    /// The day that is `days` after 1 January 1970.
    #[must_use]
    pub fn from_days(days: i64) -> Self {
        // Both calendars are counted from 1 March of a year that begins a cycle, so that the leap day is the last.
        let (year, day_of_year) = if days >= FIRST_GREGORIAN_DAY {
            let shifted = days + 719_468;
            let era = shifted.div_euclid(146_097);
            let day = shifted.rem_euclid(146_097);
            let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
            (era * 400 + year, day - (365 * year + year / 4 - year / 100))
        } else {
            let shifted = days + 719_470;
            let cycle = shifted.div_euclid(1461);
            let day = shifted.rem_euclid(1461);
            let year = (day - day / 1460) / 365;
            (cycle * 4 + year, day - 365 * year)
        };
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let is_next_year = month >= 10;
        let month = if is_next_year { month - 9 } else { month + 3 };
        Self { year: year + i64::from(is_next_year), month: month as u32, day: day as u32 }
    }

    /// Days since 1 January 1970 of a day that may be out of its month's range, as a lenient calendar takes it.
    /// `month` counts from 0 and may be any number.
    #[must_use]
    pub fn to_days(year: i64, month: i64, day: i64) -> i64 {
        let year = year.saturating_add(month.div_euclid(12));
        let month = month.rem_euclid(12);
        let gregorian = first_of_month(year, month, true).saturating_add(day - 1);
        if gregorian >= FIRST_GREGORIAN_DAY {
            return gregorian;
        }
        let julian = first_of_month(year, month, false).saturating_add(day - 1);
        // The ten days that were left out do not exist; a lenient calendar counts them as Julian ones.
        julian
    }

    /// From 1.
    #[must_use]
    pub fn day_of_year(days: i64) -> i64 {
        let civil = Self::from_days(days);
        days - Self::to_days(civil.year, 0, 1) + 1
    }
}

fn first_of_month(year: i64, month: i64, is_gregorian: bool) -> i64 {
    let is_leap = year % 4 == 0 && (!is_gregorian || year % 100 != 0 || year % 400 == 0);
    let before = year - 1;
    let centuries = if is_gregorian { before.div_euclid(400) - before.div_euclid(100) } else { -2 };
    let leap_days = before.div_euclid(4) + centuries;
    year.saturating_mul(365) - 365 + leap_days - 719_162
        + DAYS_BEFORE_MONTH[month as usize]
        + i64::from(is_leap && month > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_each_others_inverse_over_both_calendars() {
        for days in (-1_200_000..1_200_000).step_by(7) {
            let civil = CivilDay::from_days(days);
            assert_eq!(CivilDay::to_days(civil.year, i64::from(civil.month) - 1, civil.day.into()), days, "{civil:?}");
        }
    }

    #[test]
    fn the_calendar_jumps_over_ten_days_in_1582() {
        let day = |days| {
            let CivilDay { year, month, day } = CivilDay::from_days(days);
            (year, month, day)
        };
        assert_eq!(day(0), (1970, 1, 1));
        assert_eq!((day(-141_427), day(-141_428)), ((1582, 10, 15), (1582, 10, 4)));
        assert_eq!(CivilDay::to_days(2019, 12, 23), CivilDay::to_days(2020, 0, 23));
        assert_eq!(CivilDay::to_days(2023, 1, 29), CivilDay::to_days(2023, 2, 1));
    }
}
