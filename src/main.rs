//! Temporary: the commands of this branch only.
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use snapback::{cli::{demo, produce}, demo::Interrupt};

#[derive(Parser)]
struct Arguments { #[command(subcommand)] command: Command }
#[derive(Subcommand)]
enum Command { Demo(demo::DemoArgs), #[command(hide = true)] DemoBroker(demo::DemoBrokerArgs), Produce(produce::ProduceArgs) }

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo(args) => demo::run(args).await,
        Command::DemoBroker(args) => demo::serve_broker(&args),
        Command::Produce(args) => {
            let interrupt = Interrupt::default();
            let raise = interrupt.clone();
            tokio::spawn(async move { let _ = tokio::signal::ctrl_c().await; raise.raise(); });
            tokio::task::spawn_blocking(move || produce::run(&args, &interrupt)).await.unwrap()
        }
    };
    match result { Ok(code) => ExitCode::from(code), Err(failure) => { eprintln!("error: {:#}", failure.error); ExitCode::from(failure.code) } }
}
