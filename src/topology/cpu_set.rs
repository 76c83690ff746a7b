//! A set of CPU numbers (or of NUMA node numbers) as large as its largest member, and the two ways the kernel writes one:
//! lists such as `0-3,7` and masks such as `00000000,0000008f`.

use crate::error::{Error, Result, error};
use crate::os::affinity::CPU_LIMIT;
use crate::os::alloc::{Allocator, List};
use core::fmt;

/// A set of numbers below [`CPU_LIMIT`].
pub struct CpuSet {
    words: List<u64>,
}

impl CpuSet {
    /// The empty set.
    pub const fn new(allocator: Allocator) -> CpuSet {
        CpuSet { words: List::new(allocator) }
    }

    /// The set whose member `n` is bit `n % 64` of word `n / 64`.
    pub fn from_words(words: List<u64>) -> CpuSet {
        CpuSet { words }
    }

    /// The words of the set, for the calls of [`affinity`](crate::os::affinity).
    pub fn as_words(&self) -> &[u64] {
        &self.words
    }

    /// A set with the same members.
    pub fn try_clone(&self) -> Result<CpuSet> {
        Ok(CpuSet { words: List::from_slice(self.words.allocator(), &self.words)? })
    }

    /// Puts a number in. Putting it in twice is the same as once.
    ///
    /// # Errors
    /// `InvalidArgument` for a number from [`CPU_LIMIT`] on; `OutOfMemory`.
    pub fn insert(&mut self, cpu: u32) -> Result<()> {
        if cpu >= CPU_LIMIT {
            return Err(error!(InvalidArgument, "CPU {cpu}: CPU numbers end at {}", CPU_LIMIT - 1));
        }
        let word = cpu as usize / 64;
        while self.words.len() <= word {
            self.words.push(0)?;
        }
        self.words[word] |= 1 << (cpu % 64);
        Ok(())
    }

    /// Takes a number out.
    pub fn remove(&mut self, cpu: u32) {
        if let Some(word) = self.words.get_mut(cpu as usize / 64) {
            *word &= !(1 << (cpu % 64));
        }
    }

    /// Whether the number is in the set.
    pub fn contains(&self, cpu: u32) -> bool {
        self.words.get(cpu as usize / 64).is_some_and(|word| word >> (cpu % 64) & 1 != 0)
    }

    /// How many numbers are in the set.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            let mut left = word;
            core::iter::from_fn(move || {
                let bit = left.trailing_zeros();
                left &= left.checked_sub(1)?;
                Some(index as u32 * 64 + bit)
            })
        })
    }

    /// Takes out everything that is not in `other`.
    pub fn intersect(&mut self, other: &CpuSet) {
        for (index, word) in self.words.iter_mut().enumerate() {
            *word &= other.words.get(index).copied().unwrap_or(0);
        }
    }

    /// Reads a list such as `0-3,7`. Nothing but white space is the empty set: so the kernel writes the CPUs of a node
    /// that has memory only.
    ///
    /// # Errors
    /// `InvalidArgument`, naming `source` (the file the text came from), for anything else; `OutOfMemory`.
    pub fn parse_list(allocator: Allocator, text: &[u8], source: &dyn fmt::Display) -> Result<CpuSet> {
        let mut set = CpuSet::new(allocator);
        let text = trim(text);
        if text.is_empty() {
            return Ok(set);
        }
        for piece in text.split(|&byte| byte == b',') {
            let (first, last) = match piece.iter().position(|&byte| byte == b'-') {
                Some(dash) => (number(&piece[..dash]), number(&piece[dash + 1..])),
                None => (number(piece), number(piece)),
            };
            let (Some(first), Some(last)) = (first, last) else {
                return Err(malformed(source, text, "a list of numbers such as 0-3,7"));
            };
            if first > last || last >= CPU_LIMIT {
                return Err(malformed(source, text, "ascending ranges of numbers below 65536"));
            }
            for cpu in first..=last {
                set.insert(cpu)?;
            }
        }
        Ok(set)
    }

    /// Reads a mask such as `00000000,0000008f`: words of 32 bits in hexadecimal, the highest first.
    ///
    /// # Errors
    /// As [`parse_list`](Self::parse_list).
    pub fn parse_mask(allocator: Allocator, text: &[u8], source: &dyn fmt::Display) -> Result<CpuSet> {
        let mut set = CpuSet::new(allocator);
        let text = trim(text);
        for (index, digits) in text.rsplit(|&byte| byte == b',').enumerate() {
            let Some(word) = hexadecimal(digits) else {
                return Err(malformed(source, text, "a mask such as 00000000,0000008f"));
            };
            for bit in (0..32).filter(|bit| word >> bit & 1 != 0) {
                let cpu = index as u64 * 32 + bit;
                if cpu >= u64::from(CPU_LIMIT) {
                    return Err(malformed(source, text, "a mask of less than 65536 bits"));
                }
                set.insert(cpu as u32)?;
            }
        }
        Ok(set)
    }
}

impl PartialEq for CpuSet {
    fn eq(&self, other: &CpuSet) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for CpuSet {}

/// As the kernel writes a list: `0-3,7`.
impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut numbers = self.iter().peekable();
        let mut comma = "";
        while let Some(first) = numbers.next() {
            let mut last = first;
            while numbers.next_if_eq(&(last + 1)).is_some() {
                last += 1;
            }
            match last == first {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
            comma = ",";
        }
        Ok(())
    }
}

impl fmt::Debug for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

/// The text without white space around it, nor the zero bytes that some kernels leave at the end of a mask.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let is_padding = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0;
    let start = text.iter().take_while(|byte| is_padding(byte)).count();
    let end = text.len() - text[start..].iter().rev().take_while(|byte| is_padding(byte)).count();
    &text[start..end]
}

/// A number in plain decimal digits.
pub(super) fn number<T: TryFrom<u64>>(digits: &[u8]) -> Option<T> {
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().try_fold(0u64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })?;
    T::try_from(value).ok()
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    digits.iter().try_fold(0, |value, &digit| Some(value << 4 | (digit as char).to_digit(16)?))
}

/// The error for a file that holds something else than `wanted`, with the beginning of what it holds.
pub(super) fn malformed(source: &dyn fmt::Display, text: &[u8], wanted: &str) -> Error {
    let beginning = &text[..text.len().min(24)];
    error!(InvalidArgument, "{source}: \"{}\" was found where {wanted} belongs", beginning.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::{TestResult, quickcheck};
    use std::collections::BTreeSet;
    use std::string::{String, ToString};
    use std::vec::Vec;

    fn parse(text: &str) -> Result<CpuSet> {
        CpuSet::parse_list(Allocator::SYSTEM, text.as_bytes(), &"the-file")
    }

    fn members(set: &CpuSet) -> Vec<u32> {
        set.iter().collect()
    }

    /// The grammar once more, written the naive way.
    fn model(text: &str) -> Option<BTreeSet<u32>> {
        let text = text.trim_matches(|c: char| (c.is_ascii() && (c as u8).is_ascii_whitespace()) || c == '\0');
        let mut set = BTreeSet::new();
        if text.is_empty() {
            return Some(set);
        }
        for piece in text.split(',') {
            let number = |s: &str| s.bytes().all(|b| b.is_ascii_digit()).then(|| s.parse::<u32>().ok()).flatten();
            let (a, b) = piece.split_once('-').unwrap_or((piece, piece));
            let (a, b) = (number(a)?, number(b)?);
            if a > b || b >= CPU_LIMIT {
                return None;
            }
            set.extend(a..=b);
        }
        Some(set)
    }

    fn agrees(text: &str) -> bool {
        match (parse(text), model(text)) {
            (Ok(set), Some(wanted)) => members(&set).into_iter().eq(wanted),
            (Err(error), None) => error.message().contains("the-file"),
            _ => false,
        }
    }

    #[test]
    fn lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(members(&parse("0-3,7\n").unwrap()), [0, 1, 2, 3, 7]);
        assert_eq!(members(&parse("1500,3\n\0").unwrap()), [3, 1500]);
        assert!(parse("").unwrap().is_empty());
        assert!(parse("\n").unwrap().is_empty());
        for broken in ["0-", "-", "a", "3-1", "0,,1", "1,", "65536", "0-99999999999999999999", "0 1", "+1", "0-3-5"] {
            let error = parse(broken).unwrap_err();
            assert!(error.message().contains("the-file"), "{error}");
        }
    }

    #[test]
    fn masks_are_read_as_the_kernel_writes_them() {
        let parse = |text: &str| CpuSet::parse_mask(Allocator::SYSTEM, text.as_bytes(), &"the-file");
        assert_eq!(members(&parse("00000000,0000008f\n").unwrap()), [0, 1, 2, 3, 7]);
        assert_eq!(members(&parse("0001,00000000,80000000\0").unwrap()), [31, 64]);
        assert!(parse("0").unwrap().is_empty());
        for broken in ["", "x", "000000001", "1,,1", "-1"] {
            assert!(parse(broken).unwrap_err().message().contains("the-file"));
        }
        let wide = ["1"].into_iter().chain(std::iter::repeat_n("00000000", 2048)).collect::<Vec<_>>().join(",");
        assert!(parse(&wide).is_err());
    }

    quickcheck! {
        fn any_text_is_read_as_the_model_reads_it(text: String) -> bool {
            agrees(&text)
        }

        /// Letters of the grammar only, so that most texts come near to being well formed.
        fn near_lists_are_read_as_the_model_reads_them(picks: Vec<u8>) -> bool {
            let text: String = picks.iter().map(|&p| b"0123456789,,,--- \n"[p as usize % 18] as char).collect();
            agrees(&text)
        }

        fn what_is_displayed_is_read_back(numbers: Vec<u16>) -> bool {
            let mut set = CpuSet::new(Allocator::SYSTEM);
            for &number in &numbers {
                set.insert(u32::from(number)).unwrap();
            }
            let wanted: BTreeSet<u32> = numbers.iter().map(|&n| u32::from(n)).collect();
            set.len() == wanted.len() && set.iter().eq(wanted) && parse(&set.to_string()).unwrap() == set
        }

        fn intersecting_and_removing_keep_the_rest(left: Vec<u16>, right: Vec<u16>) -> TestResult {
            let of = |numbers: &[u16]| {
                let mut set = CpuSet::new(Allocator::SYSTEM);
                numbers.iter().for_each(|&n| set.insert(u32::from(n % 200)).unwrap());
                set
            };
            let (a, b) = (of(&left), of(&right));
            let mut both = a.try_clone().unwrap();
            both.intersect(&b);
            let mut only = a.try_clone().unwrap();
            b.iter().for_each(|n| only.remove(n));
            TestResult::from_bool((0..300).all(|n| {
                both.contains(n) == (a.contains(n) && b.contains(n))
                    && only.contains(n) == (a.contains(n) && !b.contains(n))
            }))
        }
    }
}
