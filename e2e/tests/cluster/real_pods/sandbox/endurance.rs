//! What a long life costs: many calls and much data through one connection, between a gateway's container and a sandbox's.

use super::calls::Calls;

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

/// So many calls, four at a time, then so much data (as `head -c` takes it), leave neither processes nor memory taken.
pub async fn endure(calls: &Calls<'_>, number: usize, size: &str) {
    calls.run("call true").await;
    let before = calls.taken().await;
    calls.run(&SHORT.replace("<calls>", &(number / 4).to_string())).await;
    calls.run(&MUCH.replace("<size>", size)).await;
    calls.leave_nothing(&before).await;
}
