//! Requests that the page of another site had a browser make.

use http::HeaderMap;

use super::error::ApiError;
use super::route::Action;

/// What browsers say of where a request comes from (Fetch Metadata, section 2.3). No script can change it.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Refuses what changes something at the wish of another site. A browser may add the password that it remembers.
pub(super) fn check(action: Action, headers: &HeaderMap) -> Result<(), ApiError> {
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    let is_cross_site = |site: &[u8]| site.trim_ascii().eq_ignore_ascii_case(b"cross-site");
    match action.changes() && sites.any(|site| is_cross_site(site.as_bytes())) {
        true => Err(ApiError::CrossSite),
        false => Ok(()),
    }
}
