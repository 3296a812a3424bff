//! Finds the word that a mistyped one probably stands for.

/// The word that differs from `written` by the fewest mistakes; `None` if more than half of it would be mistaken.
pub fn nearest<'a>(written: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    words
        .into_iter()
        .map(|word| (mistakes(written.as_bytes(), word.as_bytes()), word))
        .min_by_key(|&(mistakes, _)| mistakes)
        .filter(|&(mistakes, word)| 2 * mistakes <= word.len())
        .map(|(_, word)| word)
}

/// The number of letters that were left out, added, mistaken or swapped with a neighbour: the optimal string alignment
/// distance.
pub fn mistakes(written: &[u8], word: &[u8]) -> usize {
    // A word of more than twice the length is no typing mistake, and the comparison costs the product of both lengths.
    if written.len() > 2 * word.len() {
        return written.len();
    }
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=word.len()).collect();
    for (i, &a) in written.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &b) in word.iter().enumerate() {
            let mut least = (last[j] + usize::from(a != b))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && a == word[j - 1] && b == written[i - 1] {
                let swapped: &Vec<usize> = &before_last;
                least = least.min(swapped[j - 1] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[word.len()]
}
