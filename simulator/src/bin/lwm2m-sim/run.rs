//! `lwm2m-sim run`: whole devices.

use crate::behaviour::Behaviour;
use clap::Args;
use simulator::{Counters, Device, DeviceBuilder, Format, LinkQuality, Profile, parse_objects};
use std::error::Error;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Gateway or server, host and port.
    #[arg(long, default_value = "127.0.0.1:5683")]
    server: String,
    /// Number of devices; default one per profile.
    #[arg(long, short = 'n')]
    devices: Option<usize>,
    /// temperature, battery or location; several are dealt out in turn.
    #[arg(long, value_parser = profile, default_value = "temperature")]
    profile: Vec<Profile>,
    /// Objects from this file (JSON, described in the README) instead of a profile.
    #[arg(long, value_name = "FILE")]
    objects: Option<PathBuf>,
    /// Endpoint names: this and a number; default the profile's name.
    #[arg(long)]
    endpoint: Option<String>,
    /// Lifetime in seconds.
    #[arg(long, default_value_t = 300)]
    lifetime: u32,
    /// LwM2M version: 1.0, 1.1 or 1.2.
    #[arg(long, default_value = "1.1")]
    version: String,
    /// Queue mode: sleep this long after the last message.
    #[arg(long, value_name = "TIME", value_parser = crate::duration)]
    queue_mode: Option<Duration>,
    /// How often living values are looked at for observers.
    #[arg(long, value_name = "TIME", value_parser = crate::duration, default_value = "1s")]
    notify_every: Duration,
    /// Notifications as CON.
    #[arg(long)]
    confirmable: bool,
    /// Default format of answers: text, tlv, json, senml-json, senml-cbor, lwm2m-cbor.
    #[arg(long, value_parser = format)]
    format: Option<Format>,
    /// Fault: slow:TIME, delayed:TIME, silent, reset, error:CODE or twice; with `N=` in front only for device N.
    #[arg(long, value_name = "[N=]FAULT")]
    behaviour: Vec<Behaviour>,
    /// Share of datagrams lost, 0 to 1, each direction.
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// Share of datagrams doubled.
    #[arg(long, default_value_t = 0.0)]
    duplication: f64,
    /// Share of datagrams overtaken by later ones.
    #[arg(long, default_value_t = 0.0)]
    reordering: f64,
    /// Delay of every datagram, each direction.
    #[arg(long, value_name = "TIME", value_parser = crate::duration, default_value = "0s")]
    delay: Duration,
    /// Seed of losses and message ids; 0 for a random one of the message ids.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// End after this time; default at Ctrl-C.
    #[arg(long = "for", value_name = "TIME", value_parser = crate::duration)]
    duration: Option<Duration>,
    /// Print statistics this often.
    #[arg(long, value_name = "TIME", value_parser = crate::duration)]
    statistics_every: Option<Duration>,
}

fn profile(name: &str) -> Result<Profile, String> {
    Profile::from_name(name).ok_or_else(|| "not one of temperature, battery, location".to_owned())
}

fn format(name: &str) -> Result<Format, String> {
    Ok(match name {
        "text" => Format::Text,
        "tlv" => Format::Tlv,
        "json" => Format::Json,
        "senml-json" => Format::SenmlJson,
        "senml-cbor" => Format::SenmlCbor,
        "lwm2m-cbor" => Format::Lwm2mCbor,
        _ => return Err("not one of text, tlv, json, senml-json, senml-cbor, lwm2m-cbor".to_owned()),
    })
}

pub(crate) fn main(run: &Run) -> Result<ExitCode, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(simulate(run))
}

async fn simulate(run: &Run) -> Result<ExitCode, Box<dyn Error>> {
    let server = run.server.to_socket_addrs()?.next().ok_or("the server's name has no address")?;
    let count = run.devices.unwrap_or(if run.objects.is_some() { 1 } else { run.profile.len() });
    let mut devices = Vec::with_capacity(count);
    for number in 1..=count {
        devices.push(Arc::new(builder(run, number)?.start(server).await?));
    }
    let registering: Vec<_> = devices.iter().map(|device| tokio::spawn(register(device.clone(), server))).collect();
    let end = async {
        match run.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = end => {}
        () = terminated() => {}
        () = report(run.statistics_every, &devices) => {}
    }
    registering.iter().for_each(tokio::task::JoinHandle::abort);
    let registered = devices.iter().filter(|device| device.location().is_some()).count();
    for device in devices.iter().filter(|device| device.location().is_some()) {
        // A gateway that is gone must not hold up the end.
        let _ = tokio::time::timeout(Duration::from_secs(2), device.deregister()).await;
    }
    println!("{}", total(&devices));
    Ok(if registered == count { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn builder(run: &Run, number: usize) -> Result<DeviceBuilder, Box<dyn Error>> {
    let profile = run.profile[(number - 1) % run.profile.len()];
    let endpoint = match &run.endpoint {
        Some(prefix) => format!("{prefix}{number}"),
        None if run.objects.is_some() => format!("device-{number}"),
        None => format!("{}-{}", profile.name(), (number - 1) / run.profile.len() + 1),
    };
    let mut builder = Device::builder(&endpoint);
    builder = match &run.objects {
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            builder.objects(parse_objects(&text).map_err(|error| format!("{}: {error}", file.display()))?)
        }
        None => profile.apply(builder),
    };
    let share = |name: &str, value: f64| {
        if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(format!("--{name} is a share from 0 to 1")) }
    };
    builder = builder
        .lifetime(run.lifetime)
        .version(run.version.as_str())
        .evaluation_period(run.notify_every)
        .log_capacity(100)
        .seed(if run.seed == 0 { 0 } else { run.seed + number as u64 })
        .link(LinkQuality {
            loss: share("loss", run.loss)?,
            duplication: share("duplication", run.duplication)?,
            reordering: share("reordering", run.reordering)?,
            delay: run.delay,
            seed: run.seed + number as u64,
            ..LinkQuality::default()
        });
    if let Some(window) = run.queue_mode {
        builder = builder.queue_mode().awake_window(window);
    }
    if run.confirmable {
        builder = builder.confirmable_notifications();
    }
    if let Some(format) = run.format {
        builder = builder.format(format);
    }
    if !server_is_loopback(&run.server) {
        builder = builder.bind(std::net::Ipv4Addr::UNSPECIFIED.into());
    }
    Ok(run.behaviour.iter().fold(builder, |builder, behaviour| behaviour.apply(number, builder)))
}

fn server_is_loopback(server: &str) -> bool {
    server.to_socket_addrs().is_ok_and(|mut addresses| addresses.all(|address| address.ip().is_loopback()))
}

/// Registers a device, again every five seconds until the gateway takes it.
async fn register(device: Arc<Device>, server: SocketAddr) {
    loop {
        match device.register().await {
            Ok(location) => {
                log::info!("{} is registered at {server} as {location}", device.endpoint());
                return;
            }
            Err(error) => log::error!("{} is not registered, next attempt in 5 s: {error}", device.endpoint()),
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

async fn report(every: Option<Duration>, devices: &[Arc<Device>]) {
    loop {
        match every {
            Some(every) => tokio::time::sleep(every).await,
            None => std::future::pending().await,
        }
        println!("{}", total(devices));
    }
}

fn total(devices: &[Arc<Device>]) -> String {
    let mut sum = Counters::default();
    for device in devices {
        let counters = device.counters();
        sum.sent += counters.sent;
        sum.received += counters.received;
        sum.retransmissions += counters.retransmissions;
        sum.duplicates += counters.duplicates;
        sum.requests += counters.requests;
        sum.notifications += counters.notifications;
        sum.acknowledged += counters.acknowledged;
        sum.resets += counters.resets;
        sum.lost += counters.lost;
        sum.missed_asleep += counters.missed_asleep;
        sum.observations += counters.observations;
    }
    let registered = devices.iter().filter(|device| device.location().is_some()).count();
    format!(
        "devices={} registered={registered} sent={} received={} requests={} observed={} notifications={} \
         acknowledged={} retransmissions={} duplicates={} resets={} lost={} missed_asleep={}",
        devices.len(),
        sum.sent,
        sum.received,
        sum.requests,
        sum.observations,
        sum.notifications,
        sum.acknowledged,
        sum.retransmissions,
        sum.duplicates,
        sum.resets,
        sum.lost,
        sum.missed_asleep
    )
}

/// SIGINT or SIGTERM.
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
