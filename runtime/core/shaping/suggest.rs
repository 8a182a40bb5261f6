//! What a person may have meant.

/// The names that are spelled most like `word`, the nearest first, at most three.
pub(super) fn nearest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let allowed = (word.chars().count() / 3).max(1);
    let mut near: Vec<(usize, &str)> = names
        .into_iter()
        .map(|name| (distance(&word.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= allowed)
        .collect();
    near.sort_unstable();
    near.into_iter().map(|(_, name)| name).take(3).collect()
}

/// How many letters have to be inserted, removed or replaced to make `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((cb, above_left), above) in b.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or(0);
            next.push((above_left + usize::from(ca != *cb)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

/// Names in back-ticks, with commas.
pub(super) fn quoted<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a7_distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("abc", "", 3),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
            ("same", "same", 0),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn a7_the_nearest_names_come_first() {
        let names = ["max_ready", "max_message_rate", "max_connection_rate", "connection_limit"];
        assert_eq!(nearest("max_conection_rate", names), ["max_connection_rate"]);
        assert_eq!(nearest("Max_Ready", names), ["max_ready"]);
        assert_eq!(nearest("com", names), [""; 0]);
        assert_eq!(nearest("ab", ["abc", "abcd", "ab"]), ["ab", "abc"]);
        assert_eq!(nearest("abcd", ["abce", "abcf", "abcg", "abch"]), ["abce", "abcf", "abcg"]);
        assert_eq!(quoted(["a", "b"]), "`a`, `b`");
    }
}
