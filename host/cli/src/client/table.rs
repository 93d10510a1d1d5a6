//! A table for people.

use unicode_width::UnicodeWidthStr;

const COLUMN_GAP: usize = 2;

/// The widest that a column is made for one long cell: a hostile list must not make every row as long as its longest name.
const WIDEST: usize = 300;

/// Rows as lines with aligned columns; wide characters (Unicode Standard Annex #11) count as two.
/// No line ends in white space.
pub fn render<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width()).min(WIDEST);
        }
    }
    let line = |row: &[String; N]| {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width.saturating_sub(cell.width()) + COLUMN_GAP));
        }
        line.truncate(line.trim_end_matches(' ').len());
        line
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [
            ["NAME", "ID", "S"],
            ["日本", "1", "Valid"],
            ["e\u{301}", "12", "x"],
            ["", "", ""],
        ]
        .map(|row| row.map(str::to_owned));
        assert_eq!(
            render(&rows),
            "NAME  ID  S\n日本  1   Valid\ne\u{301}     12  x\n"
        );
        assert_eq!(render::<3>(&[]), "");
    }
}
