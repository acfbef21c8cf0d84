//! `lwm2m-sim load`: many lean devices.

use clap::Args;
use simulator::load::{Fleet, Flow, Plan};
use std::error::Error;
use std::net::ToSocketAddrs;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[derive(Debug, Args)]
pub(crate) struct Load {
    /// Gateway or server, host and port.
    #[arg(long, default_value = "127.0.0.1:5683")]
    server: String,
    /// Number of devices, each with an address of its own.
    #[arg(long, short = 'n', default_value_t = 1000)]
    devices: usize,
    /// Endpoint names: this and a number from 0.
    #[arg(long, default_value = "load-")]
    endpoint: String,
    /// Lifetime in seconds.
    #[arg(long, default_value_t = 3600)]
    lifetime: u32,
    /// LwM2M version.
    #[arg(long, default_value = "1.0")]
    version: String,
    /// Registers as a sleeping device (b=UQ, or Q from 1.1 on).
    #[arg(long)]
    queue_mode: bool,
    /// Registrations per second; 0 for as fast as answers come.
    #[arg(long, default_value_t = 0.0)]
    register_rate: f64,
    /// Notifications per second from all devices together, once they are observed; 0 for none.
    #[arg(long, default_value_t = 0.0)]
    notify_rate: f64,
    /// Notifications of ten resources (/3/0) instead of one (/3303/0/5700).
    #[arg(long)]
    ten_resources: bool,
    /// Notifications as CON.
    #[arg(long)]
    confirmable: bool,
    /// CON messages without acknowledgement at any time, at most.
    #[arg(long, default_value_t = 200)]
    window: usize,
    /// How long to answer requests and to notify after the registrations.
    #[arg(long = "for", value_name = "TIME", value_parser = crate::duration, default_value = "10s")]
    duration: Duration,
    /// Stay registered at the end.
    #[arg(long)]
    stay: bool,
}

/// Statistics are printed this often while notifications run.
const REPORT: Duration = Duration::from_secs(5);

pub(crate) fn main(load: &Load) -> Result<ExitCode, Box<dyn Error>> {
    let gateway = load.server.to_socket_addrs()?.next().ok_or("the server's name has no address")?;
    let mut plan = Plan::thermometers(gateway);
    plan.prefix.clone_from(&load.endpoint);
    plan.lifetime = load.lifetime;
    plan.version.clone_from(&load.version);
    if load.queue_mode {
        plan.query.push(if load.version.starts_with("1.0") { "b=UQ" } else { "Q" }.to_owned());
    }
    let mut fleet = Fleet::new(plan, load.devices)?;
    let patience = Duration::from_secs(120);
    let rate = (load.register_rate > 0.0).then_some(load.register_rate);
    let window = if rate.is_some() { usize::MAX } else { load.window };
    let time = rate.map_or(patience, |rate| patience + Duration::from_secs_f64(load.devices as f64 / rate));

    let start = Instant::now();
    fleet.register(Flow { rate, window, at_most: time })?;
    let registered = fleet.registered();
    println!("register {:.0}/s {}", registered as f64 / start.elapsed().as_secs_f64(), fleet.take_statistics());

    if load.notify_rate > 0.0 {
        notify(load, &mut fleet)?;
    } else {
        fleet.serve(load.duration, |_| false)?;
        println!("idle {}", fleet.take_statistics());
    }
    if !load.stay {
        fleet.deregister(Flow { rate, window, at_most: time })?;
        println!("deregister {}", fleet.take_statistics());
    }
    Ok(if registered == load.devices { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn notify(load: &Load, fleet: &mut Fleet) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let remaining = || load.duration.saturating_sub(start.elapsed());
    fleet.serve(remaining(), |fleet| fleet.observations() >= fleet.registered())?;
    if fleet.observations() == 0 {
        println!("nobody observes: nothing to notify (auto_observe, or send `observe` commands)");
    }
    while !remaining().is_zero() {
        let part = remaining().min(REPORT);
        let flow = Flow { rate: Some(load.notify_rate), window: load.window, at_most: part };
        let begin = Instant::now();
        let sent = fleet.notify(usize::from(load.ten_resources), load.confirmable, usize::MAX, flow, |_| true)?;
        if sent == 0 {
            fleet.serve(part, |_| false)?;
        }
        println!("notify {:.0}/s {}", sent as f64 / begin.elapsed().as_secs_f64(), fleet.take_statistics());
    }
    Ok(())
}
