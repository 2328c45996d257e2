//! What a long life costs: many calls and much data through one connection, between a gateway's container and a sandbox's.

use std::time::{Duration, Instant};

use e2e::suite::{TestNamespace, in_namespace};

use super::{AGENT, writer_with};

/// What the memory of either process may grow by, in kB.
const GROWTH: u64 = 10 * 1024;

/// Far more than it takes, and little enough that a wait anywhere on the way shows.
const LONG: Duration = Duration::from_mins(3);

const SOON: Duration = Duration::from_secs(30);

/// Calls as OpenClaw makes them: the same program and configuration, in a directory of their own, and so with a process of their own that
/// holds the connection.
const CALLS: &str = r#"
set -eu
umask 077
export TMPDIR=/tmp/endurance
cd $TMPDIR 2>/dev/null || {
  mkdir $TMPDIR
  cd $TMPDIR
  printf '%s\n' "$CREEL_SSH_KEY" > identity
  node -e '
    const fs = require("fs"), config = JSON.parse(fs.readFileSync("/etc/openclaw/openclaw.json"));
    const ssh = config.agents.entries.writer.sandbox.ssh;
    const [, user, host, port] = /^(.*)@(.*):(\d+)$/.exec(ssh.target);
    fs.writeFileSync("known_hosts", ssh.knownHostsData + "\n");
    fs.writeFileSync("config", `Host openclaw-sandbox\n  HostName ${host}\n  Port ${port}\n  BatchMode yes\n  ConnectTimeout 5\n` +
      `  ServerAliveInterval 15\n  ServerAliveCountMax 3\n  StrictHostKeyChecking yes\n  UpdateHostKeys no\n  User ${user}\n` +
      "  UserKnownHostsFile /tmp/endurance/known_hosts\n  IdentityFile /tmp/endurance/identity\n  IdentitiesOnly yes\n");'
}
call() { /opt/creel/creel-shell-ssh -F $TMPDIR/config -T -o RequestTTY=no openclaw-sandbox "$1"; }
"#;

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

/// Tells how much memory a process has taken at most, in kB. There must be one; its command line is told by a word of it.
fn memory_of(word: &str) -> String {
    format!(
        r#"
found=
for process in /proc/[0-9]*; do
  tr '\0' ' ' < $process/cmdline 2>/dev/null | grep -q '^[^ ]*creel-shell {word}' && found="$found $process"
done
set -- $found
[ $# = 1 ] || {{ echo "processes of creel-shell {word}: $#" >&2; exit 1; }}
sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' $1/status
"#
    )
}

/// The names of all processes of a container but those of the script itself, and its zombies with a mark.
const PROCESSES: &str = r"
for process in /proc/[0-9]*; do
  [ ${process#/proc/} = $$ ] || sed -n 's/^[0-9]* (\(.*\)) \([A-Z]\) .*/\1 \2/p' $process/stat 2>/dev/null
done | sed 's/ Z$/ ended/; s/ [A-Z]$//' | grep -vx 'sh\|sed\|grep\|sort' | sort
";

#[tokio::test]
async fn ten_thousand_calls_and_gigabytes_leave_neither_processes_nor_memory_taken() {
    in_namespace("endurance", async |namespace: TestNamespace| {
        let (gateway, pod) = writer_with(&namespace, "none").await;
        let in_gateway = async |script: &str| namespace.in_container(&gateway.name, "gateway", script).await;
        let in_sandbox = async |script: &str| namespace.in_container(&pod.name, "shell", script).await;
        let memory = async || {
            // With the connection's own process among all that OpenClaw may have.
            let holder = in_gateway(&memory_of("hold .*/tmp/endurance/")).await;
            let server = in_sandbox(&memory_of("serve ")).await;
            [holder, server].map(|number| number.trim().parse::<u64>().expect("a number of kB"))
        };

        in_gateway(&format!("{CALLS} call true")).await;
        let before = memory().await;
        let processes = [in_gateway(PROCESSES).await, in_sandbox(PROCESSES).await];
        let start = Instant::now();
        in_gateway(&format!("{CALLS}{SHORT}")).await;
        let short = start.elapsed();
        in_gateway(&format!("{CALLS}{MUCH}")).await;
        let took = start.elapsed();
        let most = memory().await;

        println!("calls {short:?}, with data {took:?}; holder and server, kB: {before:?}, at most {most:?}");
        for (most, before) in most.into_iter().zip(before) {
            assert!(most < before + GROWTH, "{before} kB at the beginning, {most} kB at most");
        }
        assert!(took < LONG, "it took {took:?}");
        let left = async || {
            let now = [in_gateway(PROCESSES).await, in_sandbox(PROCESSES).await];
            let more: Vec<_> = processes.iter().zip(&now).flat_map(|(before, now)| added(before, now)).collect();
            if more.is_empty() { Ok(()) } else { Err(format!("{more:?} of {now:?}")) }
        };
        namespace.eventually("no process is left", SOON, left).await;
        assert_eq!(namespace.sandbox_ready(AGENT).await, pod, "neither container was restarted");
        assert_eq!(namespace.running(AGENT).await, [gateway]);
    })
    .await;
}

/// The processes that were not there before.
fn added(before: &str, now: &str) -> Vec<String> {
    let mut before: Vec<_> = before.lines().collect();
    let mut is_new = |name: &&str| match before.iter().position(|known| known == name) {
        Some(known) => {
            before.swap_remove(known);
            false
        }
        None => true,
    };
    now.lines().filter(|name| is_new(name)).map(str::to_owned).collect()
}
