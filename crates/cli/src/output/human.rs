//! Times, modes and sizes for people. Times are UTC.

use types::ByteSize;

/// A size: in bytes, or with a unit when `human`.
pub(crate) fn size(human: bool, bytes: u64) -> String {
    if human {
        ByteSize(bytes).to_string()
    } else {
        bytes.to_string()
    }
}

/// `drwxr-xr-x`.
pub(crate) fn mode_text(directory: bool, mode: u32) -> String {
    let mut text = String::with_capacity(10);
    text.push(if directory { 'd' } else { '-' });
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (false, false) => '-',
            (false, true) => 'x',
            (true, false) => letter.to_ascii_uppercase(),
            (true, true) => letter,
        });
    }
    text
}

/// `2026-10-13 12:34`.
pub(crate) fn short_time(unix_ms: u64) -> String {
    let (year, month, day, seconds) = civil(unix_ms);
    format!(
        "{year}-{month:02}-{day:02} {:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60
    )
}

/// `2026-10-13T12:34:56.789Z`.
pub(crate) fn iso_time(unix_ms: u64) -> String {
    let (year, month, day, seconds) = civil(unix_ms);
    format!(
        "{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        unix_ms % 1000
    )
}

/// Year, month, day and second of the day. The year begins in March here, so that the leap day is the last of it; 400
/// years have 146,097 days.
const fn civil(unix_ms: u64) -> (u64, u64, u64, u64) {
    let seconds = unix_ms / 1000;
    // Days since 0000-03-01.
    let days = seconds / 86_400 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let (month, next_year) = if march_month < 10 {
        (march_month + 3, 0)
    } else {
        (march_month - 9, 1)
    };
    (era * 400 + year_of_era + next_year, month, day, seconds % 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_civil() {
        assert_eq!(iso_time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso_time(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso_time(951_868_799_999), "2000-02-29T23:59:59.999Z");
        assert_eq!(iso_time(1_791_894_896_789), "2026-10-13T12:34:56.789Z");
        assert_eq!(short_time(1_791_894_896_789), "2026-10-13 12:34");
        assert_eq!(iso_time(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn modes_are_letters() {
        assert_eq!(mode_text(true, 0o755), "drwxr-xr-x");
        assert_eq!(mode_text(false, 0o640), "-rw-r-----");
        assert_eq!(mode_text(true, 0o1777), "drwxrwxrwt");
        assert_eq!(mode_text(true, 0o1776), "drwxrwxrwT");
    }
}
