//! The script: one read, write, execute and observe, each seen to its answer.
use super::application::{Application, Passed};
use super::devices::{ALL, METER, THERMOMETER, TRACKER};
use super::screen::Screen;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

/// Longer than any answer on one machine takes.
const PATIENCE: Duration = Duration::from_secs(15);

/// Plays it.
///
/// # Errors
/// Something did not come; in words.
pub(super) async fn play(application: &mut Application<'_>, screen: &Screen) -> Result<(), String> {
    let mut missing: HashSet<&str> = ALL.into();
    let all_here = |passed: &Passed| {
        if passed.json["msgType"] == "register" {
            missing.remove(passed.endpoint.as_str());
        }
        missing.is_empty()
    };
    if !application.watch_until(PATIENCE, all_here).await {
        return Err("not all simulated devices were seen to register".into());
    }
    let steps = [
        ("Read: how warm is it?", THERMOMETER, json!({"msgType":"read","data":{"path":"/3303/0/5700"}})),
        (
            "Write: set the time zone.",
            METER,
            json!({"msgType":"write","data":{"path":"/3/0/14","type":"String","value":"+02:00"}}),
        ),
        (
            "Execute: forget the smallest and largest value so far.",
            THERMOMETER,
            json!({"msgType":"execute","data":{"path":"/3303/0/5605"}}),
        ),
        (
            "Observe: tell me where you are, and again when it changes.",
            TRACKER,
            json!({"msgType":"observe","data":{"path":"/6/0"}}),
        ),
        ("Observe the temperature, too.", THERMOMETER, json!({"msgType":"observe","data":{"path":"/3303/0/5700"}})),
    ];
    for (number, (title, endpoint, mut command)) in (1_u32..).zip(steps) {
        screen.step(number, title);
        command["reqID"] = number.into();
        application.command(endpoint, &command).await?;
        let is_answer = |passed: &Passed| {
            passed.endpoint == endpoint
                && passed.json["reqID"] == number
                && passed.json["data"]["code"] != Value::Null
                && passed.json["msgType"] != "notify"
        };
        if !application.watch_until(PATIENCE, is_answer).await {
            return Err(format!("{endpoint} did not answer: {title}"));
        }
    }
    Ok(())
}
