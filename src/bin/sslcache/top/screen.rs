//! The screen: a line of sums, the table, a line of keys.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout};
use ratatui::style::{Modifier, Style};
use ratatui::text::Text;
use ratatui::widgets::{Cell, Paragraph, Row, Table};

use super::View;
use super::rows::COLUMNS;

const KEYS: &str = "q quit   left/right sort by   r reverse   up/down scroll";

/// Draws the whole screen. If the terminal is too small, the last lines and columns are left out.
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
    frame.render_widget(Paragraph::new(line).style(bold), title);
    frame.render_widget(Paragraph::new(KEYS), foot);
    if view.rows.is_empty() {
        return frame.render_widget(Paragraph::new(view.message.as_str()), body);
    }
    let heads = COLUMNS.iter().enumerate().map(|(number, column)| {
        let style = if number == view.column {
            bold.add_modifier(Modifier::REVERSED)
        } else {
            bold
        };
        Cell::from(aligned(number, column.head.to_owned())).style(style)
    });
    let lines = view.rows[view.first..end].iter().map(|row| {
        let cells = COLUMNS.iter().enumerate();
        Row::new(cells.map(|(number, column)| Cell::from(aligned(number, column.show(row)))))
    });
    let widths = COLUMNS
        .iter()
        .map(|column| Constraint::Length(column.width));
    frame.render_widget(
        Table::new(lines, widths)
            .header(Row::new(heads))
            .column_spacing(1),
        body,
    );
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
