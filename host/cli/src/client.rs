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

use std::io::{self, IsTerminal, Write};

use latchkey_component::text;
use latchkey_component::token::TokenId;

use crate::args::token::{Connection, Token, TokenCommand};
use crate::terminal::{print, print_all, say, visible};
use address::Address;
use answer::{Created, period, remaining};
use api::{Api, Success};
use error::ClientError;

pub fn run(options: &Token) -> Result<(), ClientError> {
    let connection = &options.connection;
    match &options.command {
        TokenCommand::Create { name, life, json } => {
            print_token(sign_in(connection)?.create(name, life)?, *json)
        }
        TokenCommand::List { json } => list(&sign_in(connection)?, *json),
        TokenCommand::Show { token, id, json } => show(&sign_in(connection)?, token, *id, *json),
        TokenCommand::Revoke {
            token: Some(token),
            id,
            ..
        } => revoke(&sign_in(connection)?, token, *id),
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
    let address = Address::parse(&connection.url)?;
    if !address.is_secure() && !address.is_loopback() {
        say(&format!(
            "warning: anybody on the way to {address} can read the password and the tokens; use https"
        ));
    }
    let credentials = credentials::find(&address, connection.user.as_deref())?;
    Api::new(address, &credentials)
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
    let mut rows = vec![["NAME", "ID", "LIFE", "REMAINING", "STATUS"].map(str::to_owned)];
    rows.extend(value.tokens.iter().map(|(id, token)| {
        [
            visible(&token.name),
            id.to_string(),
            period(token.life),
            remaining(token.remaining),
            token.status().to_owned(),
        ]
    }));
    Ok(print(&table::render(&rows))?)
}

fn show(api: &Api, token: &str, is_id: bool, json: bool) -> Result<(), ClientError> {
    let (id, _) = resolve(api, token, is_id)?;
    let Success { text, value } = api.show(id)?;
    if json {
        return Ok(print(&text)?);
    }
    let rows = [
        ("Name:", visible(&value.name)),
        ("Id:", id.to_string()),
        ("Life:", period(value.life)),
        ("Remaining:", remaining(value.remaining)),
        ("Status:", value.status().to_owned()),
    ];
    let rows = rows.map(|(name, value)| [name.to_owned(), value]);
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
