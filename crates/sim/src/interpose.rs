//! The system's time and random numbers, for all code of this process: in a simulation they are the simulation's.
//!
//! Some libraries ask the system themselves: hash maps for their seeds, HTTP for the date that it puts into each answer. Their calls
//! go through functions of the C library, which an executable may define itself; so does a runtime that has nothing to do any more,
//! and waits. Without a simulation all of them do what the system does.

use std::time::Duration;

use libc::{c_int, c_long, c_uint, c_void, clockid_t, epoll_event, size_t, ssize_t, timespec};

/// See `getrandom(2)`.
///
/// # Safety
/// `buffer` has room for `len` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn getrandom(buffer: *mut c_void, len: size_t, flags: c_uint) -> ssize_t {
    if buffer.is_null() {
        return system_getrandom(buffer, len, flags);
    }
    // SAFETY: the caller promises it.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), len) };
    if sim::clock::entropy(bytes) {
        return ssize_t::try_from(len).unwrap_or(ssize_t::MAX);
    }
    system_getrandom(buffer, len, flags)
}

/// See `clock_gettime(2)`.
///
/// # Safety
/// `time` has room for a time.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    let simulated = match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => sim::clock::date(),
        libc::CLOCK_MONOTONIC | libc::CLOCK_MONOTONIC_COARSE | libc::CLOCK_BOOTTIME => {
            // Later than zero: whoever looks back finds a time.
            sim::clock::now().map(|now| now + Duration::from_secs(1_000_000))
        }
        _ => None,
    };
    if let Some(simulated) = simulated {
        let value = timespec {
            tv_sec: i64::try_from(simulated.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(simulated.subsec_nanos()),
        };
        // SAFETY: the caller promises it.
        unsafe { time.write(value) };
        return 0;
    }
    // SAFETY: as the caller promises.
    let answer = unsafe { libc::syscall(libc::SYS_clock_gettime, c_long::from(clock), time) };
    c_int::try_from(answer).unwrap_or(-1)
}

/// See `epoll_wait(2)`. The processes of a simulation wait for nothing: their time does not pass by itself.
///
/// # Safety
/// `events` has room for `count` of them.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn epoll_wait(
    epoll: c_int,
    events: *mut epoll_event,
    count: c_int,
    timeout_ms: c_int,
) -> c_int {
    if sim::clock::wait(timeout_ms) {
        return 0;
    }
    // SAFETY: as the caller promises.
    let answer = unsafe {
        libc::syscall(
            // The call that all architectures have; without a mask of signals it is the same.
            libc::SYS_epoll_pwait,
            c_long::from(epoll),
            events,
            c_long::from(count),
            c_long::from(timeout_ms),
            std::ptr::null::<c_void>(),
            0 as size_t,
        )
    };
    c_int::try_from(answer).unwrap_or(-1)
}

fn system_getrandom(buffer: *mut c_void, len: size_t, flags: c_uint) -> ssize_t {
    // SAFETY: the system checks the buffer.
    let answer = unsafe { libc::syscall(libc::SYS_getrandom, buffer, len, flags) };
    ssize_t::try_from(answer).unwrap_or(-1)
}
