//! Who has given the PIN: cookies, in memory alone. Pure; time is an argument.

use std::time::{Duration, Instant};

/// The cookie's name.
pub const COOKIE: &str = "jaudiosync";

/// How long a phone need not give the PIN again, from when it gave it.
pub const LASTS: Duration = Duration::from_secs(24 * 60 * 60);

/// Phones that are remembered; the one that was silent for the longest time is forgotten first.
const MOST: usize = 64;

/// Random bytes of a cookie.
pub const TOKEN_BYTES: usize = 16;

/// What a cookie says.
pub type Token = [u8; TOKEN_BYTES];

/// Those that have given the PIN.
#[derive(Debug, Default)]
pub struct Sessions(Vec<Session>);

#[derive(Debug)]
struct Session {
    token: Token,
    /// When the PIN was given.
    began: Instant,
    /// When its last request came.
    last: Instant,
}

impl Sessions {
    /// Remembers somebody by these random bytes.
    pub fn add(&mut self, token: Token, now: Instant) {
        self.forget_old(now);
        if self.0.len() >= MOST {
            let oldest = self.0.iter().enumerate().min_by_key(|(_, session)| session.last).map(|(index, _)| index);
            oldest.map(|index| self.0.swap_remove(index));
        }
        self.0.push(Session { token, began: now, last: now });
    }

    /// Returns whether a request with these headers `Cookie` comes from somebody who has given the
    /// PIN.
    pub fn knows<'a>(&mut self, cookies: impl IntoIterator<Item = &'a str>, now: Instant) -> bool {
        self.forget_old(now);
        let mut is_known = false;
        for token in tokens(cookies) {
            if let Some(session) = self.0.iter_mut().find(|session| is_equal(&session.token, &token)) {
                session.last = now;
                is_known = true;
            }
        }
        is_known
    }

    /// Forgets somebody.
    pub fn remove<'a>(&mut self, cookies: impl IntoIterator<Item = &'a str>) {
        for token in tokens(cookies) {
            self.0.retain(|session| !is_equal(&session.token, &token));
        }
    }

    fn forget_old(&mut self, now: Instant) {
        self.0.retain(|session| now.saturating_duration_since(session.began) < LASTS);
    }
}

/// Returns the header `Set-Cookie` for a token. There is no `Secure`, as there is no TLS.
pub fn set_cookie(token: &Token) -> String {
    let value: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{COOKIE}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict", LASTS.as_secs())
}

/// Returns the header that removes the cookie.
pub fn remove_cookie() -> String {
    format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict")
}

/// Returns the tokens in headers `Cookie` (RFC 6265, section 5.4), at most a few.
fn tokens<'a>(cookies: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = Token> {
    let pairs = cookies.into_iter().flat_map(|header| header.split(';'));
    pairs.filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('=').and_then(token)).take(4)
}

fn token(text: &str) -> Option<Token> {
    let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?;
    bytes.try_into().ok()
}

/// Takes equally long for all that differ.
fn is_equal(one: &Token, other: &Token) -> bool {
    one.iter().zip(other).fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cookie_of(token: &Token) -> String {
        set_cookie(token).split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_cookie_is_known_until_it_is_old_or_removed() {
        let (began, mut sessions) = (Instant::now(), Sessions::default());
        let cookie = cookie_of(&[7; TOKEN_BYTES]);
        assert!(!sessions.knows([cookie.as_str()], began));
        sessions.add([7; TOKEN_BYTES], began);
        assert!(sessions.knows(["theme=dark; x", &format!("a=b;  {cookie}")], began));
        let almost = began + LASTS - Duration::from_secs(1);
        assert!(sessions.knows([cookie.as_str()], almost));
        assert!(!sessions.knows([cookie.as_str()], began + LASTS), "as in the browser, which forgets it then");
        sessions.add([7; TOKEN_BYTES], began);
        sessions.remove([cookie.as_str()]);
        assert!(!sessions.knows([cookie.as_str()], began));
    }

    #[test]
    fn no_script_and_no_other_site_gets_it() {
        let header = set_cookie(&[0xab; TOKEN_BYTES]);
        assert!(header.contains("; HttpOnly") && header.contains("; SameSite=Strict") && header.contains("Max-Age="));
    }

    #[test]
    fn memory_is_bounded_and_who_was_last_here_stays() {
        let (began, mut sessions) = (Instant::now(), Sessions::default());
        for number in 0..200_u8 {
            sessions.add([number; TOKEN_BYTES], began + Duration::from_secs(number.into()));
        }
        assert_eq!(sessions.0.len(), MOST);
        let now = began + Duration::from_secs(200);
        assert!(sessions.knows([cookie_of(&[199; TOKEN_BYTES]).as_str()], now));
        assert!(!sessions.knows([cookie_of(&[0; TOKEN_BYTES]).as_str()], now));
    }

    proptest! {
        #[test]
        fn any_header_is_answered_and_a_token_comes_back(
            header in "\\PC{0,80}", random in any::<Token>(), before in "[a-z=0-9]{0,9}", other in any::<Token>(),
        ) {
            let mut sessions = Sessions::default();
            sessions.add(random, Instant::now());
            prop_assert!(!sessions.knows([header.as_str()], Instant::now()));
            let found = format!("{before}; {}", cookie_of(&random));
            prop_assert!(sessions.knows([found.as_str()], Instant::now()));
            prop_assert_eq!(sessions.knows([cookie_of(&other).as_str()], Instant::now()), other == random);
        }
    }
}
