//! Catching panics of libraries, so that a file that makes a library panic costs only part of that
//! file.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static IS_EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// The message of a library's panic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Panicked(String);

/// Calls a library with data that may be malformed. A panic is returned instead of printed;
/// anything that `call` has changed is then in an undefined state, and the caller must drop it.
///
/// # Errors
/// If the library panicked.
pub fn catch<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_EXPECTED.get() {
                before(info);
            }
        }));
    });
    let was_expected = IS_EXPECTED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(call));
    IS_EXPECTED.set(was_expected);
    result.map_err(|payload| Panicked(message(payload.as_ref())))
}

/// Returns the message of a panic.
pub fn message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_words() {
        assert_eq!(catch(|| 7), Ok(7));
        assert_eq!(catch(|| panic!("index {} of {}", 504, 504)), Err::<(), _>(Panicked("index 504 of 504".to_owned())));
        assert_eq!(catch(|| catch(|| panic!("inner")).is_err()), Ok(true));
    }
}
