//! Counts memory: what a thread holds, and what one call takes at its peak.
#![expect(
    unsafe_code,
    reason = "an allocator is unsafe by its interface; this one only counts and passes on to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    /// Bytes held by this thread since the count began, and the most that ever were. Constant initial values: no allocation in here.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

fn count(bytes: isize) {
    // A thread that ends may allocate after its counters are gone; nothing is measured there.
    let _ = HELD.try_with(|held| {
        let (now, peak) = held.get();
        held.set((now + bytes, peak.max(now + bytes)));
    });
}

// SAFETY: every call goes to the system allocator with the caller's own arguments; counting neither allocates nor touches the memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise about `layout`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise about `pointer` and `layout`.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both blocks may exist for a moment.
        count(size as isize);
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise about all three.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that this thread holds, more than at some fixed moment.
#[allow(dead_code, reason = "each test file uses its part")]
pub(crate) fn held() -> isize {
    HELD.with(Cell::get).0
}

/// The most bytes that `call` held at one moment, and what it returned.
#[allow(dead_code, reason = "each test file uses its part")]
pub(crate) fn peak<T>(call: impl FnOnce() -> T) -> (usize, T) {
    HELD.with(|held| held.set((0, 0)));
    let result = call();
    let (_, peak) = HELD.with(Cell::get);
    (usize::try_from(peak).unwrap_or(0), result)
}
