//! What a namespace that does its worst costs an Agent in another one, and the operator. Touches the network.

use super::error::Error;
use super::live::{self, Edits};
use super::memory::{Held, held};
use super::stage;
use super::table::{Row, Unit};
use crate::progress::Progress;
use crate::suite::{TestNamespace, Worst, with_fake_nodes};

/// The chart's memory limit, in MiB.
const LIMIT: f64 = 256.0;

/// So many edits of the Agent that runs on this stage, without the neighbour and beside it.
pub async fn measure(namespace: &TestNamespace, edits: usize, progress: &Progress) -> Result<Vec<Row>, Error> {
    let without = progress.during("editing a model without a neighbour", look(namespace, edits)).await?;
    let neighbour = stage::open_neighbour(&namespace.client, progress).await?;
    let (mut beside, mut closed) = (None, Ok(()));
    with_fake_nodes(1, async |nodes| {
        let worst = progress.during("letting a neighbour do its worst", Worst::begin(&neighbour, nodes)).await;
        let edited = worst.during(Box::pin(look(namespace, edits)));
        beside = Some(progress.during("editing a model beside it", edited).await);
        worst.end().await;
        closed = stage::close(&neighbour).await;
    })
    .await;
    let beside = beside.unwrap_or_else(|| Err(Error::Missing("what was measured beside the neighbour".to_owned())))?;
    closed.map(|()| rows(&beside, &without))
}

/// The edits, and what the operator holds afterwards.
async fn look(namespace: &TestNamespace, edits: usize) -> Result<(Edits, Held), Error> {
    let edits = live::edit(namespace, edits).await?;
    Ok((edits, held(&namespace.client).await?))
}

fn rows((beside, held): &(Edits, Held), (without, held_without): &(Edits, Held)) -> Vec<Row> {
    let told = |percent| {
        let measure = format!("beside a bad neighbour: model edited → ConfigApplied=True, p{percent}");
        let row = Row::new(measure, Unit::Milliseconds, beside.told.percentile(percent));
        row.beside(without.told.percentile(percent)).goal(live::GOAL)
    };
    let memory = |what: &str, beside, without| {
        Row::new(format!("beside a bad neighbour: operator, {what}"), Unit::Mebibytes, beside)
            .beside(without)
            .goal(LIMIT)
    };
    vec![
        told(50),
        told(95),
        memory("resident (VmRSS)", held.resident, held_without.resident),
        memory("working set (kubelet)", held.working_set, held_without.working_set),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_measured_beside_the_neighbour_stands_beside_what_was_measured_without_it() {
        let taken = |milliseconds, mebibytes| {
            let mut edits = Edits::default();
            edits.told.add(Duration::from_millis(milliseconds));
            (edits, Held { resident: Some(mebibytes), working_set: None })
        };
        let rows = rows(&taken(900, 120.0), &taken(300, 20.0));
        let values: Vec<_> = rows.iter().map(|row| (row.ours, row.stand_in)).collect();
        let (edit, resident) = ((Some(900.0), Some(300.0)), (Some(120.0), Some(20.0)));
        assert_eq!(values, [edit, edit, resident, (None, None)]);
    }
}
