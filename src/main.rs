//! The `gateway` binary.

/// A request makes some hundred small allocations; this one makes them in a third of the
/// instructions of the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    ai_gateway::cli::run()
}
