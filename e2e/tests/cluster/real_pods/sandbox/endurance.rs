//! What a long life costs: many calls and much data through one connection, between a gateway's container and a sandbox's.

use e2e::suite::{TestNamespace, in_namespace};

use super::calls::Calls;
use super::{AGENT, writer_with};

/// So many calls in each of four series that run at once.
const SHORT: &str = r#"
series() {
  number=0
  while [ $number -lt <calls> ]; do
    said=$(call "echo $1 $number")
    [ "$said" = "$1 $number" ] || { echo "call $number of series $1 said: $said" >&2; return 1; }
    number=$((number + 1))
  done
}
all=
for each in 1 2 3 4; do series $each & all="$all $!"; done
for each in $all; do wait $each; done
"#;

/// So much in, out, and both ways at once, whole each time.
const MUCH: &str = "
much() { yes 'a line of many' | head -c <size>; }
expected=$(much | md5sum)
in=$(much | call md5sum)
out=$(call \"yes 'a line of many' | head -c <size>\" | md5sum)
both=$(much | call cat | md5sum)
[ \"$in|$out|$both\" = \"$expected|$expected|$expected\" ] || { echo \"$expected: in $in, out $out, both $both\" >&2; exit 1; }
";

#[tokio::test]
async fn many_calls_and_much_data_leave_neither_processes_nor_memory_taken() {
    endure("endurance", 400, "64M").await;
}

/// So many calls, four at a time, then so much data (as `head -c` takes it).
pub async fn endure(name: &str, calls: usize, size: &str) {
    in_namespace(name, async |namespace: TestNamespace| {
        let (gateway, pod) = writer_with(&namespace, "none").await;
        let through = Calls { namespace: &namespace, gateway: &gateway, pod: &pod, name: "endurance" };
        through.run("call true").await;
        let before = through.taken().await;
        through.run(&SHORT.replace("<calls>", &(calls / 4).to_string())).await;
        through.run(&MUCH.replace("<size>", size)).await;
        through.leave_nothing(&before).await;
        assert_eq!(namespace.sandbox_ready(AGENT).await, pod, "neither container was restarted");
        assert_eq!(namespace.running(AGENT).await, [gateway]);
    })
    .await;
}
