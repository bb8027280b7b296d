//! The `gateway` binary.

fn main() -> std::process::ExitCode {
    ai_gateway::cli::run()
}
