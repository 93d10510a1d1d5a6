//! The binary `latchkey`: parses the command line, wires the parts of the library together, runs them.

mod args;
mod build;
mod client;
mod completions;
mod failure;
mod guard;
mod keygen;
mod locked_file;
mod logging;
mod store;
mod terminal;
mod up;
mod user_file;
mod users;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use args::{Cli, Command, Guard, Keygen, UserCommand};
use clap::{CommandFactory, Parser};
use failure::{Failure, usage};
use keygen::{JwkSet, KeyAlgorithm};
use latchkey_component::auth::Credentials;
use latchkey_component::token::Username;
use terminal::{print, print_all, say};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error),
    };
    let result = match cli.command {
        Command::Up(options) => up::run(&options),
        Command::HashPassword { name, generate } => hash_password(&name, generate),
        Command::User(user) => edit_users(&user.command),
        Command::Keygen(options) => make_key(&options),
        Command::Token(options) => client::run(&options).map_err(Failure::Client),
        Command::Guard {
            command: Guard::Check(options),
        } => guard::check(&options),
        Command::Store(command) => store::run(&command),
        Command::Completions { shell } => {
            print(&completions::script(shell, Cli::command())).map_err(Failure::from)
        }
    };
    let (error, code) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(error)) => (error, 2),
        Err(Failure::Client(error)) => {
            let code = error.exit_code();
            (error.into(), code)
        }
        Err(Failure::Run(error)) => (error, 1),
    };
    say(&format!("error: {error:#}"));
    ExitCode::from(code)
}

/// Prints the help that was asked for, or the one line that says what is wrong with the command line.
fn explain(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => error.exit(),
        _ => {
            // What is missing stands on lines of its own; the first empty one ends what is wrong.
            let text = error.render().to_string();
            let problem = text
                .lines()
                .map(str::trim)
                .take_while(|line| !line.is_empty());
            say(&problem.collect::<Vec<_>>().join(" "));
            ExitCode::from(2)
        }
    }
}

fn hash_password(name: &str, generate: bool) -> Result<(), Failure> {
    let name = users::parse_entry_name(name).map_err(usage)?;
    if generate {
        let user = users::generate(name);
        // First the entry: a password without one is of no use.
        writeln!(std::io::stdout(), "{}", users::entry(&user)?)
            .context("cannot write the entry")?;
        writeln!(std::io::stderr(), "{}", user.password.expose())
            .context("cannot write the password")?;
        return Ok(());
    }
    let entry = users::entry(&ask_password(name)?)?;
    writeln!(std::io::stdout(), "{entry}").context("cannot write the entry")?;
    Ok(())
}

/// The user of this name, with a password from a terminal, or else from standard input.
fn ask_password(name: Username) -> Result<Credentials, Failure> {
    let password = if std::io::stdin().is_terminal() {
        let password = rpassword::prompt_password(format!("Password of {name}: "))?;
        if rpassword::prompt_password("Again: ")? != password {
            return Err(anyhow!("the two passwords differ").into());
        }
        password
    } else {
        let mut line = String::new();
        std::io::stdin()
            .read_line(&mut line)
            .context("cannot read the password")?;
        users::line(&line).to_owned()
    };
    Ok(users::credentials(name, &password)?)
}

fn edit_users(command: &UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Add {
            name,
            file,
            generate,
            replace,
        } => {
            let name = users::parse_entry_name(name).map_err(usage)?;
            // Before a password is asked for.
            user_file::check_name(file, &name, *replace)?;
            let user = match generate {
                true => users::generate(name),
                false => ask_password(name)?,
            };
            user_file::add(file, &user, *replace)?;
            if *generate {
                print_all(user.password.expose()).context("cannot write the password")?;
            }
        }
        UserCommand::Remove { name, file } => {
            let name = users::parse_entry_name(name).map_err(usage)?;
            user_file::remove(file, &name)?;
            say(&format!(
                "{} can no longer sign in, and the tokens of this user are refused, as soon as servers have read the file",
                terminal::visible(name.as_str())
            ));
        }
        UserCommand::List { file } => {
            for line in user_file::list(file)? {
                print(&line)?;
            }
        }
    }
    Ok(())
}

fn make_key(options: &Keygen) -> Result<(), Failure> {
    if let Some(file) = &options.rotate {
        keygen::file::rotate(file, options.alg)?;
        return Ok(());
    }
    let keys = JwkSet::generate(options.alg.unwrap_or(KeyAlgorithm::Hs256));
    write!(std::io::stdout(), "{}", keys.to_text().expose()).context("cannot write the key")?;
    Ok(())
}
