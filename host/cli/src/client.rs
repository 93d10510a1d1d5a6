//! A client for any Latchkey server: `latchkey token`.

mod address;
mod answer;
mod api;
mod credentials;
pub mod error;
mod lookup;
mod netrc;
mod proxy;
mod table;
mod transport;

use std::io::{self, BufRead, IsTerminal, Write};

use latchkey_component::lifetime::Lifetime;
use latchkey_component::text;
use latchkey_component::token::TokenId;

use crate::args::token::{Connection, Token, TokenCommand};
use crate::terminal::{print, print_all, say, visible};
use address::Address;
use answer::{Created, Details, Jwt, period, remaining};
use api::{Api, Success, Wanted};
use error::ClientError;

pub fn run(options: &Token) -> Result<(), ClientError> {
    let connection = &options.connection;
    match &options.command {
        TokenCommand::Create {
            name,
            life,
            scope,
            audience,
            json,
        } => {
            let scope = scope.as_deref();
            let wanted = Wanted {
                name,
                life,
                scope,
                audience,
            };
            print_token(sign_in(connection)?.create(&wanted)?, *json)
        }
        TokenCommand::List { expiring, json } => match expiring {
            Some(within) => list_expiring(&sign_in(connection)?, *within),
            None => list(&sign_in(connection)?, *json),
        },
        TokenCommand::Show { token, id, json } => show(&sign_in(connection)?, token, *id, *json),
        TokenCommand::Revoke {
            token: Some(token),
            id,
            ..
        } => revoke(&sign_in(connection)?, token, *id),
        TokenCommand::Revoke { stdin: true, .. } => revoke_from_stdin(connection),
        TokenCommand::Revoke { yes, .. } => revoke_all(connection, *yes),
        TokenCommand::Rotate {
            token,
            id,
            life,
            overlap,
            json,
        } => {
            let api = sign_in(connection)?;
            let (id, _) = resolve(&api, token, *id)?;
            let rotated = api.rotate(id, life.as_deref(), overlap.as_deref())?;
            print_token(rotated, *json)
        }
    }
}

/// Finds the server and the credentials. Sends nothing yet.
fn sign_in(connection: &Connection) -> Result<Api, ClientError> {
    let address = address(connection)?;
    let credentials = credentials::find(&address, connection.user.as_deref())?;
    Api::new(address, Some(&credentials))
}

fn address(connection: &Connection) -> Result<Address, ClientError> {
    let address = Address::parse(&connection.url)?;
    if !address.is_secure() && !address.is_loopback() {
        say(&format!(
            "warning: anybody on the way to {address} can read the password and the tokens; use https"
        ));
    }
    Ok(address)
}

/// The id of the token that `token` names, and its name if the server was asked for it. What has the form of an id may be
/// the name of another token, too, unless it `is_id`.
fn resolve(api: &Api, token: &str, is_id: bool) -> Result<(TokenId, Option<String>), ClientError> {
    // No name has white space around it; what is pasted has.
    let token = text::trim(token);
    if is_id {
        let wrong = |_| ClientError::Usage("--id needs a whole id".to_owned());
        return Ok((token.parse().map_err(wrong)?, None));
    }
    let tokens = api.list()?.value.tokens;
    let (id, found) = lookup::find(token, &tokens)?;
    Ok((*id, Some(visible(&found.name))))
}

/// Prints a new token. Where that fails, it is lost: nobody can ask for it again.
fn print_token(created: Success<Created>, json: bool) -> Result<(), ClientError> {
    let Success { text, value } = created;
    let output = if json { &text } else { value.token.expose() };
    print_all(output).map_err(|problem| {
        ClientError::Failed(format!(
            "the token {} was created, but cannot be printed: {problem}; revoke it",
            value.id
        ))
    })?;
    if !json {
        say(&value.to_string());
    }
    Ok(())
}

fn list(api: &Api, json: bool) -> Result<(), ClientError> {
    let Success { text, value } = api.list()?;
    if json {
        return Ok(print(&text)?);
    }
    if value.tokens.is_empty() {
        say("There are no tokens.");
        return Ok(());
    }
    print_tokens(value.tokens.iter())
}

fn print_tokens<'a>(
    tokens: impl Iterator<Item = (&'a TokenId, &'a Details)>,
) -> Result<(), ClientError> {
    let head = ["NAME", "ID", "LIFE", "REMAINING", "STATUS", "LAST USED"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(tokens.map(|(id, token)| {
        [
            visible(&token.name),
            id.to_string(),
            period(token.life),
            remaining(token.remaining),
            token.status().to_owned(),
            token.more.last_used(),
        ]
    }));
    Ok(print(&table::render(&rows))?)
}

/// Lists what is good and ends within this time. Fails if there is any, so that cron says so.
fn list_expiring(api: &Api, within: Lifetime) -> Result<(), ClientError> {
    let tokens = api.list()?.value.tokens;
    let ends =
        |token: &Details| token.remaining > 0.0 && token.remaining <= within.as_secs() as f64;
    let ending = || tokens.iter().filter(|(_, token)| ends(token));
    let said = match ending().count() {
        0 => return Ok(()),
        1 => "1 token ends".to_owned(),
        count => format!("{count} tokens end"),
    };
    print_tokens(ending())?;
    let within = period(within.as_secs());
    Err(ClientError::Expiring(format!("{said} within {within}")))
}

fn show(api: &Api, token: &str, is_id: bool, json: bool) -> Result<(), ClientError> {
    let (id, _) = resolve(api, token, is_id)?;
    let Success { text, value } = api.show(id)?;
    if json {
        return Ok(print(&text)?);
    }
    let mut rows = vec![
        ("Name:", visible(&value.name)),
        ("Id:", id.to_string()),
        ("Life:", period(value.life)),
        ("Remaining:", remaining(value.remaining)),
        ("Status:", value.status().to_owned()),
    ];
    rows.extend(value.more.rows());
    let rows: Vec<_> = (rows.into_iter())
        .map(|(name, value)| [name.to_owned(), value])
        .collect();
    Ok(print(&table::render(&rows))?)
}

fn revoke(api: &Api, token: &str, is_id: bool) -> Result<(), ClientError> {
    let (id, name) = resolve(api, token, is_id)?;
    api.revoke(id)?;
    match name {
        Some(name) => say(&format!("Revoked {name}: {id}")),
        None => say(&format!("Revoked {id}")),
    }
    Ok(())
}

/// Revokes the tokens that are on standard input. What is there instead of one is never repeated: it may be a password.
fn revoke_from_stdin(connection: &Connection) -> Result<(), ClientError> {
    let api = Api::new(address(connection)?, None)?;
    let (mut revoked, mut refused) = (0_usize, 0_usize);
    for (number, line) in io::stdin().lock().split(b'\n').enumerate() {
        let line = line.map_err(|error| {
            ClientError::Failed(format!("standard input cannot be read: {error}"))
        })?;
        // What is no UTF-8 is no token.
        let line = String::from_utf8_lossy(&line);
        for word in text::trim(&line).split_whitespace() {
            let done = match Jwt::try_from(word.to_owned()) {
                Ok(token) => api.revoke_held(&token),
                Err(_) => Err(ClientError::Failed("it is no token".to_owned())),
            };
            match done {
                Ok(_) => revoked += 1,
                Err(ClientError::Failed(problem)) => {
                    say(&format!("warning: line {}: {problem}", number + 1));
                    refused += 1;
                }
                Err(error) => {
                    say(&format!("Revoked {revoked} before this:"));
                    return Err(error);
                }
            }
        }
    }
    match (revoked, refused) {
        (0, 0) => Err(ClientError::Failed(
            "there is no token on standard input".to_owned(),
        )),
        (1, 0) => {
            say("Revoked 1 token.");
            Ok(())
        }
        (_, 0) => {
            say(&format!("Revoked {revoked} tokens."));
            Ok(())
        }
        (_, failed) => Err(ClientError::Failed(format!(
            "revoked {revoked}, but {failed} could not be revoked"
        ))),
    }
}

fn revoke_all(connection: &Connection, yes: bool) -> Result<(), ClientError> {
    if !yes && !io::stdin().is_terminal() {
        return Err(ClientError::Usage(
            "there is no terminal to ask on: give --yes to revoke all tokens".to_owned(),
        ));
    }
    let api = sign_in(connection)?;
    if !yes && !is_confirmed(&format!("Revoke all tokens of {api}?")) {
        return Err(ClientError::Failed("nothing was revoked".to_owned()));
    }
    match api.revoke_all()?.value.jwt_tokens_deleted {
        Some(1) => say("Revoked 1 token."),
        Some(count) => say(&format!("Revoked {count} tokens.")),
        None => say("Revoked all tokens."),
    }
    Ok(())
}

/// Asks a question that only `yes` says yes to.
fn is_confirmed(question: &str) -> bool {
    let _ = write!(io::stderr(), "{question} [yes/no] ");
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.is_ok() && answer.trim().eq_ignore_ascii_case("yes")
}
