//! The table: the host beside another server, one line a row, printed as soon as the row is measured.

use crate::load::Report;
use crate::pairs::median;

/// Begins the rows that compare the host with `other`.
pub fn begin(other: &str) {
    println!();
    println!("{:<31}{:^24}  {:^24}{:>13}", "", "host", other, "host /");
    let columns = format!("{:>10}{:>7}{:>7}", "req/s", "p50", "p99");
    println!("{:<31}{columns}  {columns}{other:>13}", "");
}

/// What wrk reported of both, in pairs. The ratio is that of the rates: above 1, the host does more.
pub fn reports(name: &str, pairs: &[(Report, Report)]) {
    let ratio = median(pairs.iter().map(|(host, other)| host.rate / other.rate));
    let (host, other): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
    let (host, other) = (columns(&host), columns(&other));
    println!("{name:<31}{host}  {other}{ratio:>13.2}");
}

fn columns(reports: &[Report]) -> String {
    let Report { rate, p50, p99 } = Report::median(reports);
    format!("{:>10}{p50:>7.2}{p99:>7.2}", thousands(rate))
}

/// One number of both, in pairs. The ratio is that of the numbers: below 1, the host needs less.
pub fn values(name: &str, pairs: &[(f64, f64)]) {
    let ratio = median(pairs.iter().map(|(host, other)| host / other));
    let host = median(pairs.iter().map(|(host, _)| *host));
    let other = median(pairs.iter().map(|(_, other)| *other));
    println!("{name:<31}{host:>10.1}{other:>26.1}{ratio:>27.2}");
}

/// One number of the host alone.
pub fn value(name: &str, host: f64) {
    println!("{name:<31}{host:>10.1}");
}

/// A whole number with commas: `12,345`.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
