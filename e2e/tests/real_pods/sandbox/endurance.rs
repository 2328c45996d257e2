//! What a long life costs: many calls and much data through one connection, between a gateway's container and a sandbox's.

use std::time::Instant;

use e2e::suite::{TestNamespace, in_namespace};

use super::calls::Calls;
use super::{AGENT, writer_with};

/// 10,000 in all, four at a time.
const SHORT: &str = r#"
series() {
  number=0
  while [ $number -lt 2500 ]; do
    said=$(call "echo $1 $number")
    [ "$said" = "$1 $number" ] || { echo "call $number of series $1 said: $said" >&2; return 1; }
    number=$((number + 1))
  done
}
all=
for each in 1 2 3 4; do series $each & all="$all $!"; done
for each in $all; do wait $each; done
"#;

/// A gigabyte in, out, and both ways at once, whole each time.
const MUCH: &str = "
much() { yes 'a line of a gigabyte' | head -c 1G; }
expected=$(much | md5sum)
in=$(much | call md5sum)
out=$(call \"yes 'a line of a gigabyte' | head -c 1G\" | md5sum)
both=$(much | call cat | md5sum)
[ \"$in|$out|$both\" = \"$expected|$expected|$expected\" ] || { echo \"$expected: in $in, out $out, both $both\" >&2; exit 1; }
";

#[tokio::test]
async fn ten_thousand_calls_and_gigabytes_leave_neither_processes_nor_memory_taken() {
    in_namespace("endurance", async |namespace: TestNamespace| {
        let (gateway, pod) = writer_with(&namespace, "none").await;
        let calls = Calls { namespace: &namespace, gateway: &gateway, pod: &pod, name: "endurance" };
        calls.run("call true").await;
        let before = calls.taken().await;
        let start = Instant::now();
        calls.run(SHORT).await;
        let short = start.elapsed();
        calls.run(MUCH).await;
        let took = start.elapsed();

        println!("calls {short:?}, with data {took:?}");
        calls.leave_nothing(&before).await;
        assert_eq!(namespace.sandbox_ready(AGENT).await, pod, "neither container was restarted");
        assert_eq!(namespace.running(AGENT).await, [gateway]);
    })
    .await;
}
