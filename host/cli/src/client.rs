//! A client for any Latchkey server: `latchkey token`.
//!
//! | module | its one job |
//! |---|---|
//! | [`address`] | where the server is |
//! | [`credentials`] | who signs in |
//! | [`netrc`] | reads `.netrc` |
//! | [`transport`] | one request, one answer |
//! | [`api`] | the requests, and what their answers mean |
//! | [`answer`] | the answers |
//! | [`lookup`] | a name, or the beginning of an id -> a token |
//! | [`table`] | a table for people |
//! | [`error`] | what went wrong, and the exit code for it |

pub mod address;
pub mod answer;
pub mod api;
pub mod credentials;
pub mod error;
pub mod lookup;
pub mod netrc;
pub mod table;
pub mod transport;

use std::io::{self, IsTerminal, Write};

use crate::args::token::{Connection, Token, TokenCommand};
use crate::terminal::{print, print_all, say, visible, visible_json};
use address::Address;
use answer::{Created, period, remaining};
use api::{Api, Success};
use error::ClientError;
use lookup::{LookupError, as_id};

/// Does what the command line says.
pub fn run(options: &Token) -> Result<(), ClientError> {
    let connection = &options.connection;
    match &options.command {
        TokenCommand::Create { name, life, json } => {
            hand_over(sign_in(connection)?.create(name, life)?, *json)
        }
        TokenCommand::List { json } => list(&sign_in(connection)?, *json),
        TokenCommand::Show { token, json } => show(&sign_in(connection)?, token, *json),
        TokenCommand::Revoke {
            token: Some(token), ..
        } => revoke(&sign_in(connection)?, token),
        TokenCommand::Revoke { yes, .. } => revoke_all(connection, *yes),
        TokenCommand::Rotate {
            token,
            life,
            overlap,
            json,
        } => {
            let api = sign_in(connection)?;
            let id = resolve(&api, token)?.0;
            let rotated = api.rotate(&id, life.as_deref(), overlap.as_deref())?;
            hand_over(rotated, *json)
        }
    }
}

/// Finds out who signs in where. The server learns of it with the first request.
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

/// The id that `token` means, and the name, if the list was asked for it.
fn resolve(api: &Api, token: &str) -> Result<(String, Option<String>), ClientError> {
    if let Some(id) = as_id(token) {
        return Ok((id, None));
    }
    let Some(list) = api.list()? else {
        return Err(LookupError::None(visible(token)).into());
    };
    let found = lookup::find(token, &list.value.tokens)?;
    Ok((found.id.clone(), Some(visible(&found.name))))
}

/// Prints a new token. Where that fails, it is lost: nobody can ask for it again.
fn hand_over(created: Success<Created>, json: bool) -> Result<(), ClientError> {
    let Success { text, value } = created;
    let printed = if json {
        print_all(&visible_json(text.trim()))
    } else {
        print_all(&value.token)
    };
    printed.map_err(|problem| ClientError::Unprinted {
        id: value.id.clone(),
        problem,
    })?;
    if !json {
        say(&value.to_string());
    }
    Ok(())
}

fn list(api: &Api, json: bool) -> Result<(), ClientError> {
    match api.list()? {
        Some(list) if json => print(&visible_json(list.text.trim()))?,
        Some(list) => {
            let mut rows = vec![["NAME", "ID", "LIFE", "REMAINING", "STATUS"].map(str::to_owned)];
            rows.extend(list.value.tokens.iter().map(|token| {
                [
                    visible(&token.name),
                    token.id.clone(),
                    period(token.life),
                    remaining(token.remaining),
                    token.status().to_owned(),
                ]
            }));
            print(&table::render(&rows))?;
        }
        // So that a program finds what it looks for, with nothing in it.
        None if json => print(r#"{"message":"Tokens does not exist","jwt_tokens":{}}"#)?,
        None => say("There are no tokens."),
    }
    Ok(())
}

fn show(api: &Api, token: &str, json: bool) -> Result<(), ClientError> {
    let (id, _) = resolve(api, token)?;
    let Success { text, value } = api.show(&id)?;
    if json {
        return Ok(print(&visible_json(text.trim()))?);
    }
    let rows = [
        ("Name:", visible(&value.name)),
        ("Id:", id),
        ("Life:", period(value.life)),
        ("Remaining:", remaining(value.remaining)),
        ("Status:", visible(&value.status)),
    ];
    let rows = rows.map(|(name, value)| [name.to_owned(), value]);
    Ok(print(&table::render(&rows))?)
}

fn revoke(api: &Api, token: &str) -> Result<(), ClientError> {
    let (id, name) = resolve(api, token)?;
    api.revoke(&id)?;
    match name {
        Some(name) => say(&format!("Revoked {name}: {id}")),
        None => say(&format!("Revoked {id}")),
    }
    Ok(())
}

fn revoke_all(connection: &Connection, yes: bool) -> Result<(), ClientError> {
    if !yes && !io::stdin().is_terminal() {
        return Err(ClientError::Unasked);
    }
    let api = sign_in(connection)?;
    if !yes && !confirmed(&format!("Revoke all tokens of {api}?"))? {
        return Err(ClientError::Declined);
    }
    match api.revoke_all()?.value.jwt_tokens_deleted {
        Some(1) => say("Revoked 1 token."),
        Some(count) => say(&format!("Revoked {count} tokens.")),
        None => say("Revoked all tokens."),
    }
    Ok(())
}

/// Asks a question that only `yes` says yes to.
fn confirmed(question: &str) -> Result<bool, ClientError> {
    let _ = write!(io::stderr(), "{question} [yes/no] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}
