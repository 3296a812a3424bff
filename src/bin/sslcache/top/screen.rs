//! The screen: a line of sums, the table, a line of keys.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout};
use ratatui::style::{Modifier, Style};
use ratatui::text::Text;
use ratatui::widgets::{Cell, Paragraph, Row, Table};

use super::View;
use super::rows::{COLUMNS, columns_in};

const KEYS: [&str; 4] = [
    "q quit",
    "left/right sort by",
    "r reverse",
    "up/down scroll",
];

/// Draws the whole screen. If the terminal is too small, the last lines and the least important columns are
/// left out.
pub fn draw(frame: &mut Frame<'_>, view: &mut View) {
    let parts = [
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
    ];
    let [title, body, foot] = Layout::vertical(parts).areas(frame.area());
    let room = usize::from(body.height.saturating_sub(1));
    view.first = view.first.min(view.rows.len().saturating_sub(room));
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let sorted = COLUMNS[view.column].head.to_lowercase();
    let (count, end) = (view.rows.len(), (view.first + room).min(view.rows.len()));
    let of = if end - view.first < count {
        format!(", {} to {end} shown", view.first + 1)
    } else {
        String::new()
    };
    let order = if view.ascending {
        "smallest"
    } else {
        "largest"
    };
    let line = format!("sslcache top: {count} processes{of}, {order} {sorted} first");
    let line = match line.len() > usize::from(title.width) {
        true => format!("{count} processes{of}, by {sorted}"),
        false => line,
    };
    frame.render_widget(Paragraph::new(line).style(bold), title);
    frame.render_widget(Paragraph::new(keys(foot.width)), foot);
    if view.rows.is_empty() {
        return frame.render_widget(Paragraph::new(view.message.as_str()), body);
    }
    let shown = columns_in(body.width, view.column);
    let heads = shown.iter().map(|&number| {
        let style = if number == view.column {
            bold.add_modifier(Modifier::REVERSED)
        } else {
            bold
        };
        Cell::from(aligned(number, COLUMNS[number].head.to_owned())).style(style)
    });
    let lines = view.rows[view.first..end].iter().map(|row| {
        let cells = shown.iter();
        Row::new(cells.map(|&number| Cell::from(aligned(number, COLUMNS[number].show(row)))))
    });
    let widths = shown
        .iter()
        .map(|&number| Constraint::Length(COLUMNS[number].width));
    frame.render_widget(
        Table::new(lines, widths)
            .header(Row::new(heads))
            .column_spacing(1),
        body,
    );
}

/// As many words about keys as fit a line.
fn keys(width: u16) -> String {
    let mut line = String::new();
    for key in KEYS {
        if line.len() + 3 + key.len() > usize::from(width) && !line.is_empty() {
            break;
        }
        let blanks = if line.is_empty() { "" } else { "   " };
        line = line + blanks + key;
    }
    line
}

/// Aligns numbers to the right and names to the left.
fn aligned(column: usize, text: String) -> Text<'static> {
    let alignment = if COLUMNS[column].head == "PROGRAM" {
        Alignment::Left
    } else {
        Alignment::Right
    };
    Text::from(text).alignment(alignment)
}
