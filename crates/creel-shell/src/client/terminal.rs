//! The terminal of a client whose call asks for a remote terminal. Touches the terminal and signals.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::mux_protocol::{TRANSPORT_STATUS, Terminal};

/// The longest value of `TERM` that is sent.
const NAME_LIMIT: usize = 64;

/// What to ask for: `$TERM`, and the size of the terminal at standard input, or 80 by 24.
pub fn describe() -> Terminal {
    let name = std::env::var("TERM").ok().filter(|name| !name.is_empty() && name.len() <= NAME_LIMIT);
    let size = tcgetwinsize(io::stdin()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    let (columns, rows) = size.map_or((80, 24), |size| (size.ws_col, size.ws_row));
    Terminal { name: name.unwrap_or_else(|| "dumb".to_owned()), columns, rows }
}

/// While this exists, every key is sent to the remote side unchanged. Dropping it, or a signal that ends the process, restores the
/// terminal.
pub struct RawMode {
    terminal: OwnedFd,
    original: Termios,
}

impl RawMode {
    /// `None` if standard input is not a terminal.
    pub fn of_standard_input() -> io::Result<Option<Self>> {
        let input = io::stdin();
        if !isatty(&input) {
            return Ok(None);
        }
        let terminal = input.as_fd().try_clone_to_owned()?;
        let original = tcgetattr(&terminal)?;
        let mut raw = original.clone();
        raw.make_raw();
        tcsetattr(&terminal, OptionalActions::Now, &raw)?;

        let on_signal = Self { terminal: terminal.try_clone()?, original: original.clone() };
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        thread::spawn(move || {
            signals.forever().next();
            drop(on_signal);
            std::process::exit(TRANSPORT_STATUS.into());
        });
        Ok(Some(Self { terminal, original }))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.original);
    }
}
