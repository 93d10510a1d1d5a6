use super::*;

/// The status and the code of every error.
pub(in super::super) fn statuses_and_codes() -> Vec<(u16, &'static str)> {
    use ApiError::*;
    let text = String::new;
    let scope = || "a".parse().expect("a scope");
    let errors = [
        NotFound,
        MethodNotAllowed(text()),
        Configuration(ConfigError::NoUsers),
        Configuration(ConfigError::Unreadable { variable: "users" }),
        Unauthorized,
        SignInFailed(None),
        IdTokenRefused(IdTokenError::Malformed),
        TooManyAttempts {
            user: None,
            retry_after: Duration::ZERO,
        },
        NoBearer,
        MalformedBearer,
        InvalidToken,
        CrossSite,
        NotAdmin,
        OtherOrigin,
        UnsupportedMediaType(MediaType::Json),
        BodyTooLarge,
        IncompleteBody,
        MalformedJson { message: text() },
        InvalidField { message: text() },
        UnknownField(text()),
        InvalidParameter(text()),
        InsufficientScope(None),
        WrongAudience,
        InvalidForm(""),
        DescriptionBlank,
        InvalidLifetime("", LifetimeError::Zero),
        InvalidIdempotencyKey,
        Service(IdempotencyKeyReused),
        Service(NoTokens),
        Service(ServiceError::NoSuchUser),
        Service(ServiceError::UserInactive),
        Service(ServiceError::UserBegins(Duration::ZERO)),
        Service(Lifetime(LifetimeError::Zero)),
        Service(ServiceError::Scope(scope())),
        Service(Ledger(NoSuchToken)),
        Service(Ledger(DescriptionTaken)),
        Service(Ledger(LimitReached(1))),
        Service(Ledger(AlreadyRotated)),
        Service(Ledger(TooManyIdempotencyKeys)),
        Service(Store(StoreError::Contended)),
    ];
    // A variant that is missing here does not compile: add it to the list above, too.
    let known = |error: &ApiError| match error {
        NotFound
        | MethodNotAllowed(_)
        | Configuration(_)
        | Unauthorized
        | SignInFailed(_)
        | IdTokenRefused(_)
        | TooManyAttempts { .. }
        | NoBearer
        | MalformedBearer
        | InvalidToken
        | CrossSite
        | NotAdmin
        | OtherOrigin
        | UnsupportedMediaType(_)
        | BodyTooLarge
        | IncompleteBody
        | MalformedJson { .. }
        | InvalidField { .. }
        | UnknownField(_)
        | InvalidParameter(_)
        | InsufficientScope(_)
        | WrongAudience
        | InvalidForm(_)
        | DescriptionBlank
        | InvalidLifetime(..)
        | InvalidIdempotencyKey
        | Service(
            IdempotencyKeyReused
            | NoTokens
            | ServiceError::NoSuchUser
            | ServiceError::UserInactive
            | ServiceError::UserBegins(_)
            | Lifetime(_)
            | ServiceError::Scope(_)
            | Ledger(
                NoSuchToken
                | DescriptionTaken
                | LimitReached(_)
                | AlreadyRotated
                | TooManyIdempotencyKeys,
            )
            | Store(_),
        ) => (error.status().as_u16(), error.code()),
    };
    errors.iter().map(known).collect()
}

#[test]
fn delay_seconds_are_whole_rounded_up_and_never_none() {
    for (millis, seconds) in [
        (0, "1"),
        (1, "1"),
        (1_000, "1"),
        (1_001, "2"),
        (300_000, "300"),
    ] {
        let retry_after = Duration::from_millis(millis);
        let user = None;
        let response = ApiError::TooManyAttempts { user, retry_after }.response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], seconds, "{millis}");
    }
}
