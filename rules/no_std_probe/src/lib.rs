//! A final artefact with a panic handler of its own and no allocator.
//!
//! Were std linked in by the rules or anything they depend on, the compiler would find two panic
//! handlers; were alloc, it would ask for a global allocator. Either ends the build.
#![no_std]
#![forbid(unsafe_code)]

use storewarden_rules as _;

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
