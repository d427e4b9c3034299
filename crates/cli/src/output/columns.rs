//! Tables whose columns align.

/// On which side of its column a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// Rows of texts, two spaces between the columns, nothing behind the last one.
#[derive(Debug)]
pub(crate) struct Columns {
    aligns: &'static [Align],
    rows: Vec<Vec<Cell>>,
}

/// A text and how wide it looks: escape sequences have no width.
#[derive(Debug)]
struct Cell {
    text: String,
    width: usize,
}

impl Columns {
    /// An empty table.
    pub(crate) const fn new(aligns: &'static [Align]) -> Self {
        Self {
            aligns,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        let cells = cells.into_iter().map(|text| Cell {
            width: width(&text),
            text,
        });
        self.rows.push(cells.collect());
    }

    /// The table as text, one line a row.
    pub(crate) fn render(&self) -> String {
        let mut widths = vec![0; self.aligns.len()];
        for row in &self.rows {
            for (max, cell) in widths.iter_mut().zip(row) {
                *max = cell.width.max(*max);
            }
        }
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (n, ((cell, align), width)) in row.iter().zip(self.aligns).zip(&widths).enumerate() {
                if n > 0 {
                    line.push_str("  ");
                }
                let padding = " ".repeat(width - cell.width);
                match align {
                    Align::Left => {
                        line.push_str(&cell.text);
                        line.push_str(&padding);
                    }
                    Align::Right => {
                        line.push_str(&padding);
                        line.push_str(&cell.text);
                    }
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn width(text: &str) -> usize {
    let mut escaped = false;
    text.chars()
        .filter(|&c| match (escaped, c) {
            (false, '\x1b') => {
                escaped = true;
                false
            }
            (false, _) => true,
            (true, _) => {
                escaped = c != 'm';
                false
            }
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align() {
        let mut table = Columns::new(&[Align::Left, Align::Right, Align::Left]);
        table.row(["a".to_owned(), "1000".to_owned(), "x".to_owned()]);
        table.row(["\x1b[1mbcd\x1b[0m".to_owned(), "2".to_owned(), "über".to_owned()]);
        table.row(["ü".to_owned(), "30".to_owned(), String::new()]);
        assert_eq!(
            table.render(),
            "a    1000  x\n\x1b[1mbcd\x1b[0m     2  über\nü      30\n"
        );
        assert_eq!(Columns::new(&[Align::Left]).render(), "");
    }
}
