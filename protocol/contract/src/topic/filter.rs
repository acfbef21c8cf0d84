//! From the command template to one subscription filter, and from a received topic back to the device's mountpoint.
use super::template::{Part, Placeholder, parts};

/// One topic level of a template.
type Level<'a> = Vec<Part<'a>>;

/// The command template `mountpoint` + `tail` by levels; mountpoint and tail are glued within level `seam`.
pub(super) struct CommandPattern<'a> {
    levels: Vec<Level<'a>>,
    seam: usize,
    /// What the tail contributes to the level of the seam, where the mountpoint contributes something too.
    glued: Option<&'a str>,
    /// The tail ends in `#`: any number of further levels.
    open: bool,
}

/// A received topic that fits.
pub(super) struct Found<'t> {
    pub(super) mountpoint: &'t str,
    /// What stood where the mountpoint has placeholders.
    pub(super) captured: Vec<(Placeholder, &'t str)>,
}

fn levels(template: &str) -> Vec<Level<'_>> {
    let mut levels = vec![Level::new()];
    for part in parts(template) {
        match part {
            Part::Literal(text) => {
                for (index, piece) in text.split('/').enumerate() {
                    if index > 0 {
                        levels.push(Level::new());
                    }
                    if let Some(level) = levels.last_mut()
                        && !piece.is_empty()
                    {
                        level.push(Part::Literal(piece));
                    }
                }
            }
            placeholder => levels.last_mut().into_iter().for_each(|level| level.push(placeholder)),
        }
    }
    levels
}

fn has_placeholder(level: &[Part<'_>]) -> bool {
    level.iter().any(|part| matches!(part, Part::Placeholder(_)))
}

impl<'a> CommandPattern<'a> {
    /// `Err`: the two do not make a valid filter, or the seam between them cannot be found in a topic.
    pub(super) fn new(mountpoint: &'a str, tail: &'a str) -> Result<CommandPattern<'a>, String> {
        if mountpoint.contains(['+', '#']) {
            return Err(format!("mountpoint {mountpoint:?} contains a wildcard"));
        }
        // the levels above a final `#`; none where the tail is `#` alone
        let (above, open) = match tail.strip_suffix('#') {
            Some("") if mountpoint.is_empty() || mountpoint.ends_with('/') => (None, true),
            Some(above) if above.ends_with('/') => (Some(&above[..above.len() - 1]), true),
            Some(_) => return Err(format!("command topic {tail:?}: '#' must be a level of its own")),
            None => (Some(tail), false),
        };
        let mut joined = levels(mountpoint);
        let seam = joined.len() - 1;
        let mut glued = None;
        let mut tail_levels = above.map(levels).unwrap_or_default();
        if let (Some(above), Some(last), Some(first)) = (above, joined.last_mut(), tail_levels.first_mut()) {
            if !last.is_empty() {
                let text = above.split('/').next().unwrap_or_default();
                if has_placeholder(first) || text.contains('+') {
                    return Err(format!("command topic {tail:?}: mountpoint must end with '/'"));
                }
                glued = Some(text);
            }
            last.append(first);
            joined.extend(tail_levels.drain(1..));
        } else {
            // `#` alone: the empty level after the mountpoint's last `/` is the first that it stands for
            joined.pop();
        }
        for level in &joined {
            let wild = level.iter().any(|part| matches!(part, Part::Literal(text) if text.contains(['+', '#'])));
            if wild && level.as_slice() != [Part::Literal("+")] {
                return Err(format!("command topic {tail:?}: a wildcard must be a level of its own"));
            }
        }
        Ok(CommandPattern { levels: joined, seam, glued, open })
    }

    /// Levels with placeholders become `+`.
    pub(super) fn filter(&self) -> String {
        let mut filter = String::new();
        for (index, level) in self.levels.iter().enumerate() {
            if index > 0 {
                filter.push('/');
            }
            if has_placeholder(level) {
                filter.push('+');
            } else {
                level.iter().for_each(|part| {
                    if let Part::Literal(text) = part {
                        filter.push_str(text);
                    }
                });
            }
        }
        if self.open {
            filter.push_str(if self.levels.is_empty() { "#" } else { "/#" });
        }
        filter
    }

    /// Takes a topic apart, if it fits.
    pub(super) fn find<'t>(&self, topic: &'t str) -> Option<Found<'t>> {
        let mut captured = Vec::new();
        let mut at = 0;
        let mut seam_at = (self.seam == self.levels.len()).then_some(0);
        let mut given = topic.split('/');
        for (index, pattern) in self.levels.iter().enumerate() {
            let level = given.next()?;
            if pattern.as_slice() != [Part::Literal("+")] {
                match_level(pattern, level, (index <= self.seam).then_some(&mut captured))?;
            }
            if index == self.seam {
                seam_at = Some(match self.glued {
                    Some(text) => at + level.len() - text.len(),
                    None => at,
                });
            }
            at += level.len() + 1;
            if self.seam == index + 1 && self.seam == self.levels.len() {
                seam_at = Some(at);
            }
        }
        if !self.open && given.next().is_some() {
            return None;
        }
        let mountpoint = topic.get(..seam_at?)?;
        Some(Found { mountpoint, captured })
    }
}

/// Whether a level fits; placeholders stand for one character or more. Leftmost matches suffice, as with `*` in file names.
fn match_level<'t>(
    pattern: &[Part<'_>],
    level: &'t str,
    mut captured: Option<&mut Vec<(Placeholder, &'t str)>>,
) -> Option<()> {
    let mut rest = level;
    let mut open: Option<Placeholder> = None;
    let mut keep = |placeholder: Placeholder, value: &'t str| {
        if let Some(captured) = &mut captured {
            captured.push((placeholder, value));
        }
    };
    for (index, part) in pattern.iter().enumerate() {
        match (*part, open) {
            (Part::Literal(text), None) => rest = rest.strip_prefix(text)?,
            (Part::Literal(text), Some(placeholder)) => {
                let first = rest.chars().next()?.len_utf8();
                let at = if index + 1 == pattern.len() {
                    rest.len().checked_sub(text.len()).filter(|at| *at >= first && rest.ends_with(text))?
                } else {
                    rest.get(first..)?.find(text)? + first
                };
                keep(placeholder, &rest[..at]);
                rest = &rest[at + text.len()..];
                open = None;
            }
            (Part::Placeholder(placeholder), None) => open = Some(placeholder),
            (Part::Placeholder(placeholder), Some(before)) => {
                let first = rest.chars().next()?.len_utf8();
                keep(before, &rest[..first]);
                rest = &rest[first..];
                open = Some(placeholder);
            }
        }
    }
    match open {
        Some(placeholder) if !rest.is_empty() => keep(placeholder, rest),
        None if rest.is_empty() => {}
        _ => return None,
    }
    Some(())
}

/// Whether some topic fits both subscription filters.
pub(super) fn overlap(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('/'), other.split('/'));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            // `a/#` stands for `a` as well
            (Some("#"), _) | (_, Some("#")) => return true,
            (Some(left), Some(right)) if left == right || left == "+" || right == "+" => {}
            _ => return false,
        }
    }
}
