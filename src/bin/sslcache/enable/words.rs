//! The words of a value in a unit, with systemd's quotes and escapes.

/// Splits a value into its words; `None` if a quote or an escape is not finished, or is one that this tool does not know.
pub fn words(value: &str) -> Option<Vec<String>> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut quote = None;
    let mut chars = value.chars();
    while let Some(char) = chars.next() {
        match (char, quote) {
            ('\\', _) => word.get_or_insert_default().push(escaped(&mut chars)?),
            (char, Some(open)) if char == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (char, None) if char.is_whitespace() => words.extend(word.take()),
            (char, _) => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// The character that follows a backslash.
fn escaped(chars: &mut std::str::Chars<'_>) -> Option<char> {
    match chars.next()? {
        's' => Some(' '),
        't' => Some('\t'),
        'n' => Some('\n'),
        'x' => {
            let digits = [chars.next()?, chars.next()?].map(|digit| digit.to_digit(16));
            let [Some(high), Some(low)] = digits else {
                return None;
            };
            char::from_u32(16 * high + low).filter(char::is_ascii)
        }
        char @ ('\\' | '"' | '\'') => Some(char),
        _ => None,
    }
}

/// Writes an assignment for `Environment=`. A percent sign that is no specifier has to be doubled by the caller.
pub fn assignment(variable: &str, value: &str) -> String {
    let needs_quotes = |char: char| char.is_whitespace() || "\"'\\;#".contains(char);
    if !value.chars().any(needs_quotes) {
        return format!("Environment={variable}={value}");
    }
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("Environment=\"{variable}={value}\"")
}
