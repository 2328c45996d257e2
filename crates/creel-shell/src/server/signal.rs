//! The names of signals in SSH (RFC 4254, section 6.10) and their numbers on Linux. Touches nothing.

use russh::Sig;
use rustix::process::Signal;

/// The signal of this name, if there is one.
#[must_use]
pub fn number(name: &Sig) -> Option<Signal> {
    Some(match name {
        Sig::ABRT => Signal::ABORT,
        Sig::ALRM => Signal::ALARM,
        Sig::FPE => Signal::FPE,
        Sig::HUP => Signal::HUP,
        Sig::ILL => Signal::ILL,
        Sig::INT => Signal::INT,
        Sig::KILL => Signal::KILL,
        Sig::PIPE => Signal::PIPE,
        Sig::QUIT => Signal::QUIT,
        Sig::SEGV => Signal::SEGV,
        Sig::TERM => Signal::TERM,
        Sig::USR1 => Signal::USR1,
        Sig::Custom(name) if name == "USR2" => Signal::USR2,
        Sig::Custom(_) => return None,
    })
}

/// The name of a signal in the exit message of a program.
#[must_use]
pub fn name(number: i32) -> Sig {
    let signal = Signal::from_named_raw(number);
    match signal {
        Some(Signal::ABORT) => Sig::ABRT,
        Some(Signal::ALARM) => Sig::ALRM,
        Some(Signal::FPE) => Sig::FPE,
        Some(Signal::HUP) => Sig::HUP,
        Some(Signal::ILL) => Sig::ILL,
        Some(Signal::INT) => Sig::INT,
        Some(Signal::KILL) => Sig::KILL,
        Some(Signal::PIPE) => Sig::PIPE,
        Some(Signal::QUIT) => Sig::QUIT,
        Some(Signal::SEGV) => Sig::SEGV,
        Some(Signal::TERM) => Sig::TERM,
        Some(Signal::USR1) => Sig::USR1,
        Some(Signal::USR2) => Sig::Custom("USR2".to_owned()),
        // The standard has no name for it, but a syntax for other names.
        _ => Sig::Custom(format!("{number}@creel.dev")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn there_and_back(sig: &Sig) -> String {
        format!("{:?}", name(number(sig).unwrap().as_raw()))
    }

    #[test]
    fn every_name_of_the_standard_maps_to_a_number_and_back() {
        use Sig::{ABRT, ALRM, FPE, HUP, ILL, INT, KILL, PIPE, QUIT, SEGV, TERM, USR1};
        for sig in [ABRT, ALRM, FPE, HUP, ILL, INT, KILL, PIPE, QUIT, SEGV, TERM, USR1, Sig::Custom("USR2".to_owned())]
        {
            assert_eq!(there_and_back(&sig), format!("{sig:?}"));
        }
    }

    #[test]
    fn an_unknown_name_is_not_a_signal() {
        assert!(number(&Sig::Custom("STOP@elsewhere".to_owned())).is_none());
        assert!(matches!(name(Signal::SYS.as_raw()), Sig::Custom(name) if name == "31@creel.dev"));
    }
}
