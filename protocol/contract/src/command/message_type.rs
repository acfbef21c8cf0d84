//! The table of command types.

/// `msgType` of a command.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are the contract's")]
pub enum MessageType {
    Read,
    Discover,
    Write,
    WriteAttr,
    Execute,
    Create,
    Delete,
    Observe,
    CancelObserve,
    ReadComposite,
    WriteComposite,
    ObserveComposite,
    CancelObserveComposite,
    Cancel,
}

impl MessageType {
    /// All of them, each at the place of its number: stored tickets hold the number, so new ones go to the end.
    pub const ALL: [MessageType; 14] = [
        MessageType::Read,
        MessageType::Discover,
        MessageType::Write,
        MessageType::WriteAttr,
        MessageType::Execute,
        MessageType::Create,
        MessageType::Delete,
        MessageType::Observe,
        MessageType::CancelObserve,
        MessageType::ReadComposite,
        MessageType::WriteComposite,
        MessageType::ObserveComposite,
        MessageType::CancelObserveComposite,
        MessageType::Cancel,
    ];

    /// As in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            MessageType::Read => "read",
            MessageType::Discover => "discover",
            MessageType::Write => "write",
            MessageType::WriteAttr => "write-attr",
            MessageType::Execute => "execute",
            MessageType::Create => "create",
            MessageType::Delete => "delete",
            MessageType::Observe => "observe",
            MessageType::CancelObserve => "cancel-observe",
            MessageType::ReadComposite => "read-composite",
            MessageType::WriteComposite => "write-composite",
            MessageType::ObserveComposite => "observe-composite",
            MessageType::CancelObserveComposite => "cancel-observe-composite",
            MessageType::Cancel => "cancel",
        }
    }
    /// From JSON; upper and lower case differ.
    pub fn from_name(name: &str) -> Option<MessageType> {
        MessageType::ALL.into_iter().find(|known| known.name() == name)
    }
    pub(crate) fn from_byte(byte: u8) -> Option<MessageType> {
        MessageType::ALL.get(usize::from(byte)).copied()
    }
    /// Aims at several paths: `reqPaths` instead of `reqPath`.
    pub const fn is_composite(self) -> bool {
        matches!(
            self,
            MessageType::ReadComposite
                | MessageType::WriteComposite
                | MessageType::ObserveComposite
                | MessageType::CancelObserveComposite
        )
    }
    /// A success is answered with `content`.
    pub(crate) const fn has_content(self) -> bool {
        matches!(
            self,
            MessageType::Read
                | MessageType::Discover
                | MessageType::Observe
                | MessageType::CancelObserve
                | MessageType::ReadComposite
                | MessageType::ObserveComposite
                | MessageType::CancelObserveComposite
        )
    }
}
