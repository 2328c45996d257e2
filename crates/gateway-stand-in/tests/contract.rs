//! The stand-in holds to the contract, clause by clause.

use std::time::Duration;

use gateway_stand_in::contract::{self, Host, Subject, Surroundings, document};
use gateway_stand_in::{StandIn, Turns, with_clauses};

/// Whatever is asked of it happens at once.
struct Here(StandIn);

impl Host for Here {
    async fn pass(&self, time: Duration) {
        self.0.pass(time);
    }

    async fn configure(&self, text: &str) {
        self.0.configure(text);
    }

    async fn set_turns(&self, turns: Turns) {
        self.0.set_turns(turns);
    }

    async fn kill(&self) {
        self.0.kill();
    }
}

async fn subject() -> Subject<Here> {
    let document = document(&Surroundings::none());
    let gateway = StandIn::start("a-token", &document.to_string()).await;
    gateway.set_callers_remote();
    Subject::new(gateway.address(), "a-token", Here(gateway), document)
}

macro_rules! each_clause {
    ($($module:ident :: $clause:ident)*) => {
        $(mod $clause {
            #[tokio::test]
            async fn holds() {
                super::contract::$module::$clause(&super::subject().await).await;
            }
        })*
    };
}
with_clauses!(each_clause);

/// As a real gateway meets them: each finds what the ones before it left.
#[tokio::test]
async fn all_hold_one_after_the_other() {
    assert_eq!(contract::broken(&subject().await).await, []);
}
