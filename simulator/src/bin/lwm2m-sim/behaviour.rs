//! Faults by name.

use simulator::{Code, Delivery, DeviceBuilder, Rule};
use std::str::FromStr;
use std::time::Duration;

/// What devices do wrong.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// Empty ACK, response after this time.
    Slow(Duration),
    /// Piggybacked answers after this time.
    Delayed(Duration),
    /// No reaction to requests.
    Silent,
    /// RST to every request.
    Reset,
    /// This code to every request.
    Error(Code),
    /// Every datagram twice.
    Twice,
}

/// A fault, of all devices or of one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Behaviour {
    /// Number of the device, from 1; `None` for all.
    device: Option<usize>,
    fault: Fault,
}

impl FromStr for Behaviour {
    type Err = String;

    fn from_str(text: &str) -> Result<Behaviour, String> {
        let (device, fault) = match text.split_once('=') {
            Some((number, fault)) => {
                let number = number.parse().map_err(|_| format!("`{number}` is not the number of a device"))?;
                (Some(number), fault)
            }
            None => (None, text),
        };
        let (name, detail) = fault.split_once(':').unwrap_or((fault, ""));
        let fault = match name {
            "slow" => Fault::Slow(crate::duration(detail)?),
            "delayed" => Fault::Delayed(crate::duration(detail)?),
            "silent" => Fault::Silent,
            "reset" => Fault::Reset,
            "error" => Fault::Error(code(detail).ok_or_else(|| format!("`{detail}` is not a code such as 5.03"))?),
            "twice" => Fault::Twice,
            _ => {
                return Err(format!(
                    "`{name}` is not one of slow:TIME, delayed:TIME, silent, reset, error:CODE, twice"
                ));
            }
        };
        Ok(Behaviour { device, fault })
    }
}

impl Behaviour {
    /// Gives the fault to device number `number` if it is meant.
    pub(crate) fn apply(&self, number: usize, builder: DeviceBuilder) -> DeviceBuilder {
        if self.device.is_some_and(|device| device != number) {
            return builder;
        }
        builder.rule(match &self.fault {
            Fault::Slow(time) => Rule::any().separate(*time),
            Fault::Delayed(time) => Rule::any().delivered(Delivery::Piggybacked(*time)),
            Fault::Silent => Rule::any().silent(),
            Fault::Reset => Rule::any().resets(),
            Fault::Error(code) => Rule::any().answers_code(*code),
            Fault::Twice => Rule::any().copies(2),
        })
    }
}

fn code(text: &str) -> Option<Code> {
    let (class, detail) = text.split_once('.')?;
    let (class, detail): (u8, u8) = (class.parse().ok()?, detail.parse().ok()?);
    (class < 8 && detail < 32).then(|| Code::of(class, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_for_all_devices_or_one() {
        let behaviour = |text: &str| text.parse::<Behaviour>();
        assert_eq!(
            behaviour("3=slow:1.5s"),
            Ok(Behaviour { device: Some(3), fault: Fault::Slow(Duration::from_millis(1500)) })
        );
        assert_eq!(
            behaviour("error:5.03"),
            Ok(Behaviour { device: None, fault: Fault::Error(Code::SERVICE_UNAVAILABLE) })
        );
        for wrong in ["", "slow", "x=silent", "error:9", "error:5.99", "late"] {
            assert!(behaviour(wrong).is_err(), "{wrong}");
        }
    }
}
