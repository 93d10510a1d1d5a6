//! The table of the store: made at first use, and looked at before it is used.

use tokio_postgres::error::SqlState;

use super::super::{BackendError, StoreError};
use super::failure::Failure;
use super::pool::{Pool, RESPONSE_TIMEOUT};

/// Keys are compared byte by byte: an index in the order of a language is damaged when the system changes that order.
const CREATE: &str = "CREATE TABLE IF NOT EXISTS latchkey (
                          key   text COLLATE \"C\" PRIMARY KEY,
                          value bytea NOT NULL
                      )";

/// `NULL` if there is no table. Else whether it is one whose rows survive a crash, has the columns, its primary key, and the
/// four rights on it.
const LOOK: &str = "
    SELECT relpersistence = 'p' AND relkind IN ('r', 'p'),
           (SELECT count(*) = 2 FROM pg_attribute
            WHERE attrelid = table_.oid
              AND (attname, atttypid) IN (('key', 'text'::regtype), ('value', 'bytea'::regtype))),
           EXISTS (SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
                   WHERE indrelid = table_.oid AND indisunique AND indnkeyatts = 1 AND indpred IS NULL
                     AND attname = 'key'),
           has_table_privilege(table_.oid, 'SELECT') AND has_table_privilege(table_.oid, 'INSERT')
               AND has_table_privilege(table_.oid, 'UPDATE') AND has_table_privilege(table_.oid, 'DELETE')
    FROM pg_class table_ WHERE table_.oid = to_regclass('latchkey')";

/// Makes the table if it is not there. Fails if it is another than that.
pub(super) async fn ensure(pool: &Pool) -> Result<(), StoreError> {
    if look(pool).await? {
        return Ok(());
    }
    let created = pool.run(RESPONSE_TIMEOUT, CREATE, &[]).await;
    // Of two who make it at once, one may be refused although it is there then.
    match (look(pool).await?, created) {
        (true, _) => Ok(()),
        (false, Err(Failure::Refused(code))) if code == SqlState::INSUFFICIENT_PRIVILEGE => {
            Err(StoreError::Postgres(
                "there is no table `latchkey`, and this user may not create it: run `latchkey store init` as one who may"
                    .to_owned(),
            ))
        }
        (false, created) => Err(StoreError::Postgres(match created {
            Err(failure) => BackendError::from(failure).to_string(),
            Ok(_) => "there is no schema for the table `latchkey`: see `search_path`".to_owned(),
        })),
    }
}

/// Whether the table is there.
async fn look(pool: &Pool) -> Result<bool, StoreError> {
    let failed = |failure| match BackendError::from(failure) {
        BackendError::Failed(reason) => StoreError::Postgres(reason),
        error => StoreError::Postgres(error.to_string()),
    };
    let answer = pool.run(RESPONSE_TIMEOUT, LOOK, &[]).await;
    let Some(row) = answer.map_err(failed)?.rows.pop() else {
        return Ok(false);
    };
    for (column, problem) in [
        "its rows would not survive a crash: it has to be an ordinary table that is logged",
        "it needs the columns `key text` and `value bytea`",
        "its primary key has to be `key`",
        "this user needs the rights SELECT, INSERT, UPDATE and DELETE on it",
    ]
    .into_iter()
    .enumerate()
    {
        if !row.try_get::<_, bool>(column).unwrap_or(false) {
            let problem = format!("the table `latchkey` cannot be used: {problem}");
            return Err(StoreError::Postgres(problem));
        }
    }
    Ok(true)
}
