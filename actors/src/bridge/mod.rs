//! The bridge to the broker: holds the connection, empties the outbox into it, and leaves commands to the [`intake`].
//!
//! Nothing is published before the command subscription stands, so that an application which reacts to a `register` never loses its
//! command. While the broker is away publications wait in the outbox; what was under way goes back to its front, in order. The MQTT library
//! keeps publications of a session too, but it loses them without a word when the broker has lost the session: so the outbox does not rely on
//! it, and some publications may come twice after an outage.
pub(crate) mod connection;
mod diagnosis;
pub(crate) mod disk;
mod duplicates;
pub(crate) mod intake;
pub(crate) mod journal;
pub(crate) mod outbox;
pub(crate) mod publisher;
mod record;
pub(crate) mod replay;
mod window;

use crate::event::{BrokerDown, BrokerUp, Event, FellBack, SubscribeRefused};
use crate::gateway::Vital;
use crate::{Health, Mqtt, MqttVersion, mailbox};
use actix::fut::{ActorFuture, wrap_future};
use actix::prelude::*;
use connection::{TIMEOUT, VersionHint};
use contract::topic::Topics;
use intake::Intake;
use paho_mqtt::{AsyncClient, Error, RetainHandling, SubscribeOptions};
use publisher::{Publisher, Remains};
use rand::Rng;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task;
use std::time::Duration;
use window::Window;

/// First pause between connection attempts; doubled up to [`PAUSE_MAX`], with jitter.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// Pause after the library refused a publication on the spot.
const STALL: Duration = Duration::from_millis(50);
/// For so long after a publication further notifications are collected: waking two threads for each costs more than all the rest of its
/// way. Answers and registrations do not wait.
const REST: Duration = Duration::from_millis(1);
/// So many MQTT 5 attempts in a row that a listening broker breaks off, and 3.1.1 is tried.
const BREAK_OFFS: u8 = 2;
/// Clients of the other version that are kept for a while.
const RETIRED: usize = 4;
/// So many publications that the broker has are removed from the disk at once, …
const SWEEP: usize = 256;
/// … or after this time.
const SWEEP_AFTER: Duration = Duration::from_millis(250);

/// The connection is gone (from the library's callbacks).
#[derive(Message)]
#[rtype(result = "()")]
struct Lost {
    why: String,
}

/// Stop: flush for at most this long, keep the rest for the next start, say goodbye. Answers with what did not get out.
#[derive(Message)]
#[rtype(result = "Remains")]
pub(crate) struct Drain {
    pub(crate) timeout: Duration,
}

/// The actor.
pub(crate) struct Bridge {
    settings: Mqtt,
    topics: Arc<Topics>,
    intake: Arc<Intake>,
    publisher: Publisher,
    health: Arc<Health>,
    version: MqttVersion,
    client: AsyncClient,
    /// Clients of another version, kept because the library may still be inside one of their callbacks.
    retired: VecDeque<AsyncClient>,
    up: bool,
    /// MQTT 5 attempts in a row that a listening broker broke off.
    broken_off: u8,
    /// A subscription stood in this run.
    subscribed_before: bool,
    /// Retained commands have been delivered, what comes with a subscription is a repetition.
    stale_retained: Arc<AtomicBool>,
    draining: bool,
    pause: Duration,
    window: Window,
    taken: VecDeque<outbox::Entry<publisher::Receipt>>,
    /// The library refused a publication on the spot: nothing more for [`STALL`].
    stalled: bool,
    /// After something was published: notifications wait for its end.
    rest: Option<Pin<Box<tokio::time::Sleep>>>,
    stall_timer: Option<SpawnHandle>,
    /// Runs [`Bridge::pump`] again.
    waker: task::Waker,
    _vital: Vital,
}

impl Bridge {
    /// Checks the settings as far as that is possible without the broker.
    pub(crate) fn new(
        settings: Mqtt,
        topics: Arc<Topics>,
        intake: Arc<Intake>,
        publisher: Publisher,
        health: Arc<Health>,
        vital: Vital,
    ) -> Result<Bridge, Error> {
        let version = settings.version;
        let client = connection::client(&settings, version)?;
        // Files and addresses that cannot be used show here, not at three in the morning.
        connection::options(&settings, version, false)?;
        Ok(Bridge {
            window: Window::new(settings.window),
            settings,
            topics,
            intake,
            publisher,
            health,
            version,
            client,
            retired: VecDeque::new(),
            up: false,
            broken_off: 0,
            subscribed_before: false,
            stale_retained: Arc::new(AtomicBool::new(false)),
            draining: false,
            pause: PAUSE_MIN,
            taken: VecDeque::new(),
            stalled: false,
            rest: None,
            stall_timer: None,
            waker: task::Waker::noop().clone(),
            _vital: vital,
        })
    }

    /// Commands of QoS 1 and 2 wait at the broker while we are away.
    fn is_persistent(&self) -> bool {
        self.topics.command.qos > 0
    }

    fn listen(&self, ctx: &Context<Self>) {
        let (intake, stale_retained) = (self.intake.clone(), self.stale_retained.clone());
        // MQTT 5 has its own means against repeated retained messages; 3.1.1 repeats them at each subscription.
        let repeats = self.version == MqttVersion::V3_1_1;
        self.client.set_message_callback(move |_, message| {
            let Some(message) = message else { return };
            // A panic must not unwind into the C library.
            let stale = repeats && stale_retained.load(Relaxed);
            if catch_unwind(AssertUnwindSafe(|| intake.receive(message, stale))).is_err() {
                log::error!(target: crate::event::TARGET, event = "command_refused"; "a panic cost a command");
            }
        });
        let address = ctx.address();
        self.client.set_connection_lost_callback(move |_| {
            let _ = mailbox::offer(&address, Lost { why: "connection lost".to_owned() });
        });
        let address = ctx.address();
        self.client.set_disconnected_callback(move |_, _, reason| {
            let _ = mailbox::offer(&address, Lost { why: format!("disconnected by the broker: {reason}") });
        });
    }

    fn connect(&mut self, ctx: &mut Context<Self>) {
        let (client, settings, version) = (self.client.clone(), self.settings.clone(), self.version);
        let persistent = self.is_persistent();
        let filters = self.topics.command_filters();
        let qos = i32::from(match version {
            MqttVersion::V5 => self.topics.command.qos,
            // With QoS 2 the library hands a message over only when the broker has released it, and forgets it if the connection breaks in
            // between. With QoS 1 the broker repeats it, and the journal recognises the repetition.
            MqttVersion::V3_1_1 => self.topics.command.qos.min(1),
        });
        let stale_retained = self.stale_retained.clone();
        self.intake.connecting();
        let first = !self.subscribed_before;
        let probe = first && version == MqttVersion::V5;
        let attempt = move |client: AsyncClient, settings: Mqtt| async move {
            let options = connection::options(&settings, version, persistent)?;
            let response = deadline(client.connect(options)).await?;
            // The subscription stood before, in this run or in an earlier one: retained commands have been delivered.
            if !first || response.connect_response().is_some_and(|response| response.session_present) {
                stale_retained.store(true, Relaxed);
            }
            for filter in &filters {
                let subscribed = match version {
                    MqttVersion::V5 => {
                        let retained =
                            if first { RetainHandling::SendRetainedOnNew } else { RetainHandling::DontSendRetained };
                        let options = SubscribeOptions::new(false, true, retained);
                        deadline(client.subscribe_with_options(filter, qos, options, None)).await
                    }
                    MqttVersion::V3_1_1 => deadline(client.subscribe(filter, qos)).await,
                };
                if let Err(error) = subscribed {
                    SubscribeRefused { filter, error: &error.to_string() }.emit();
                    let _ = deadline(client.disconnect(None)).await;
                    return Err(error);
                }
            }
            client.publish(connection::status(&settings, "online"));
            Ok(())
        };
        let attempt = async move {
            let reachable = probe && connection::is_reachable(&settings.server).await;
            let result = attempt(client, settings.clone()).await;
            let detail = match &result {
                Err(Error::TcpTlsConnectFailure) => {
                    tokio::task::spawn_blocking(move || diagnosis::tls_failure(&settings)).await.ok().flatten()
                }
                _ => None,
            };
            (reachable, result, detail)
        };
        let attempt =
            wrap_future::<_, Self>(attempt).map(|(reachable, result, detail), act: &mut Self, ctx| match result {
                Ok(()) => act.established(),
                Err(error) => act.failed(&error, detail, reachable, ctx),
            });
        ctx.spawn(attempt);
    }

    fn established(&mut self) {
        self.up = true;
        self.waker.wake_by_ref();
        self.pause = PAUSE_MIN;
        self.subscribed_before = true;
        self.health.broker_up(true);
        let version = match self.version {
            MqttVersion::V5 => "5",
            MqttVersion::V3_1_1 => "3.1.1",
        };
        BrokerUp { server: &self.settings.server, version, queued: self.waiting() }.emit();
    }

    fn failed(&mut self, error: &Error, detail: Option<String>, reachable: bool, ctx: &mut Context<Self>) {
        let never_up = !self.subscribed_before;
        let other = match (self.version, connection::version_hint(error)) {
            _ if !never_up || self.settings.version != MqttVersion::V5 => None,
            (MqttVersion::V5, VersionHint::Refused) => Some(MqttVersion::V3_1_1),
            (MqttVersion::V5, VersionHint::BrokeOff) if reachable => {
                self.broken_off += 1;
                (self.broken_off >= BREAK_OFFS).then_some(MqttVersion::V3_1_1)
            }
            (MqttVersion::V5, _) => {
                self.broken_off = 0;
                None
            }
            // It was not the version after all.
            (MqttVersion::V3_1_1, _) => Some(MqttVersion::V5),
        };
        let mut pause = self.next_pause();
        if let Some(version) = other
            && let Ok(client) = connection::client(&self.settings, version)
        {
            self.version = version;
            self.replace_client(client, ctx);
            if version == MqttVersion::V3_1_1 {
                FellBack { server: &self.settings.server, error: &error.to_string() }.emit();
                pause = Duration::from_millis(10);
            }
            self.broken_off = 0;
        }
        self.down(&detail.unwrap_or_else(|| error.to_string()), false, pause, ctx);
    }

    fn replace_client(&mut self, client: AsyncClient, ctx: &Context<Self>) {
        if self.retired.len() == RETIRED {
            self.retired.pop_front();
        }
        self.retired.push_back(std::mem::replace(&mut self.client, client));
        self.listen(ctx);
    }

    /// Takes back what the lost connection did not acknowledge.
    fn abandon(&mut self) {
        let returned = self.window.abandon();
        self.publisher.put_back(returned.into_iter().chain(self.taken.drain(..)));
    }

    fn down(&mut self, why: &str, was_up: bool, pause: Duration, ctx: &mut Context<Self>) {
        self.up = false;
        self.health.broker_up(false);
        let retry_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        BrokerDown { server: &self.settings.server, was_up, error: why, retry_ms }.emit();
        if !self.draining {
            ctx.run_later(pause, |act, ctx| act.connect(ctx));
        }
    }

    fn next_pause(&mut self) -> Duration {
        let pause = self.pause.mul_f64(rand::rng().random_range(0.75..1.25));
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        pause
    }

    fn is_resting(&mut self, cx: &mut task::Context<'_>) -> bool {
        let resting = self.rest.as_mut().is_some_and(|rest| rest.as_mut().poll(cx).is_pending());
        if !resting {
            self.rest = None;
        }
        resting
    }

    /// Moves publications from the outbox to the library as far as the window allows.
    fn pump(&mut self, ctx: &mut Context<Self>, cx: &mut task::Context<'_>) {
        self.waker.clone_from(cx.waker());
        let mut resting = self.is_resting(cx);
        self.window.settle(cx, resting);
        let returned = self.window.take_returned();
        if !returned.is_empty() {
            // What went out after them has come back too; what was taken and did not go out comes behind.
            self.publisher.put_back(returned.into_iter().chain(self.taken.drain(..)));
            self.stalled = true;
        }
        while self.up && !self.stalled {
            let room = self.window.room().saturating_sub(self.taken.len());
            if room > 0 {
                self.publisher.take(room, &mut self.taken, cx.waker(), resting);
            }
            let before = self.taken.len();
            self.send_taken();
            if self.taken.len() == before {
                break;
            }
            self.rest = Some(Box::pin(tokio::time::sleep(REST)));
            resting = self.is_resting(cx);
            self.window.settle(cx, resting);
        }
        if self.window.done() >= SWEEP {
            self.sweep();
        }
        if self.stalled && self.stall_timer.is_none() {
            self.stall_timer = Some(ctx.run_later(STALL, |act, _| {
                act.stalled = false;
                act.stall_timer = None;
                act.waker.wake_by_ref();
            }));
        }
    }
}

impl Bridge {
    fn send_taken(&mut self) {
        while self.taken.front().is_some_and(|entry| self.window.admits(entry))
            && let Some(entry) = self.taken.pop_front()
        {
            // The library takes nothing: the connection is gone, and its callback follows; or its buffers are full.
            if !self.window.send(&self.client, entry, self.version == MqttVersion::V5) {
                self.stalled = true;
                break;
            }
        }
    }

    /// Removes from the disk what the broker has.
    fn sweep(&mut self) {
        let (numbers, commands) = self.window.take_done();
        let left = self.publisher.done(numbers);
        self.window.put_back_done(left);
        for command in commands {
            self.publisher.strike(command);
        }
    }

    /// What is on its way or waits.
    fn waiting(&self) -> usize {
        self.publisher.len() + self.window.len() + self.taken.len()
    }
}

async fn deadline<T>(operation: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(TIMEOUT + Duration::from_secs(2), operation).await.unwrap_or(Err(Error::Timeout))
}

impl Actor for Bridge {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(mailbox::BRIDGE);
        self.listen(ctx);
        ctx.spawn(Pump);
        self.connect(ctx);
        ctx.run_interval(SWEEP_AFTER, |act, _| act.sweep());
        // A lost connection whose callback found no room is noticed here.
        ctx.run_interval(Duration::from_secs(1), |act, ctx| {
            if act.up && !act.client.is_connected() {
                ctx.notify(Lost { why: "connection lost".to_owned() });
            }
            act.intake.watch_store();
        });
    }
}

/// Runs [`Bridge::pump`] whenever the actor is polled.
struct Pump;

impl ActorFuture<Bridge> for Pump {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        act: &mut Bridge,
        ctx: &mut Context<Bridge>,
        cx: &mut task::Context<'_>,
    ) -> task::Poll<()> {
        act.pump(ctx, cx);
        task::Poll::Pending
    }
}

impl Handler<Lost> for Bridge {
    type Result = ();

    fn handle(&mut self, lost: Lost, ctx: &mut Self::Context) {
        // Both callbacks and the timer may report the same loss.
        if self.up && !self.client.is_connected() {
            let pause = self.next_pause();
            self.abandon();
            self.down(&lost.why, true, pause, ctx);
        }
    }
}

impl Handler<Drain> for Bridge {
    type Result = ResponseActFuture<Self, Remains>;

    fn handle(&mut self, drain: Drain, _: &mut Self::Context) -> Self::Result {
        self.draining = true;
        let unsubscribe = {
            let (client, filters) = (self.client.clone(), self.topics.command_filters());
            // A persistent subscription stays: what the broker gets meanwhile waits there.
            let wanted = self.up && !self.is_persistent();
            async move {
                if wanted {
                    let _ = tokio::time::timeout(Duration::from_secs(1), client.unsubscribe_many(&filters)).await;
                }
            }
        };
        let flush = Flush { deadline: Box::pin(tokio::time::sleep(drain.timeout)) };
        Box::pin(
            wrap_future::<_, Self>(unsubscribe)
                .then(|(), _, _| flush)
                .then(|(), act: &mut Self, _| {
                    let (client, settings, up) = (act.client.clone(), act.settings.clone(), act.up);
                    wrap_future(async move {
                        if up {
                            let goodbye = client.publish(connection::status(&settings, "offline"));
                            let _ = tokio::time::timeout(Duration::from_secs(2), goodbye).await;
                            let _ = tokio::time::timeout(Duration::from_secs(2), client.disconnect(None)).await;
                        }
                    })
                })
                .map(|(), act: &mut Self, ctx| {
                    act.up = false;
                    act.health.broker_up(false);
                    ctx.run_later(Duration::from_millis(100), |_, ctx| ctx.stop());
                    act.sweep();
                    let ahead = act.window.abandon().into_iter().chain(act.taken.drain(..));
                    let remains = act.publisher.keep_all(ahead);
                    act.sweep();
                    remains
                }),
        )
    }
}

/// Waits until everything is out, or the time is over.
struct Flush {
    deadline: Pin<Box<tokio::time::Sleep>>,
}

impl ActorFuture<Bridge> for Flush {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        act: &mut Bridge,
        ctx: &mut Context<Bridge>,
        cx: &mut task::Context<'_>,
    ) -> task::Poll<()> {
        act.pump(ctx, cx);
        if act.waiting() == 0 {
            return task::Poll::Ready(());
        }
        self.deadline.as_mut().poll(cx)
    }
}
