//! Calls as OpenClaw makes them, from within the gateway's container, and what they leave in both containers.

use std::time::Duration;

use e2e::suite::{RunningPod, SOON, TestNamespace};
use tokio::time::timeout;

/// A script here takes seconds; one that takes this long hangs.
const HANGS: Duration = Duration::from_mins(30);

/// What the memory of either process may grow by, in kB.
const GROWTH: u64 = 10 * 1024;

/// The same program and configuration as OpenClaw's, in a directory of their own, and so with a process of their own that holds the
/// connection. `$configuration` may name another file of that directory.
const PRELUDE: &str = r#"
set -eu
umask 077
export TMPDIR=/tmp/<name>
mkdir -p $TMPDIR && cd $TMPDIR
[ -e config ] || {
  printf '%s\n' "$CREEL_SSH_KEY" > identity
  node -e '
    const fs = require("fs"), config = JSON.parse(fs.readFileSync("/etc/openclaw/openclaw.json"));
    const ssh = config.agents.entries.writer.sandbox.ssh;
    const [, user, host, port] = /^(.*)@(.*):(\d+)$/.exec(ssh.target);
    fs.writeFileSync("known_hosts", ssh.knownHostsData + "\n");
    fs.writeFileSync("config", `Host openclaw-sandbox\n  HostName ${host}\n  Port ${port}\n  BatchMode yes\n  ConnectTimeout 5\n` +
      `  ServerAliveInterval 15\n  ServerAliveCountMax 3\n  StrictHostKeyChecking yes\n  UpdateHostKeys no\n  User ${user}\n` +
      "  UserKnownHostsFile /tmp/<name>/known_hosts\n  IdentityFile /tmp/<name>/identity\n  IdentitiesOnly yes\n");'
}
configuration=config
become() { exec /opt/creel/creel-shell-ssh -F $TMPDIR/$configuration -T -o RequestTTY=no openclaw-sandbox "$1"; }
call() ( become "$1" )
"#;

/// Tells how much memory a process has taken at most, in kB. There must be one; its command line is told by a word of it.
const MEMORY: &str = r#"
found=
for process in /proc/[0-9]*; do
  tr '\0' ' ' < $process/cmdline 2>/dev/null | grep -q '^[^ ]*creel-shell <word>' && found="$found $process"
done
set -- $found
[ $# = 1 ] || { echo "processes of creel-shell <word>: $#" >&2; exit 1; }
sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' $1/status
"#;

/// The names of all processes of a container but those of the script itself, and its zombies with a mark.
const PROCESSES: &str = r"
for process in /proc/[0-9]*; do
  [ ${process#/proc/} = $$ ] || sed -n 's/^[0-9]* (\(.*\)) \([A-Z]\) .*/\1 \2/p' $process/stat 2>/dev/null
done | sed 's/ Z$/ ended/; s/ [A-Z]$//' | grep -vx 'sh\|sed\|grep\|sort' | sort
";

/// Calls between a gateway's Pod and a sandbox's.
pub struct Calls<'a> {
    pub namespace: &'a TestNamespace,
    pub gateway: &'a RunningPod,
    pub pod: &'a RunningPod,
    /// Tells them from other calls in the same container.
    pub name: &'static str,
}

impl Calls<'_> {
    /// Runs a script in the gateway's container, in which `call` runs a command in the sandbox; after `become … &`, `$!` is the client.
    pub async fn run(&self, script: &str) -> String {
        let script = format!("{}{script}", PRELUDE.replace("<name>", self.name));
        let said = timeout(HANGS, self.in_gateway(&script)).await;
        said.unwrap_or_else(|_| panic!("still not ended after {HANGS:?}: {script}"))
    }

    async fn in_gateway(&self, script: &str) -> String {
        self.namespace.in_container(&self.gateway.name, "gateway", script).await
    }

    /// Runs a script in the sandbox's container beside all calls.
    pub async fn in_sandbox(&self, script: &str) -> String {
        self.namespace.in_container(&self.pod.name, "shell", script).await
    }

    /// What the calls have taken until now.
    pub async fn taken(&self) -> Taken {
        // OpenClaw may have such processes of its own.
        let master = self.in_gateway(&MEMORY.replace("<word>", &format!("mux .*/tmp/{}/", self.name))).await;
        let server = self.in_sandbox(&MEMORY.replace("<word>", "serve ")).await;
        let memory = [master, server].map(|number| number.trim().parse().expect("a number of kB"));
        Taken { memory, processes: self.processes().await }
    }

    async fn processes(&self) -> [String; 2] {
        [self.in_gateway(PROCESSES).await, self.in_sandbox(PROCESSES).await]
    }

    /// Fails if more memory was taken since than may be; waits until there is no process, ended or not, that was not there before.
    pub async fn leave_nothing(&self, before: &Taken) {
        let most = self.taken().await.memory;
        println!("{}: mux master and server, kB: {:?}, at most {most:?}", self.name, before.memory);
        for (most, before) in most.into_iter().zip(before.memory) {
            assert!(most < before + GROWTH, "{before} kB at the beginning, {most} kB at most");
        }
        let left = async || {
            let now = self.processes().await;
            let more: Vec<_> = before.processes.iter().zip(&now).flat_map(|(before, now)| added(before, now)).collect();
            if more.is_empty() { Ok(()) } else { Err(format!("{more:?} of {now:?}")) }
        };
        self.namespace.eventually("no process is left", SOON, left).await;
    }
}

/// What calls take, in the gateway's container and in the sandbox's.
pub struct Taken {
    /// The most that these have ever had, in kB: the process that holds the connection, and the server of the sandbox.
    memory: [u64; 2],
    /// The names of all processes, one a line.
    processes: [String; 2],
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
