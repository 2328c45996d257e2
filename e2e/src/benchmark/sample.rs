//! Percentiles of what was measured. Pure.

use std::time::Duration;

/// Durations of the same thing, measured more than once.
#[derive(Debug, Default, Clone)]
pub struct Sample {
    taken: Vec<Duration>,
}

impl Sample {
    pub fn add(&mut self, duration: Duration) {
        self.taken.push(duration);
    }

    /// The smallest value that `percent` of all values do not exceed, in milliseconds: always one that was measured. `None` when
    /// there is none.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Option<f64> {
        let mut sorted = self.taken.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).map(|duration| duration.as_secs_f64() * 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percentiles(milliseconds: &[u64]) -> [Option<f64>; 3] {
        let mut sample = Sample::default();
        for value in milliseconds {
            sample.add(Duration::from_millis(*value));
        }
        [50, 95, 100].map(|percent| sample.percentile(percent))
    }

    #[test]
    fn a_percentile_is_a_measured_value() {
        assert_eq!(percentiles(&[]), [None; 3]);
        assert_eq!(percentiles(&[7]), [Some(7.0); 3]);
        assert_eq!(percentiles(&[4, 1, 3, 2]), [Some(2.0), Some(4.0), Some(4.0)]);
        let twenty: Vec<u64> = (1..=20).collect();
        assert_eq!(percentiles(&twenty), [Some(10.0), Some(19.0), Some(20.0)]);
    }
}
