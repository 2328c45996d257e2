//! One client's connection: what it may ask for, and what happens then. Touches the connection; the calls that it starts
//! touch the rest.

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

use super::call::{self, CANNOT_RUN, Call, Event, Line, Setup};
use super::calls::Calls;
use super::program::{Environment, Program, Terminal};
use super::{environment, log, removal, signal, stdin};

/// Channels at one time.
const CHANNELS: usize = 64;

/// Channels in all: russh keeps a few KiB of each that the server closed, until the connection ends. A client that is
/// refused another one connects anew, OpenSSH's does so by itself.
const CHANNELS_IN_ALL: usize = 2000;

/// Linux takes no longer argument (`MAX_ARG_STRLEN`, with its end).
const COMMAND: usize = 128 * 1024 - 1;

/// What all connections share.
pub struct Shared {
    pub authorized: Vec<PublicKey>,
    /// Whether a workspace is mounted that OpenClaw must not remove.
    pub keeps_workspace: bool,
    pub calls: Calls,
}

/// The handler of one connection.
pub struct Connection {
    shared: Arc<Shared>,
    peer: SocketAddr,
    authenticated: Arc<AtomicBool>,
    channels: HashMap<ChannelId, Stage>,
    opened: usize,
    drained: Arc<Notify>,
}

/// How far a channel has come.
enum Stage {
    Preparing(Preparation),
    Running(Call),
}

struct Preparation {
    channel: ChannelWriteHalf<Msg>,
    terminal: Option<Terminal>,
    environment: Environment,
}

impl Connection {
    #[must_use]
    pub fn new(shared: Arc<Shared>, peer: SocketAddr, authenticated: Arc<AtomicBool>) -> Self {
        Self { shared, peer, authenticated, channels: HashMap::new(), opened: 0, drained: Arc::default() }
    }

    fn authorize(&self, key: &PublicKey) -> Auth {
        if self.shared.authorized.iter().any(|authorized| authorized.key_data() == key.key_data()) {
            Auth::Accept
        } else {
            log::event(format_args!("{}: a key that is not authorized was refused", self.peer));
            Auth::reject()
        }
    }

    /// Why no further channel may be opened, if so.
    fn refusal(&mut self) -> Option<ChannelOpenFailure> {
        self.channels.retain(|_, stage| !matches!(stage, Stage::Running(call) if call.has_ended()));
        (self.channels.len() >= CHANNELS || self.opened >= CHANNELS_IN_ALL)
            .then_some(ChannelOpenFailure::ResourceShortage)
    }

    fn preparation(&mut self, id: ChannelId) -> Option<&mut Preparation> {
        match self.channels.get_mut(&id) {
            Some(Stage::Preparing(preparation)) => Some(preparation),
            _ => None,
        }
    }

    fn call(&self, id: ChannelId) -> Option<&Call> {
        match self.channels.get(&id) {
            Some(Stage::Running(call)) => Some(call),
            _ => None,
        }
    }

    /// Bytes of input that wait in all channels.
    fn waiting(&self) -> usize {
        let calls = self.channels.values().filter_map(|stage| match stage {
            Stage::Running(call) => Some(call.waiting()),
            Stage::Preparing(_) => None,
        });
        calls.sum()
    }

    /// Starts what a channel was prepared for, or answers in its place.
    fn start(&mut self, id: ChannelId, program: Program, session: &mut Session) -> Result<(), Error> {
        let Some(Stage::Preparing(preparation)) = self.channels.remove(&id) else {
            return session.channel_failure(id);
        };
        session.channel_success(id)?;
        let line = Line { channel: preparation.channel, session: session.handle() };
        if let Some((status, message)) = self.answer_without_running(&program) {
            log::event(format_args!("{}: a call was answered without running it: {}", self.peer, message.trim_end()));
            tokio::spawn(async move { call::answer(&line, status, message).await });
            return Ok(());
        }
        let Some(running) = self.shared.calls.begin() else {
            tokio::spawn(async move { call::answer(&line, CANNOT_RUN, STOPPING).await });
            return Ok(());
        };
        let setup = Setup { program, terminal: preparation.terminal, environment: preparation.environment };
        let call = Call::start(setup, line, self.shared.calls.clone(), running, self.drained.clone());
        self.channels.insert(id, Stage::Running(call));
        Ok(())
    }

    fn answer_without_running(&self, program: &Program) -> Option<(u32, &'static str)> {
        let Program::Command(command) = program else { return None };
        if command.len() > COMMAND {
            return Some((CANNOT_RUN, "creel-shell: the command is longer than 128 KiB; send it as input instead\n"));
        }
        (self.shared.keeps_workspace && removal::is_removal(command)).then_some((removal::STATUS, removal::ANSWER))
    }
}

const STOPPING: &str = "creel-shell: the sandbox is stopping; try again\n";

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
        // russh hands data to the reading half as well, and waits for it to be read: dropped, it is out of the way.
        let (_, channel) = channel.split();
        self.opened += 1;
        let preparation = Preparation { terminal: None, environment: Environment::new(), channel };
        self.channels.insert(preparation.channel.id(), Stage::Preparing(preparation));
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
        if call.push(data).is_err() {
            log::event(format_args!("{}: a call was ended: its client sent more input than it may", self.peer));
            self.channels.remove(&id);
            return session.close(id);
        }
        if data.len() <= stdin::TRICKLE as usize && stdin::is_plenty(self.waiting()) {
            let room = async {
                while stdin::is_plenty(self.waiting()) {
                    self.drained.notified().await;
                }
            };
            let _ = timeout(stdin::PACE, room).await;
        }
        Ok(())
    }

    fn adjust_window(&mut self, _id: ChannelId, _current: u32) -> u32 {
        stdin::next_window(self.waiting())
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
        let Some(preparation) = self.preparation(id) else { return session.channel_failure(id) };
        let terminal = Terminal { kind: kind.to_owned(), size: size(columns, rows, width, height) };
        preparation.terminal = Some(terminal);
        session.channel_success(id)
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        match self.preparation(id) {
            Some(preparation) if environment::may_set(name, value, preparation.environment.len()) => {
                preparation.environment.push((name.to_owned(), value.to_owned()));
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
            call.send(Event::Resize(size(columns, rows, width, height)));
        }
        Ok(())
    }

    async fn signal(&mut self, id: ChannelId, name: Sig, _session: &mut Session) -> Result<(), Error> {
        if let (Some(call), Some(signal)) = (self.call(id), signal::number(&name)) {
            call.send(Event::Signal(signal));
        }
        Ok(())
    }
}

/// How long a client may take to say who it is, from its first byte on.
pub const LOGIN_GRACE: Duration = Duration::from_secs(20);

fn size(columns: u32, rows: u32, width: u32, height: u32) -> Winsize {
    let cells = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
    Winsize { ws_row: cells(rows), ws_col: cells(columns), ws_xpixel: cells(width), ws_ypixel: cells(height) }
}
