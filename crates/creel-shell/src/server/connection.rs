//! The connection of one client: what it may request, and what happens then. Touches the connection; the calls that it starts touch
//! the rest.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use russh::keys::PublicKey;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, ChannelWriteHalf, Error, Pty, Sig};
use rustix::termios::Winsize;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::call::{self, CANNOT_EXECUTE, Call, CallRequest, Event, ReplyChannel};
use super::calls::Calls;
use super::program::{Environment, Program, Terminal};
use super::{environment, removal, signal, stdin};
use crate::log;

/// Channels open at the same time.
const MAX_OPEN_CHANNELS: usize = 64;

/// Channels in total: russh keeps a few KiB for each channel that the server closed until the connection ends. A client whose channel is
/// refused opens another connection; OpenSSH's client does so automatically.
const MAX_CHANNELS: usize = 2000;

/// The longest argument on Linux (`MAX_ARG_STRLEN`, less the final NUL).
const MAX_COMMAND_LENGTH: usize = 128 * 1024 - 1;

/// How long a client may take to log in, from its first byte on.
pub const LOGIN_GRACE_TIME: Duration = Duration::from_secs(20);

const STOPPING: &str = "creel-shell: the sandbox is stopping; try again\n";

/// What all connections share.
pub struct Shared {
    pub authorized: Vec<PublicKey>,
    /// Whether OpenClaw must not remove the workspace, because it is a mounted volume.
    pub keeps_workspace: bool,
    pub calls: Calls,
}

/// The handler of one connection.
pub struct Connection {
    shared: Arc<Shared>,
    peer: SocketAddr,
    authenticated: Arc<AtomicBool>,
    channels: HashMap<ChannelId, ChannelState>,
    /// Channels in total.
    opened: usize,
    input_consumed: Arc<Notify>,
}

enum ChannelState {
    Open(OpenChannel),
    Running(Call),
}

/// A channel on which no call has started yet.
struct OpenChannel {
    channel: ChannelWriteHalf<Msg>,
    terminal: Option<Terminal>,
    environment: Environment,
}

impl Connection {
    #[must_use]
    pub fn new(shared: Arc<Shared>, peer: SocketAddr, authenticated: Arc<AtomicBool>) -> Self {
        Self { shared, peer, authenticated, channels: HashMap::new(), opened: 0, input_consumed: Arc::default() }
    }

    fn authorize(&self, key: &PublicKey) -> Auth {
        if self.shared.authorized.iter().any(|authorized| authorized.key_data() == key.key_data()) {
            Auth::Accept
        } else {
            log::event(format_args!("{}: rejected a key that is not authorized", self.peer));
            Auth::reject()
        }
    }

    /// Why another channel is refused, if it is.
    fn refusal(&mut self) -> Option<ChannelOpenFailure> {
        self.channels.retain(|_, state| !matches!(state, ChannelState::Running(call) if call.has_ended()));
        (self.channels.len() >= MAX_OPEN_CHANNELS || self.opened >= MAX_CHANNELS)
            .then_some(ChannelOpenFailure::ResourceShortage)
    }

    fn open_channel(&mut self, id: ChannelId) -> Option<&mut OpenChannel> {
        match self.channels.get_mut(&id) {
            Some(ChannelState::Open(open)) => Some(open),
            _ => None,
        }
    }

    fn call(&self, id: ChannelId) -> Option<&Call> {
        match self.channels.get(&id) {
            Some(ChannelState::Running(call)) => Some(call),
            _ => None,
        }
    }

    /// Bytes of input that the programs of all channels have not read yet.
    fn buffered_input(&self) -> usize {
        let calls = self.channels.values().filter_map(|state| match state {
            ChannelState::Running(call) => Some(call.buffered_input()),
            ChannelState::Open(_) => None,
        });
        calls.sum()
    }

    /// Starts a call on an open channel, or replies in place of it.
    fn start(&mut self, id: ChannelId, program: Program, session: &mut Session) -> Result<(), Error> {
        let Some(ChannelState::Open(open)) = self.channels.remove(&id) else {
            return session.channel_failure(id);
        };
        session.channel_success(id)?;
        let reply = ReplyChannel { channel: open.channel, session: session.handle() };
        if let Some((status, message)) = self.reply_without_running(&program) {
            log::event(format_args!("{}: did not run a command: {}", self.peer, message.trim_end()));
            tokio::spawn(async move { call::reply_without_running(&reply, status, message).await });
            return Ok(());
        }
        let Some(running) = self.shared.calls.start() else {
            tokio::spawn(async move { call::reply_without_running(&reply, CANNOT_EXECUTE, STOPPING).await });
            return Ok(());
        };
        let request = CallRequest { program, terminal: open.terminal, environment: open.environment };
        let calls = self.shared.calls.clone();
        let call = Call::start(request, reply, calls, running, self.input_consumed.clone());
        self.channels.insert(id, ChannelState::Running(call));
        Ok(())
    }

    /// The status and the message with which to reply instead of running the program, if it must not run.
    fn reply_without_running(&self, program: &Program) -> Option<(u32, &'static str)> {
        let Program::Command(command) = program else { return None };
        if command.len() > MAX_COMMAND_LENGTH {
            return Some((
                CANNOT_EXECUTE,
                "creel-shell: the command is longer than 128 KiB; send it as input instead\n",
            ));
        }
        (self.shared.keeps_workspace && removal::is_removal(command)).then_some((removal::STATUS, removal::MESSAGE))
    }
}

impl Handler for Connection {
    type Error = Error;

    async fn auth_publickey_offered(&mut self, _user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Error> {
        Ok(self.authorize(offer.public_key))
    }

    async fn auth_publickey(&mut self, _user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Error> {
        Ok(self.authorize(key.public_key))
    }

    async fn auth_succeeded(&mut self, _session: &mut Session) -> Result<(), Error> {
        self.authenticated.store(true, Ordering::Relaxed);
        log::event(format_args!("{} connected", self.peer));
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        if let Some(refusal) = self.refusal() {
            reply.reject(refusal).await;
            return Ok(());
        }
        // russh also sends data to the reading half, and waits until it is read: dropping the half prevents that.
        let (_, channel) = channel.split();
        self.opened += 1;
        let open = OpenChannel { terminal: None, environment: Environment::new(), channel };
        self.channels.insert(open.channel.id(), ChannelState::Open(open));
        reply.accept().await;
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _session: &mut Session) -> Result<(), Error> {
        self.channels.remove(&id);
        Ok(())
    }

    async fn channel_eof(&mut self, id: ChannelId, _session: &mut Session) -> Result<(), Error> {
        if let Some(call) = self.call(id) {
            call.end_input();
        }
        Ok(())
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Error> {
        let Some(call) = self.call(id) else { return Ok(()) };
        if call.send_input(data).is_err() {
            log::event(format_args!("{}: ended a call: its client sent more input than its window allows", self.peer));
            self.channels.remove(&id);
            return session.close(id);
        }
        if data.len() <= stdin::MIN_WINDOW as usize && stdin::is_above_high_water(self.buffered_input()) {
            let room = async {
                while stdin::is_above_high_water(self.buffered_input()) {
                    self.input_consumed.notified().await;
                }
            };
            let _ = timeout(stdin::ADJUST_DELAY, room).await;
        }
        Ok(())
    }

    fn adjust_window(&mut self, _id: ChannelId, _current: u32) -> u32 {
        stdin::next_window(self.buffered_input())
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        kind: &str,
        columns: u32,
        rows: u32,
        width: u32,
        height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Error> {
        let Some(open) = self.open_channel(id) else { return session.channel_failure(id) };
        let terminal = Terminal { kind: kind.to_owned(), size: size(columns, rows, width, height) };
        open.terminal = Some(terminal);
        session.channel_success(id)
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        match self.open_channel(id) {
            Some(open) if environment::may_set(name, value, open.environment.len()) => {
                open.environment.push((name.to_owned(), value.to_owned()));
                session.channel_success(id)
            }
            _ => session.channel_failure(id),
        }
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Error> {
        self.start(id, Program::Shell, session)
    }

    async fn exec_request(&mut self, id: ChannelId, command: &[u8], session: &mut Session) -> Result<(), Error> {
        self.start(id, Program::Command(command.to_vec()), session)
    }

    async fn subsystem_request(&mut self, id: ChannelId, _name: &str, session: &mut Session) -> Result<(), Error> {
        session.channel_failure(id)
    }

    async fn x11_request(
        &mut self,
        id: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_failure(id)
    }

    async fn window_change_request(
        &mut self,
        id: ChannelId,
        columns: u32,
        rows: u32,
        width: u32,
        height: u32,
        _session: &mut Session,
    ) -> Result<(), Error> {
        if let Some(call) = self.call(id) {
            call.send_event(Event::Resize(size(columns, rows, width, height)));
        }
        Ok(())
    }

    async fn signal(&mut self, id: ChannelId, name: Sig, _session: &mut Session) -> Result<(), Error> {
        if let (Some(call), Some(signal)) = (self.call(id), signal::number(&name)) {
            call.send_event(Event::Signal(signal));
        }
        Ok(())
    }
}

fn size(columns: u32, rows: u32, width: u32, height: u32) -> Winsize {
    let cells = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
    Winsize { ws_row: cells(rows), ws_col: cells(columns), ws_xpixel: cells(width), ws_ypixel: cells(height) }
}
