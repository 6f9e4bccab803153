//! Two texts → the lines that differ, with their numbers. Pure.

/// The lines that differ: `12 - old` and `12 + new`, numbered as in the text that each is from.
pub(super) fn changed(before: &str, after: &str) -> Vec<String> {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = |(one, other): &(&&str, &&str)| one == other;
    let first = before.iter().zip(&after).take_while(same).count();
    let (one, other) = (&before[first..], &after[first..]);
    let last = one.iter().rev().zip(other.iter().rev()).take_while(same).count();
    let (one, other) = (&one[..one.len() - last], &other[..other.len() - last]);
    if one.len().saturating_mul(other.len()) > MOST {
        return vec![format!("{} lines from line {} on became {}", one.len(), first + 1, other.len())];
    }
    let lengths = lengths(one, other);
    let (mut changed, mut left, mut right) = (Vec::new(), 0, 0);
    let length = |left: usize, right: usize| lengths[left * (other.len() + 1) + right];
    while left < one.len() || right < other.len() {
        let is_same = left < one.len() && right < other.len() && one[left] == other[right];
        if is_same {
            (left, right) = (left + 1, right + 1);
        } else if left < one.len() && (right == other.len() || length(left + 1, right) >= length(left, right + 1)) {
            changed.push(format!("{} - {}", first + left + 1, one[left]));
            left += 1;
        } else {
            changed.push(format!("{} + {}", first + right + 1, other[right]));
            right += 1;
        }
    }
    changed
}

/// How many lines the rests of both have in common, in order, from each pair of places on.
fn lengths(one: &[&str], other: &[&str]) -> Vec<u32> {
    let width = other.len() + 1;
    let mut lengths = vec![0; (one.len() + 1) * width];
    for left in (0..one.len()).rev() {
        for right in (0..other.len()).rev() {
            lengths[left * width + right] = match one[left] == other[right] {
                true => lengths[(left + 1) * width + right + 1] + 1,
                false => lengths[(left + 1) * width + right].max(lengths[left * width + right + 1]),
            };
        }
    }
    lengths
}

/// Pairs of lines that are compared.
const MOST: usize = 16_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lines_that_differ_are_shown() {
        let before = "a\nb\nc\nd\ne\n";
        assert_eq!(changed(before, before), Vec::<String>::new());
        assert_eq!(changed(before, "a\nb\nx\nd\ne\n"), ["3 - c", "3 + x"]);
        assert_eq!(changed(before, "a\nb\nc\nd\ne\nf\n"), ["6 + f"]);
        assert_eq!(changed(before, "b\nc\nnew\nd\n"), ["1 - a", "3 + new", "5 - e"]);
        assert_eq!(changed("", "a\n"), ["1 + a"]);
        assert_eq!(changed("a\n", ""), ["1 - a"]);
    }

    #[test]
    fn texts_that_have_little_in_common_are_counted() {
        let (one, other): (String, String) =
            ((0..5_000).map(|n| format!("a{n}\n")).collect(), (0..5_000).map(|n| format!("b{n}\n")).collect());
        assert_eq!(changed(&one, &other), ["5000 lines from line 1 on became 5000"]);
    }
}
